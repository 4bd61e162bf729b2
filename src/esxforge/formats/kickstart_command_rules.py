"""Rules for one command of a kickstart: whether it goes to the installer at all, and if so, what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from esxforge.formats.kickstart_findings import ERROR, KNOWN_INSTALLER, WARNING, Finding, Use, error, warning
from esxforge.formats.password_rules import hash_problems, is_weak_hash, password_problems, password_warnings
from esxforge_target.formats.kickstart import Command, Section
from esxforge_target.formats.kickstart_commands import (
    ALIASES,
    COMMANDS,
    IGNORED_COMMANDS,
    INSTALL_COMMANDS,
    KEPT,
    KEYBOARDS,
    LEFT_OUT,
    NOTHING,
    REFUSED,
    REPLACED,
    REQUIRED,
    SECTIONS,
    CommandRule,
    Option,
    option_of,
)
from esxforge_target.formats.kickstart_scripts import END_MARK

_TEMPLATE = re.compile(r"\{%|%\}|\{\{|\}\}")
_PLACEHOLDER_KEY = re.compile(r"([XYxy])\1{4}(-\1{5}){4}")
_URL = re.compile(r"(?!file:)[a-z]+://", re.IGNORECASE)
# VMware's pages write them in either case.
_IN_EITHER_CASE = frozenset(("--dpuPciSlots", "--systemDisk"))


def fate_of(command: Command, use: Use) -> str:
    """Return KEPT, or what esxforge does with the command so that it never reaches the installer."""
    if use.standalone:
        return KEPT
    if command.name == END_MARK:
        return LEFT_OUT
    rule = COMMANDS.get(command.name)
    if rule is None or (command.name == "rootpw" and not use.password_given):
        return KEPT
    return rule.fate


def check_command(command: Command, use: Use) -> Iterator[Finding]:
    """Yield findings on one command."""
    fate, rule = fate_of(command, use), COMMANDS.get(command.name)
    if fate != KEPT:
        yield from _not_kept(command, fate, rule)
        return
    line = command.line
    if _TEMPLATE.search(command.text):
        yield error(line, "this is a template: render it first.", "Check what comes of it.")
        return
    if command.problem:
        yield error(
            line,
            f"it cannot be split into words: {command.problem}.",
            "Close the quotation mark; a command is a single line, without a backslash at its end.",
        )
        return
    if command.last_line > line:
        yield from _continued(command, use)
    if command.name in IGNORED_COMMANDS:
        ignores = f"ESXi ignores {command.name}"
        if use.release > KNOWN_INSTALLER:
            ignores = f"{command.name} is a command of older installers; {use.known('ignores it with a warning')}"
        yield warning(line, f"{ignores}.", "Remove the line.")
    elif rule is None:
        yield _unknown_command(command, use)
    else:
        yield from _release(command, rule, use)
        yield from check_options(command, rule.options, use)
        yield from _arguments(command, rule, use)
        yield from _meaning(command, use)


def _not_kept(command: Command, fate: str, rule: CommandRule | None) -> Iterator[Finding]:
    """Yield findings on a command that never reaches the installer: what happens instead, and what is lost with it."""
    line, name = command.line, command.name
    if rule is None:
        yield warning(line, "ESXi's kickstarts have no %end; it is left out.", "Nothing to do.")
    elif fate == REFUSED:
        yield error(line, f"{name}: {rule.reason}.", "Remove the line.")
    else:
        hint = {
            "install": "Nothing to do; the boot disk is chosen in MAAS.",
            "network": "Nothing to do; set the machine's network in MAAS.",
            "rootpw": "Nothing to do.",
        }.get(name, "Nothing to do; set the machine's storage layout in MAAS.")
        if fate == LEFT_OUT and name == "paranoid":
            hint = "Nothing to do."
        yield warning(line, f"{name} is {'replaced' if fate == REPLACED else 'left out'}: {rule.reason}.", hint)
        for written in dict.fromkeys(word.split("=")[0] for word in command.words if word.startswith("--")):
            option = option_of(rule, written)[1]
            if option is None or not option.loss:
                continue
            yield warning(
                line,
                f"{name}: {written} {'is kept, but' if option.stays else 'is left out:'} {option.loss}.",
                "Nothing to do, unless you need it: then set the machine up accordingly in MAAS.",
            )


def _continued(command: Command, use: Use) -> Iterator[Finding]:
    lines = f"lines {command.line} to {command.last_line}"
    if use.standalone:
        yield error(
            command.line,
            f"a backslash at its end does not continue it: {use.known('takes it for a word')}.",
            "Write the command on one line.",
        )
    else:
        yield warning(
            command.line,
            f"{shown_name(command)} is continued over {lines}; it is written on one line.",
            "Nothing to do; the installer is not known to accept such lines.",
        )


def shown_name(command: Command) -> str:
    """Return the name as a finding may quote it: of a word that may hold a password, such as ``rootpw=…`` or
    ``rootpw…``, at most the letters at its beginning."""
    letters = re.match(r"[^\w\s]?[A-Za-z%_-]*", command.name)
    name = letters.group() if letters else ""
    _, found, password = name.lower().partition("rootpw")
    if found:
        name = name[: len(name) - len(password)]
    return name[:40] + ("" if name[:40] == command.name else "…")


def _unknown_command(command: Command, use: Use) -> Finding:
    word = shown_name(command)
    hint = "Remove the line, or move it into a section." + _closest(command.name, [*COMMANDS, *ALIASES, *SECTIONS])
    if command.name == END_MARK:
        word, hint = END_MARK, "Remove the line; a section ends at the next one."
    known = f"{word!r} is not a command of ESXi's installer"
    if use.release < (7, 0):
        return warning(command.line, f"{known}: {use.known('ignores it with a warning')}.", hint)
    return error(
        command.line,
        f"{known}; a 7.0 installer was seen to stop at such a line, what {use.release_name}'s does is not known.",
        hint,
    )


def _release(command: Command, rule: CommandRule, use: Use) -> Iterator[Finding]:
    if rule.since > use.release:
        first = f"{rule.since[0]}.{rule.since[1]}"
        yield warning(
            command.line,
            f"{command.name} is known from {first} on; {use.known('ignores commands that it does not know')}.",
            "Remove it for this release.",
        )
    if rule.until is not None and use.release >= rule.until:
        yield warning(
            command.line,
            f"{command.name} is obsolete in ESXi {use.release_name}: {rule.gone}.",
            "Remove the line.",
        )


def check_options(command: Command | Section, known: dict[str, Option], use: Use) -> Iterator[Finding]:
    """Yield findings on the options of a command or of a section's first line."""
    owner, line, secret = command.name, command.line, command.name == "rootpw"
    given = command.options
    by_lower = {name.lower(): name for name in known}
    names = [by_lower.get(name.lower(), name) for name, _ in given]
    for (written, value), name in zip(given, names, strict=True):
        option = known.get(name)
        if option is None:
            what = "of this name" if secret else written
            yield warning(
                line,
                f"{owner} has no option {what}; {use.known('ignores it with a warning')}.",
                "Remove it." + ("" if secret else _closest(written, known)),
            )
            continue
        if written != name and option.since <= use.release and name not in _IN_EITHER_CASE:
            yield warning(
                line,
                f"{owner}: {written} is written {name}; {use.known('ignores the other with a warning')}.",
                "Upper and lower case count.",
            )
        if option.since > use.release:
            first = f"{option.since[0]}.{option.since[1]}"
            yield warning(
                line,
                f"{owner}: {name} is known from {first} on; {use.known('ignores options that it does not know')}.",
                "Remove it for this release.",
            )
        yield from _value(line, f"{owner}: {name}", option, value, use)
        if names.count(name) > 1 and names.index(name) == given.index((written, value)):
            severity = ERROR if "disk" in name or "drive" in name else WARNING
            yield Finding(line, severity, f"{owner}: {name} is there twice.", "Keep one of them.")
        for other in option.excludes:
            # If each excludes the other, one sentence is enough.
            if other in names and (name < other or name not in known[other].excludes):
                yield error(line, f"{owner}: {name} and {other} exclude each other.", "Keep one of them.")


