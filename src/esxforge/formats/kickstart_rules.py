"""Check a kickstart against an ESXi release: everything that the installer would stumble over, found before the build.

The installer itself stops at a pop-up that nobody sees, so whatever is not known here is an error.
No finding ever quotes a password or what may be one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esxforge.formats.kickstart_commands import (
    COMMANDS,
    IGNORED_COMMANDS,
    KEYBOARDS,
    NOTHING,
    REQUIRED,
    SECTION_OPTIONS,
    Option,
    Release,
)
from esxforge.formats.password_rules import hash_problems, is_weak_hash, password_problems, password_warnings
from esxforge.formats.release_name import version_of
from esxforge_target.formats.kickstart import MOST_COMMANDS, SECTIONS, Command, Kickstart, Section

ERROR, WARNING = "error", "warning"
INSTALL_COMMANDS = ("install", "installorupgrade", "upgrade")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its line (0 for the whole file), severity, what is wrong, and what to do about it."""

    line: int
    severity: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{self.severity}: {place}{self.message}"


@dataclass(frozen=True, slots=True)
class Use:
    """What the kickstart is checked for.

    ``standalone``: it is used as it is, not merged by esxforge. ``eula_accepted`` and ``password_given``: whether the
    recipe accepts the EULA and gives a root password; None if there is no recipe to ask.
    """

    release: Release = (8, 0)
    standalone: bool = False
    eula_accepted: bool | None = None
    password_given: bool | None = None


def parse_release(text: str) -> Release:
    """``8.0``, ``8.0U3e``, ``8.0.3`` as (8, 0). FormatError for what is not a release from 6.5 on."""
    major, minor = version_of(text).split(".")[:2]
    return int(major), int(minor)


def check_kickstart(data: bytes, use: Use | None = None) -> list[Finding]:
    """Every finding, by line. FormatError only for bytes that are no text at all."""
    use = use or Use()
    kickstart = Kickstart.parse(data)
    findings = [
        *_whole_file(data, kickstart, use),
        *_required(kickstart, use),
        *(finding for command in kickstart.commands for finding in _command(command, use)),
        *(finding for section in kickstart.sections for finding in _section(section)),
    ]
    return sorted(findings, key=lambda finding: (finding.line, finding.severity, finding.message))


def _error(line: int, message: str, remedy: str) -> Finding:
    return Finding(line, ERROR, message, remedy)


def _warning(line: int, message: str, remedy: str) -> Finding:
    return Finding(line, WARNING, message, remedy)


def _whole_file(data: bytes, kickstart: Kickstart, use: Use) -> Iterator[Finding]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if any(byte > 0x7E for byte in line):
            yield _error(
                number,
                "it has characters that are not ASCII.",
                "Write it without accents, quotation marks "
                "from a word processor and the like: ESXi's installer reads ASCII only.",
            )
    if b"\r\n" in data and use.standalone:
        yield Finding(
            0,
            WARNING,
            "its lines end with CR LF, which makes scripts in its sections fail.",
            "Convert it with dos2unix.",
        )
    count = len(kickstart.commands) + len(kickstart.sections)
    if count > MOST_COMMANDS:
        yield _error(
            0,
            f"it has {count} commands; ESXi's installer takes {MOST_COMMANDS}.",
            "Move some into a %post or %firstboot section.",
        )
    seen: dict[str, int] = {}
    for command in kickstart.commands:
        rule = COMMANDS.get(command.name)
        if rule is None or rule.repeatable:
            continue
        if command.name in seen:
            severity = ERROR if command.name in INSTALL_COMMANDS else WARNING
            yield Finding(
                command.line,
                severity,
                f"{command.name} is there already, in line {seen[command.name]}.",
                "Keep one of them; of all but install lines the last one counts.",
            )
        seen.setdefault(command.name, command.line)


def _required(kickstart: Kickstart, use: Use) -> Iterator[Finding]:
    unsure = ERROR if use.standalone else WARNING
    if not kickstart.named("vmaccepteula") and not use.eula_accepted:
        yield Finding(
            0,
            ERROR if use.eula_accepted is False else unsure,
            "VMware's licence agreement is not accepted.",
            "Read it, then add vmaccepteula" + ("." if use.standalone else ", or build with --accept-eula."),
        )
    if not kickstart.named("rootpw") and not use.password_given:
        yield Finding(
            0,
            ERROR if use.password_given is False else unsure,
            "there is no rootpw.",
            "Add rootpw --iscrypted and a $6$ hash" + ("." if use.standalone else ", or set one in the recipe."),
        )
    installs = [command for name in INSTALL_COMMANDS for command in kickstart.named(name)]
    if use.standalone and not installs:
        yield _error(0, "there is no install command.", "Add one, such as install --firstdisk=local --overwritevmfs.")
    if len({command.name for command in installs}) > 1:
        yield Finding(
            max(command.line for command in installs),
            ERROR,
            "install, installorupgrade and upgrade exclude each other.",
            "Keep one of them.",
        )


