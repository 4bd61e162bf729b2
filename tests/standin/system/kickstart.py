"""Kickstart files as ESXi's installer reads them: an independent reading for the stand-in, which judges ours.

Facts: VMware's and Broadcom's pages on installation script commands (5.5 to 9.1), and the 6.7 installer: %pre sections
run first, and one that fails is an error; then everything is read with its %include files; errors stop the installation
and warnings do not. It reads UTF-8, and stops at bytes that are not; of a command line that is not ASCII it warns.
Stricter than 6.7: unknown commands and options stop it, too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

_FLAG, _VALUE, _MAYBE = "", "=", "?"
_DISKS = {"--disk": _VALUE, "--drive": _VALUE, "--firstdisk": _MAYBE}
_TERMS = {"--ignoreprereqwarnings": _FLAG, "--ignoreprereqerrors": _FLAG, "--forceunsupportedinstall": _FLAG}
_COMMANDS: dict[str, dict[str, str]] = {
    "vmaccepteula": {},
    "rootpw": {"--iscrypted": _FLAG},
    "install": {
        **_DISKS, **_TERMS, "--overwritevmfs": _FLAG, "--preservevmfs": _FLAG, "--novmfsondisk": _FLAG,
        "--ignoressd": _FLAG, "--overwritevsan": _FLAG, "--dpuPciSlots": _VALUE,
    },
    "installorupgrade": {**_DISKS, **_TERMS, "--overwritevmfs": _FLAG, "--overwritevsan": _FLAG},
    "upgrade": {**_DISKS, **_TERMS},
    "clearpart": {
        "--alldrives": _FLAG, "--drives": _VALUE, "--ignoredrives": _VALUE, "--firstdisk": _MAYBE, "--all": _FLAG,
        "--overwritevmfs": _FLAG,
    },
    "part": {"--ondisk": _VALUE, "--ondrive": _VALUE, "--onfirstdisk": _MAYBE},
    "network": {
        "--bootproto": _VALUE, "--device": _VALUE, "--ip": _VALUE, "--netmask": _VALUE, "--gateway": _VALUE,
        "--nameserver": _VALUE, "--nodns": _FLAG, "--hostname": _VALUE, "--vlanid": _VALUE,
        "--addvmportgroup": _VALUE,
    },
    "keyboard": {},
    "vmserialnum": {"--esx": _VALUE},
    "reboot": {"--noeject": _FLAG},
    "dryrun": {},
    "paranoid": {},
}  # fmt: skip
_OTHER_NAMES = {"accepteula": "vmaccepteula", "serialnum": "vmserialnum", "partition": "part"}
_WORDS = {"rootpw": 1, "keyboard": 1, "part": 1}
_REPEATABLE = frozenset(("clearpart", "part"))
_SECTIONS: dict[str, dict[str, str]] = {
    "%pre": {"--interpreter": _VALUE},
    "%post": {"--interpreter": _VALUE, "--timeout": _VALUE, "--ignorefailure": _VALUE},
    "%firstboot": {"--interpreter": _VALUE},
}
MOST_COMMANDS = 256

Options = dict[str, str]


@dataclass(frozen=True)
class Section:
    """A script: its kind (%pre, %post, %firstboot), its interpreter, and its options."""

    kind: str
    interpreter: str
    options: Options
    text: str


@dataclass(frozen=True)
class Command:
    """One command with its options and bare words."""

    name: str
    options: Options
    words: tuple[str, ...]
    place: str


@dataclass
class Kickstart:
    """What was read. Errors stop the installation; each names file and line."""

    commands: list[Command] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def command(self, *names: str) -> Command | None:
        """The first command with one of these names."""
        return next((one for one in self.commands if one.name in names), None)

    def scripts(self, kind: str) -> list[Section]:
        """The sections of a kind, in their order."""
        return [one for one in self.sections if one.kind == kind]


def read_sections(name: str, data: bytes) -> Kickstart:
    """The sections alone, as before %pre runs."""
    return _Reader(None).read(name, data)


def read(name: str, data: bytes, include: Callable[[str], bytes]) -> Kickstart:
    """All of it, and what must be there is checked. ``include`` reads a file, or raises OSError."""
    read = _Reader(include).read(name, data)
    if len(read.commands) > MOST_COMMANDS:
        read.errors.append(f"error:{name}: more than {MOST_COMMANDS} commands")
    for command, text in (("vmaccepteula", "the End User License Agreement is not accepted: vmaccepteula"),
                          ("rootpw", "no root password: rootpw")):  # fmt: skip
        if read.command(command) is None:
            read.errors.append(f"error:{name}: {text}")
    if read.command("install", "installorupgrade", "upgrade") is None:
        read.errors.append(f"error:{name}: nothing to do: install, installorupgrade or upgrade")
    return read


class _Reader:
    def __init__(self, include: Callable[[str], bytes] | None) -> None:
        self._include = include
        self._read = Kickstart()

    def read(self, name: str, data: bytes) -> Kickstart:
        """Take in one file."""
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            self._read.errors.append(f"error:{name}: not UTF-8: {error}")
            return self._read
        section: tuple[str, Options] | None = None
        script: list[str] = []
        for number, raw in enumerate(lines, start=1):
            line = raw.rstrip("\r")
            word = line.split(None, 1)[0] if line.split() else ""
            if word in _SECTIONS:
                self._end(section, script)
                section, script = (word, self._section_options(line, f"{name}:line {number}")), []
            elif section is not None:
                script.append(line)
            else:
                self._line(line, f"{name}:line {number}")
        self._end(section, script)
        return self._read

    def _end(self, section: tuple[str, Options] | None, script: list[str]) -> None:
        if section is not None:
            kind, options = section
            text = "\n".join(script)
            self._read.sections.append(Section(kind, options.get("--interpreter", "busybox"), options, text))

    def _section_options(self, line: str, place: str) -> Options:
        words = shlex.split(line, comments=True)
        options, bare = self._options(words[0], words[1:], _SECTIONS[words[0]], place)
        if bare:
            self._error(place, f"{words[0]}: unexpected {bare[0]}")
        if options.get("--interpreter", "busybox") not in ("python", "busybox"):
            self._error(place, f"{words[0]}: unknown interpreter {options['--interpreter']}")
        return options

    def _line(self, line: str, place: str) -> None:
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            self._error(place, str(error))
            return
        if not words:
            return
        if not line.isascii():
            self._read.warnings.append(f"warning:{place}: script file contains a non-ASCII character")
        if words[0] in {"%include", "include"}:
            self._take_in(words[1:], place)
            return
        name = _OTHER_NAMES.get(words[0], words[0])
        if name not in _COMMANDS:
            self._error(place, f'unknown command "{words[0]}"')
            return
        options, bare = self._options(name, words[1:], _COMMANDS[name], place)
        if len(bare) != _WORDS.get(name, 0):
            self._error(place, f"{name}: {_WORDS.get(name, 0)} argument(s) desired, {len(bare)} given")
        if name not in _REPEATABLE and self._read.command(name):
            self._read.warnings.append(f"warning:{place}: {name} was given before; this one counts")
            self._read.commands = [one for one in self._read.commands if one.name != name]
        self._read.commands.append(Command(name, options, tuple(bare), place))
        self._check(self._read.commands[-1])

    def _take_in(self, words: list[str], place: str) -> None:
        if len(words) != 1:
            self._error(place, "%include takes one file")
        elif self._include is not None:
            try:
                data = self._include(words[0])
            except OSError as error:
                self._error(place, f"cannot open {words[0]}: {error.strerror}")
                return
            self.read(words[0], data)

    def _options(self, name: str, words: list[str], known: dict[str, str], place: str) -> tuple[Options, list[str]]:
        options: Options = {}
        bare = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("--"):
                bare.append(word)
                continue
            key, equals, value = word.partition("=")
            if key not in known:
                self._error(place, f"{name}: unknown option {key}")
                continue
            if known[key] == _VALUE and not equals:
                if not rest:
                    self._error(place, f"{name}: {key} wants a value")
                    continue
                value = rest.pop(0)
            elif known[key] == _FLAG and equals:
                self._error(place, f"{name}: {key} takes no value")
            options[key] = value
        return options, bare

    def _check(self, command: Command) -> None:
        options = command.options
        if command.name in ("install", "installorupgrade", "upgrade"):
            chosen = [key for key in ("--disk", "--drive", "--firstdisk") if key in options]
            if len(chosen) != 1:
                self._error(command.place, f"{command.name}: exactly one of --disk and --firstdisk is desired")
            if "--preservevmfs" in options and "--overwritevmfs" in options:
                self._error(command.place, "install: --preservevmfs and --overwritevmfs exclude each other")
        if command.name == "network":
            self._check_network(command)
        if command.name == "rootpw" and command.words and "--iscrypted" in options:
            if not re.match(r"\$(1|5|6)\$", command.words[0]):
                self._error(command.place, "rootpw: not a crypted password")
        elif command.name == "rootpw" and command.words and not 7 <= len(command.words[0]) < 40:
            self._error(command.place, "rootpw: a password of 7 to 39 characters is desired")

    def _check_network(self, command: Command) -> None:
        options, place = command.options, command.place
        method = options.get("--bootproto", "dhcp")
        if method not in ("dhcp", "static"):
            self._error(place, f"network: unknown --bootproto {method}")
        needed = [key for key in ("--ip", "--netmask") if key not in options]
        if method == "static" and needed:
            self._error(place, f"network: --bootproto=static needs {needed[0]}")
        if method == "dhcp" and {"--ip", "--netmask", "--gateway"} & set(options):
            self._error(place, "network: --bootproto=dhcp takes no addresses")
        vlan = options.get("--vlanid", "0")
        if not (vlan.isdigit() and int(vlan) <= 4095):
            self._error(place, f"network: --vlanid {vlan} is not between 0 and 4095")

    def _error(self, place: str, text: str) -> None:
        # What only %pre makes complete is no error before it ran.
        if self._include is not None:
            self._read.errors.append(f"error:{place}: {text}")