def _value(line: int, what: str, option: Option, value: str | None, use: Use) -> Iterator[Finding]:
    name = what.rpartition(": ")[2]
    if option.value == NOTHING and value is not None:
        yield warning(
            line,
            f"{what} takes no value; {use.known('ignores it with a warning')}.",
            "Leave out the = and what follows.",
        )
    elif option.value == REQUIRED and not value:
        # The wrong interpreter would run the script.
        make = error if name == "--interpreter" else warning
        yield make(
            line,
            f"{what} needs a value after an equals sign; {use.known('ignores it with a warning')}.",
            f"Write {name}=value, without blanks around the =.",
        )
    elif value and option.pattern and not re.fullmatch(option.pattern, value):
        shown = "this value" if name == "--esx" else repr(value)  # a licence key is nobody else's business
        behaviour = "stops there" if option.stops else "ignores it with a warning"
        make = error if option.stops else warning
        yield make(line, f"{what} cannot be {shown}; {use.known(behaviour)}.", _expected(option.pattern))


def _expected(pattern: str) -> str:
    if re.fullmatch(r"[a-z]+(\|[a-z]+)*", pattern):
        return "Use " + " or ".join(pattern.split("|")) + "."
    if "[Tt]" in pattern:
        return "Use " + ("0, 1, " if pattern.startswith("0") else "") + "true or false."
    return "See VMware's page on installation scripts for its form."