def _command(command: Command, use: Use) -> Iterator[Finding]:
    line = command.line
    if command.problem:
        yield _error(
            line,
            f"it cannot be split into words: {command.problem}.",
            "Close the quotation mark; a command must stand on one line, without a backslash at its end.",
        )
        return
    if command.text.rstrip("\r\n").endswith("\\"):
        yield _error(
            line, "a backslash at its end does not continue it on the next line.", "Write the command on one line."
        )
        return
    if command.name in IGNORED_COMMANDS:
        yield _warning(line, f"ESXi ignores {command.name}.", "Remove the line.")
        return
    rule = COMMANDS.get(command.name)
    if rule is None:
        yield _unknown_command(command)
        return
    secret = command.name == "rootpw"
    yield from _options(line, command.name, command.options, rule.options, use.release, secret=secret)
    count = len(command.arguments)
    if not rule.fewest_arguments <= count <= rule.most_arguments:
        few = count < rule.fewest_arguments
        extra = "" if few or secret else f" {command.arguments[rule.most_arguments]!r} is one too many."
        desired = {0: "no bare word", 1: "one bare word"}[rule.most_arguments]
        yield _error(
            line,
            f"{command.name} takes {desired}.{extra}",
            "Quote a value with blanks; write options as --name=value.",
        )
    elif command.name == "rootpw":
        yield from _password(command)
    elif command.name == "keyboard" and command.arguments[0] not in KEYBOARDS:
        yield _warning(
            line,
            f"{command.arguments[0]!r} is no keyboard layout that ESXi is known to have.",
            "Quote names of two words, such as 'US Default'." + _closest(command.arguments[0], KEYBOARDS),
        )
    yield from _meaning(command, use)
    if not use.standalone:
        yield from _beside_ours(command)


def _unknown_command(command: Command) -> Finding:
    if command.name == "%end":
        return _error(
            command.line, "ESXi's kickstarts have no %end.", "Remove the line; a section ends at the next one."
        )
    word = command.name if len(command.name) <= 40 else command.name[:40] + "…"
    return _error(
        command.line,
        f"{word!r} is no command of ESXi's installer, which stops there.",
        "Remove the line, or move it into a section." + _closest(command.name, [*COMMANDS, "accepteula", *SECTIONS]),
    )


def _options(
    line: int,
    owner: str,
    given: list[tuple[str, str | None]],
    known: dict[str, Option],
    release: Release,
    *,
    secret: bool = False,
) -> Iterator[Finding]:
    by_lower = {name.lower(): name for name in known}
    names = [by_lower.get(name.lower(), name) for name, _ in given]
    for (written, value), name in zip(given, names, strict=True):
        option = known.get(name)
        if option is None:
            what = "of this name" if secret else written
            yield _error(
                line, f"{owner} has no option {what}.", "Remove it." + ("" if secret else _closest(written, known))
            )
            continue
        if written != name and option.since <= release and name not in {"--dpuPciSlots", "--systemDisk"}:
            yield _error(line, f"{owner}: {written} is written {name}.", "Upper and lower case count.")
        if option.since > release:
            first = f"{option.since[0]}.{option.since[1]}"
            yield _warning(
                line,
                f"{owner}: {name} is known from {first} on; ESXi {release[0]}.{release[1]} ignores it.",
                "Remove it for this release.",
            )
        yield from _value(line, f"{owner}: {name}", option, value)
        if names.count(name) > 1 and names.index(name) == given.index((written, value)):
            yield _error(line, f"{owner}: {name} is there twice.", "Keep one of them.")
        for other in option.excludes:
            # Where each excludes the other, one sentence is enough.
            if other in names and (name < other or name not in known[other].excludes):
                yield _error(line, f"{owner}: {name} and {other} exclude each other.", "Keep one of them.")


def _value(line: int, what: str, option: Option, value: str | None) -> Iterator[Finding]:
    if option.value == NOTHING and value is not None:
        yield _error(line, f"{what} takes no value.", "Leave out the = and what follows.")
    elif option.value == REQUIRED and not value:
        yield _error(line, f"{what} needs a value.", "Write it as --name=value, without blanks around the =.")
    elif value and option.pattern and not re.fullmatch(option.pattern, value):
        shown = "this value" if what.endswith("--esx") else repr(value)  # a licence key is nobody else's business
        yield _error(line, f"{what} cannot be {shown}.", _expected(option.pattern))


def _expected(pattern: str) -> str:
    if re.fullmatch(r"[a-z]+(\|[a-z]+)*", pattern):
        return "Use " + " or ".join(pattern.split("|")) + "."
    if "[Tt]" in pattern:
        return "Use " + ("0, 1, " if pattern.startswith("0") else "") + "true or false."
    return "See VMware's page on installation scripts for its form."


