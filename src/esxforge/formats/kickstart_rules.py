"""Check a kickstart against an ESXi release: everything that the installer would stumble over, found before the build.

What esxforge replaces or leaves out never reaches the installer, so it is not judged; what is lost with it is named.
The installer warns of some mistakes and stops at others: severities are those of the 6.7 installer, the one whose
behaviour is known, and messages say so where another release is asked for. A word that it does not know is an error
from 7.0 on, as a 7.0 installer was seen to stop at one. No finding ever quotes a password or what may be one.
"""

from __future__ import annotations

from collections.abc import Iterator

from esxforge.formats.kickstart_command_rules import check_command, check_options, fate_of
from esxforge.formats.kickstart_findings import ERROR, WARNING, Finding, Use, error, warning
from esxforge.formats.kickstart_section_rules import check_section
from esxforge.formats.kickstart_text import check_text
from esxforge.formats.release_name import version_of
from esxforge_target.formats.kickstart import MOST_COMMANDS, SECTION_ENDS, Command, Kickstart, Section, no_text
from esxforge_target.formats.kickstart_commands import (
    COMMANDS,
    IGNORED_COMMANDS,
    INSTALL_COMMANDS,
    KEPT,
    SECTION_OPTIONS,
    Release,
)
from esxforge_target.formats.kickstart_scripts import END_MARK, interpreter_of, named_plainly


def parse_release(text: str) -> Release:
    """``8.0``, ``8.0U3e``, ``8.0.3`` as (8, 0). FormatError for what is not a release from 6.5 on."""
    major, minor = version_of(text).split(".")[:2]
    return int(major), int(minor)


def check_kickstart(data: bytes, use: Use | None = None) -> list[Finding]:
    """Every finding, by line."""
    use = use or Use()
    unreadable = no_text(data)
    if unreadable is not None:
        line, message, hint = unreadable
        column = 1 if message.startswith("column 1: ") else 0
        return [error(line, message.removeprefix("column 1: "), hint, column)]
    kickstart = Kickstart.parse(data)
    never_read = frozenset(command.line for command in kickstart.commands if fate_of(command, use) != KEPT)
    findings = [
        *_whole_file(data, kickstart, use),
        *check_text(kickstart, use, never_read),
        *_required(kickstart, use),
        *_commands(kickstart, use),
        *(finding for section in kickstart.sections for finding in _section(section, use)),
    ]
    return sorted(findings, key=lambda finding: (finding.line, finding.severity, finding.message))


def _whole_file(data: bytes, kickstart: Kickstart, use: Use) -> Iterator[Finding]:
    if b"\r\n" in data and use.standalone:
        yield warning(
            0,
            f"its lines end with CR LF; {use.known('takes them')}.",
            "Convert it with dos2unix; otherwise the scripts in its sections may fail.",
        )
    kept = [command for command in kickstart.commands if fate_of(command, use) == KEPT]
    count = len(kept) + len(kickstart.sections)
    if count > MOST_COMMANDS:
        yield error(
            0,
            f"it has {count} commands; ESXi's installer takes {MOST_COMMANDS}.",
            "Move some into a %post or %firstboot section.",
        )
    seen: dict[str, int] = {}
    for command in kept:
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
        yield error(0, "there is no install command.", "Add one, such as install --firstdisk=local --overwritevmfs.")
    if use.standalone and len({command.name for command in installs}) > 1:
        yield error(
            max(command.line for command in installs),
            "install, installorupgrade and upgrade exclude each other.",
            "Keep one of them.",
        )


def _commands(kickstart: Kickstart, use: Use) -> Iterator[Finding]:
    """Findings on each command. What stands after a section's unmeant end is its script: one finding says so."""
    section: Section | None = None
    cut: Command | None = None
    told = False
    for item in kickstart.items:
        if isinstance(item, Section):
            section, cut, told = item, None, False
        elif isinstance(item, Command):
            if section is not None and cut is None and item.text.startswith(SECTION_ENDS):
                cut = item
            is_known = item.name in COMMANDS or item.name in IGNORED_COMMANDS or item.name == END_MARK
            if is_known or cut is None or section is None:
                yield from check_command(item, use)
            elif not told:
                told = True
                word = next(word for word in SECTION_ENDS if cut.text.startswith(word))
                yield error(
                    cut.line,
                    f"this line begins with {word}, which ends the {section.name} script of line {section.line}; it "
                    "and the lines after it are read as commands.",
                    "Put a blank before it. Where the blank matters, as in a here-document, write that text in "
                    "another way, such as printf.",
                )


def _section(section: Section, use: Use) -> Iterator[Finding]:
    plain = named_plainly(section)
    if plain.words != section.words and section.name != "%firstboot" and not use.standalone:
        yield warning(
            section.line,
            f"{section.name} names its interpreter in a way that is not the installer's; {interpreter_of(section)} is "
            "taken.",
            f"Write --interpreter={interpreter_of(section)}.",
        )
        section = plain
    yield from check_options(section, SECTION_OPTIONS[section.name], use)
    yield from check_section(section, use)
