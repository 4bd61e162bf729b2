"""Rules for the sections of a kickstart: their first lines, stray section marks, and what scripts do.

The 6.7 installer runs each script in a process of its own (``/tmp/ks-script``); ``%firstboot`` scripts run on the
installed host, beside the agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from esxforge.formats.kickstart_findings import Finding, Use, error, warning
from esxforge.formats.kickstart_power import PowerCall, power_calls
from esxforge.formats.shell_commands import shell_commands
from esxforge_target.formats.kickstart import Section
from esxforge_target.formats.kickstart_scripts import end_mark, interpreter_of, is_followed

_INDENTED = re.compile(r"\s+(%pre|%post|%firstboot)(\s+--\S+)*\s*")
_TEMPLATE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}")
_BESIDE = "See docs/on-the-host.md, “%firstboot beside the agent”."
# Actions that a %firstboot must not take while the agent configures the host: (pattern in a command, what it does).
_FIRST_BOOT = (
    (
        re.compile(r"network ip interface remove\b.*\bvmk0\b"),
        "removes vmk0, through which the agent reaches MAAS: the deployment may fail",
    ),
    (
        re.compile(r"portgroup remove\b.*Management Network"),
        "removes the port group of vmk0, through which the agent reaches MAAS: the deployment may fail",
    ),
    (
        re.compile(r"^rm\b.*(?:/bootbank|/altbootbank|BOOTBANK\d?)/"),
        "removes files of the boot bank, where the agent's module, its journal and ESXi's own modules are",
    ),
    (
        re.compile(r"maintenanceMode set\b.*\btrue\b|maintenance_mode_enter"),
        "puts the host into maintenance mode while the agent works, and nothing takes it out again",
    ),
)

# Commands that write to entire disks, of which a machine may have more than MAAS's choice: (pattern, what it does).
_DISKS = (
    (re.compile(r"\bpartedUtil\b.*?\b(mklabel|setptbl|delete)\b"), "partedUtil {} changes a disk's partition table"),
    (re.compile(r"\bdd\b.*\bof=\S*/(?:vmfs/devices|dev)/disks\b"), "dd overwrites a disk"),
    (re.compile(r"\bvmkfstools\b.*\s(?:-C|--createfs)\b"), "vmkfstools -C makes a datastore of what it is given"),
    (re.compile(r"\b(?:esxcli|localcli)\b.*?\bvsan\W+storage\W+remove\b"), "vsan storage remove wipes a vSAN's disks"),
)
_DD_SOMEWHERE = re.compile(r"\bdd\b.*\bof=\S*\$")
_DISK_PATHS = re.compile(r"/(?:vmfs/devices|dev)/disks\b")
_SAYS = frozenset(("echo", "logger", "printf"))


def check_section(section: Section, use: Use) -> Iterator[Finding]:
    """Yield findings on one section except for its options."""
    # The host gets LF alone, and 6.7's installer converts CR LF to it.
    section = section.replace(body=re.sub("\r+\n", "\n", section.body))
    if section.problem:
        yield error(section.line, f"it cannot be split into words: {section.problem}.", "Close the quotation mark.")
    extra = [word for word in section.words if not word.startswith("--")]
    if extra:
        yield warning(
            section.line,
            f"{section.name} takes no positional argument; {use.known('ignores it with a warning')}.",
            "Start the script on the next line; write options as --name=value.",
        )
    if not any(name == "--interpreter" for name, _ in section.options):
        yield warning(
            section.line,
            f"{section.name} names no interpreter; busybox is taken.",
            "Add --interpreter=busybox or --interpreter=python.",
        )
    if not section.body.strip():
        yield warning(section.line, f"{section.name} is empty.", "Remove it.")
    yield from _end_mark(section, use)
    yield from _lines(section)
    if section.name != "%firstboot":
        yield from _disks(section)
    if not use.standalone:
        yield from _first_boot(section) if section.name == "%firstboot" else _power(section, use)


def _end_mark(section: Section, use: Use) -> Iterator[Finding]:
    number = end_mark(section)
    if number is None:
        return
    if is_followed(section, number):
        yield error(
            number,
            f"ESXi's kickstarts have no %end: it and the lines after it are a part of the {section.name} script.",
            "Remove it, and move commands of the kickstart before the first section.",
        )
    elif use.standalone:
        yield error(
            number,
            "ESXi's kickstarts have no %end: it becomes part of the script, which fails there.",
            "Remove the line; a section ends at the next one.",
        )
    else:
        yield warning(number, "ESXi's kickstarts have no %end; it is left out.", "Nothing to do.")


def _lines(section: Section) -> Iterator[Finding]:
    for number, text in enumerate(section.body.split("\n"), section.line + 1):
        indented = _INDENTED.fullmatch(text)
        if indented:
            yield error(
                number,
                f"{indented[1]} with blanks before it starts no section here: it is a line of the {section.name} "
                "script above.",
                "Remove the blanks.",
            )
        elif _TEMPLATE.search(text):
            yield warning(number, "this looks like a template, and goes to the host unrendered.", "Render it first.")


def _power(section: Section, use: Use) -> Iterator[Finding]:
    for call in power_calls(section.body, interpreter_of(section)):
        number = section.line + call.line
        if use.allow_power_off:
            yield _allowed(number, section.name, call)
        elif not call.is_certain:
            yield warning(
                number,
                f"{call.written} in {section.name} may end the machine; reading alone cannot show whether it is run.",
                f"If it is run, remove it, or call {call.name} by its bare name in a busybox script. If it is not, "
                "nothing to do.",
            )
        elif call.is_plain and section.name == "%pre":
            yield warning(
                number,
                f"{call.written} in %pre refuses the machine: nothing is installed, and the deployment fails.",
                "Nothing to do if that is intended; the machine stays on, and the failure is reported to MAAS.",
            )
        elif call.is_plain:
            yield warning(
                number,
                f"{call.written} in {section.name} is noted instead of done, and ends the script: MAAS would not "
                "power the machine on again.",
                "Nothing to do; the machine restarts when the installation is done.",
            )
        else:
            yield _not_held(number, section.name, call)


def _allowed(number: int, section: str, call: PowerCall) -> Finding:
    if call.name == "reboot":
        return warning(
            number,
            f"{call.written} in {section}: the machine may restart here, before the installation is done.",
            "Make sure that it comes to its end, or the deployment ends by MAAS's time limit.",
        )
    return warning(
        number,
        f"{call.written} in {section}: the machine may go off here, and MAAS does not power it on again.",
        "Someone must power it on, or the deployment ends by MAAS's time limit.",
    )


def _not_held(number: int, section: str, call: PowerCall) -> Finding:
    what = "it restarts in the middle of the installation"
    if call.name != "reboot":
        what = "MAAS does not power it on again"
    return error(
        number,
        f"{call.written} in {section} cannot be kept from ending the machine, and {what}.",
        f"Remove it; the machine restarts when the installation is done. Or call {call.name} by its bare name in a "
        "busybox script, then it is noted instead. With allow_power_off = true (--allow-power-off) it stays, and "
        "someone must power the machine on.",
    )


def _first_boot(section: Section) -> Iterator[Finding]:
    interpreter = interpreter_of(section)
    for call in power_calls(section.body, interpreter):
        if not call.is_certain:
            what = "may end the machine while the agent works; reading alone cannot show whether it is run"
        elif call.name == "reboot":
            what = "restarts the host while the agent works: it begins again at each start, six times at most"
        else:
            what = "powers the host off while the agent works, and MAAS does not power it on again"
        yield warning(section.line + call.line, f"{call.written} in %firstboot {what}.", _BESIDE)
    for line, text in _commands(section):
        for pattern, what in _FIRST_BOOT:
            if pattern.search(text):
                yield warning(section.line + line, f"%firstboot {what}.", _BESIDE)


def _commands(section: Section) -> list[tuple[int, str]]:
    """Return (line from 1 in the script, text) of each command; for Python each line without its comment."""
    if interpreter_of(section) == "python":
        return [(number, text.split("#", 1)[0]) for number, text in enumerate(section.body.split("\n"), 1)]
    commands = shell_commands(section.body)
    return [(command.line, command.text) for command in commands if command.name not in _SAYS]


def _disks(section: Section) -> Iterator[Finding]:
    names_disks = _DISK_PATHS.search(section.body) is not None
    for line, text in _commands(section):
        for pattern, what in _DISKS:
            match = pattern.search(text)
            if match:
                yield _disk(section, line, what.format(*match.groups()))
        if names_disks and _DD_SOMEWHERE.search(text):
            yield _disk(section, line, "dd may overwrite a disk")


def _disk(section: Section, line: int, what: str) -> Finding:
    return warning(
        section.line + line,
        f"{section.name}: {what}, and esxforge does not keep it from any.",
        "Check which disks it reaches: a deployment wipes every disk that MAAS knows of the machine, no others.",
    )