def _arguments(command: Command, rule: CommandRule, use: Use) -> Iterator[Finding]:
    count, secret = len(command.arguments), command.name == "rootpw"
    desired = {0: "no positional argument", 1: "one positional argument"}[rule.arguments]
    quoting = "Quote a value with blanks; write options as --name=value."
    if count < rule.arguments:
        hint = quoting if "#" not in command.text else "An unquoted # starts a comment: put the word in quotes."
        yield error(command.line, f"{command.name} takes {desired}, and none is there.", hint)
    elif count > rule.arguments and secret:
        is_placeholder = command.arguments[0].startswith("<") and command.arguments[-1].endswith(">")
        hint = "Put what is meant in its place." if is_placeholder else quoting
        what = "this is a placeholder, not a password" if is_placeholder else f"rootpw takes {desired}"
        yield error(command.line, f"{what}.", hint)
    elif count > rule.arguments:
        extra = command.arguments[rule.arguments]
        clause = use.known("takes the last one with a warning" if rule.arguments else "ignores it with a warning")
        yield warning(
            command.line, f"{command.name} takes {desired}; {extra!r} is one too many, and {clause}.", quoting
        )
    elif secret:
        yield from _password(command)
    elif command.name == "keyboard" and command.arguments[0] not in KEYBOARDS:
        yield warning(
            command.line,
            f"{command.arguments[0]!r} is not a known ESXi keyboard layout.",
            "Quote names of two words, such as 'US Default'." + _closest(command.arguments[0], KEYBOARDS),
        )