def _password(command: Command) -> Iterator[Finding]:
    password = command.arguments[0]
    line = command.line
    if re.search(r"\S#", command.text) and "#" not in password:
        yield _error(line, "an unquoted # ends the line, also within a password.", "Put the password in single quotes.")
    if any(name == "--iscrypted" for name, _ in command.options):
        for problem in hash_problems(password):
            yield _error(line, f"rootpw --iscrypted: {problem}", "Make one with: openssl passwd -6")
        if is_weak_hash(password):
            yield _warning(
                line,
                "rootpw --iscrypted: this kind of hash can be broken in hours.",
                "Make a $6$ hash with: openssl passwd -6",
            )
        return
    if password.startswith(("$1$", "$5$", "$6$", "$y$")):
        yield _error(line, "rootpw: this looks like a hash, but --iscrypted is not there.", "Add --iscrypted.")
        return
    for problem in password_problems(password):
        yield _error(line, f"rootpw: ESXi refuses this password: {problem}", "Choose another password.")
    for problem in password_warnings(password):
        yield _warning(line, f"rootpw: {problem}", "Choose another password.")
    yield _warning(
        line,
        "rootpw: the password stands here in clear, and so will it in the image.",
        "Use rootpw --iscrypted with a $6$ hash, made with: openssl passwd -6",
    )


def _meaning(command: Command, use: Use) -> Iterator[Finding]:
    """What is right in form but will not do what it says."""
    given = dict(command.options)
    line = command.line
    if command.name in INSTALL_COMMANDS and use.standalone:
        if not given.keys() & {"--disk", "--drive", "--firstdisk", "--diskBootedFrom"}:
            yield _error(line, f"{command.name} names no disk.", "Add --disk=… or --firstdisk.")
    elif command.name == "vmserialnum":
        if "--esx" not in given:
            yield _error(line, f"{command.name} needs --esx=….", "Add the licence key.")
        if use.release >= (9, 0):
            yield _warning(line, "ESX 9 takes no licence keys; vCenter licenses hosts.", "Remove the line.")
    elif command.name == "network" and given.get("--bootproto") == "static":
        missing = [name for name in ("--ip", "--netmask") if name not in given]
        if missing:
            yield _error(line, f"network: static needs {' and '.join(missing)} too.", "Add what is missing.")
    elif command.name == "network" and "--ip" in given:
        yield _warning(line, "network: --ip has no effect without --bootproto=static.", "Add --bootproto=static.")
    elif command.name == "clearpart" and not given.keys() & {
        "--alldrives",
        "--drives",
        "--firstdisk",
        "--ignoredrives",
    }:
        yield _error(line, "clearpart names no disk.", "Add --alldrives, --drives=, --firstdisk or --ignoredrives=.")
    elif command.name == "dryrun" and use.standalone:
        yield _warning(line, "dryrun: nothing is installed.", "Remove it when the check is done.")


def _beside_ours(command: Command) -> Iterator[Finding]:
    """What fights with that which esxforge adds, or is replaced by it."""
    line, name = command.line, command.name
    if name == "upgrade":
        yield _error(line, "upgrade: a machine that MAAS deploys is always installed afresh.", "Remove the line.")
    elif name == "dryrun":
        yield _error(line, "dryrun: nothing would be installed, and MAAS would wait for it.", "Remove the line.")
    elif name in {"install", "installorupgrade"}:
        yield _warning(
            line,
            f"{name} is replaced: esxforge installs to the boot disk that MAAS chose.",
            "Nothing to do; kept are --ignoreprereqwarnings, --ignoreprereqerrors, --forceunsupportedinstall, "
            "--overwritevsan and --dpuPciSlots.",
        )
    elif name in {"clearpart", "part", "partitionembed"}:
        yield _error(
            line,
            f"{name}: which disks are wiped and which datastores are made is decided by MAAS's storage layout.",
            "Remove the line, and set the machine's storage layout in MAAS.",
        )
    elif name == "network":
        yield _warning(
            line,
            "network is replaced by the network that MAAS has for the machine.",
            "Nothing to do; set the machine's network in MAAS.",
        )
    elif name == "%include":
        yield _warning(
            line,
            "%include: what it brings in cannot be checked here.",
            "Make sure that it has no install, network, clearpart or part line.",
        )


def _section(section: Section) -> Iterator[Finding]:
    if section.problem:
        yield _error(section.line, f"it cannot be split into words: {section.problem}.", "Close the quotation mark.")
    yield from _options(section.line, section.name, section.options, SECTION_OPTIONS[section.name], (99, 0))
    extra = [word for word in section.words if not word.startswith("--")]
    if extra:
        yield _error(section.line, f"{section.name} takes no bare word.", "Start the script on the next line.")
    if not any(name == "--interpreter" for name, _ in section.options):
        yield _warning(
            section.line,
            f"{section.name} names no interpreter; busybox is taken.",
            "Add --interpreter=busybox or --interpreter=python.",
        )
    if not section.body.strip():
        yield _warning(section.line, f"{section.name} is empty.", "Remove it.")
    for number, text in enumerate(section.body.split("\n"), section.line + 1):
        if text.strip() == "%end":
            yield _error(
                number,
                "ESXi's kickstarts have no %end: it becomes part of the script, which fails there.",
                "Remove the line; a section ends at the next one.",
            )


def _closest(word: str, known: Iterable[str]) -> str:
    """A hint at what was meant."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""