def _password(command: Command) -> Iterator[Finding]:
    password = command.arguments[0]
    line = command.line
    if re.search(r"\S#", command.text) and "#" not in password:
        yield error(line, "an unquoted # ends the line, also within a password.", "Put the password in single quotes.")
    if any(name == "--iscrypted" for name, _ in command.options):
        for problem in hash_problems(password):
            yield error(line, f"rootpw --iscrypted: {problem}", "Make one with: openssl passwd -6")
        if is_weak_hash(password):
            yield warning(
                line,
                "rootpw --iscrypted: this kind of hash can be broken in hours.",
                "Make a $6$ hash with: openssl passwd -6",
            )
        return
    if password.startswith(("$1$", "$5$", "$6$", "$y$")):
        yield error(line, "rootpw: this looks like a hash, but --iscrypted is not there.", "Add --iscrypted.")
        return
    for problem in password_problems(password):
        yield error(line, f"rootpw: ESXi refuses this password: {problem}", "Choose another password.")
    for problem in password_warnings(password):
        yield warning(line, f"rootpw: {problem}", "Choose another password.")
    yield warning(
        line,
        "rootpw: the password is in clear text here, and so it will be in the image.",
        "Use rootpw --iscrypted with a $6$ hash, made with: openssl passwd -6",
    )


def _meaning(command: Command, use: Use) -> Iterator[Finding]:
    """Yield findings on commands with correct syntax that will not do what they say."""
    given = dict(command.options)
    line = command.line
    if command.name in INSTALL_COMMANDS:
        if not given.keys() & {"--disk", "--drive", "--firstdisk", "--diskBootedFrom"}:
            yield error(line, f"{command.name} names no disk.", "Add --disk=… or --firstdisk.")
    elif command.name == "vmserialnum":
        yield from _licence_key(line, given.get("--esx"), use)
    elif command.name == "network":
        yield from _network(line, given, use)
    elif command.name == "clearpart" and not given.keys() & {
        "--alldrives",
        "--drives",
        "--firstdisk",
        "--ignoredrives",
    }:
        yield error(line, "clearpart names no disk.", "Add --alldrives, --drives=, --firstdisk or --ignoredrives=.")
    elif command.name == "dryrun":
        yield warning(line, "dryrun: nothing is installed.", "Remove it when the check is done.")
    elif command.name == "%include" and not use.standalone:
        yield from _include(line, command.arguments)


def _licence_key(line: int, key: str | None, use: Use) -> Iterator[Finding]:
    if key is None:
        yield error(line, "vmserialnum needs --esx=….", "Add the licence key, or remove the line.")
    elif _PLACEHOLDER_KEY.fullmatch(key):
        yield error(
            line,
            f"vmserialnum: --esx is a placeholder, not a licence key; {use.known('stops at keys that are none')}.",
            "Put the key there, or remove the line: ESXi then runs in its evaluation mode.",
        )


def _network(line: int, given: dict[str, str | None], use: Use) -> Iterator[Finding]:
    stops = use.known("stops there")
    if given.get("--bootproto") == "static":
        if "--ip" not in given:
            yield error(line, f"network: static needs --ip too; {stops}.", "Add what is missing.")
        if "--netmask" not in given:
            yield warning(
                line,
                f"network: static needs --netmask too; {use.known('takes one that goes with the address')}.",
                "Add what is missing.",
            )
        return
    how = "without --bootproto=static DHCP is taken" if "--bootproto" not in given else "with DHCP it is one too many"
    for name in ("--ip", "--netmask", "--gateway"):
        if name in given:
            yield error(
                line, f"network: {name}: {how}, and {stops}.", "Add --bootproto=static, or remove what is too much."
            )
    for name in ("--hostname", "--nameserver"):
        if name in given:
            yield warning(
                line,
                f"network: {name}: {how}, and {use.known('ignores it with a warning')}.",
                "Add --bootproto=static, or remove it.",
            )


def _include(line: int, arguments: list[str]) -> Iterator[Finding]:
    if arguments and _URL.match(arguments[-1]):
        yield error(
            line,
            "%include: esxforge cannot look at a URL before the installer reads it.",
            "Fetch it to a file in a %pre section, and include that file.",
        )
    else:
        yield warning(
            line,
            "%include: what it brings in is looked at on the host, once every %pre has run; what is replaced or left "
            "out here becomes a comment there.",
            "Make sure that a %pre section or [[files]] brings the file; without it nothing is installed.",
        )


def _closest(word: str, known: Iterable[str]) -> str:
    """Return a hint at what was probably meant."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""
