"""boot.cfg, read exactly as VMware's boot loader reads it, and edited without touching any other byte.

The grammar is that of vmware/esx-boot: ``bootlib/parse.c``, ``bootlib/string.c``, ``mboot/config.c`` and
``safeboot/config.c``. What surprises there:

* Lines end with LF; white space (so CR too) at both ends is dropped, and runs of it within a line become one blank.
  Trailing blanks are harmless, which is what makes a *reserved* kernelopt line possible.
* ``#`` makes a comment only as the first character that is not blank.
* A blank before ``=`` makes the loader ignore the line; blanks after it do not matter.
* A key may be abbreviated: the first option of the loader's table that begins with it is meant. Of an option given
  twice the last one wins. mboot and safeboot have a table each.
* ``prefix=`` without a value counts as not given. Integers may be negative; anything else is fatal.
* The kernel's path, a blank and ``kernelopt`` together must be shorter than 4096 characters.
"""

import re
from typing import Callable, Dict, List, Optional, Tuple

from esxforge_target.formats.boot_cfg_grammar import (
    INTEGER_OPTIONS,
    MBOOT_OPTIONS,
    SAFEBOOT_OPTIONS,
    SEPARATOR,
    check_items,
    check_line,
    comment_of,
    first_word,
    integer,
    key_of,
    line_end,
    make_path,
    meant_by,
    merge_blanks,
    separator_of,
    split_line,
    value_bytes,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

SECTOR_SIZE = 512
KERNEL_COMMAND_LINE_LIMIT = 4096
# What safeboot and mboot append themselves: bootUUID= with 32 digits, BOOTIF= with a MAC, and some air.
LOADER_ADDITIONS = 128
# The loader's relocation table has 512 entries, of which a module takes two and the loader some itself
# (vmware/esx-boot): about so many modules, else it stops with "Relocation table is full".
MOST_MODULES = 247
# Network options of the installer (VMware's page "Boot Options", and those of syslinux and anaconda): what a person
# wrote there for one machine would be every host's.
ONE_HOST_OPTIONS = frozenset((
    "bootif", "bootproto", "gateway", "hostname", "ip", "ksdevice", "nameserver", "netdevice", "netmask", "vlanid",
))  # fmt: skip


class Module(Value):
    """One item of ``modules=``: the name as written, and the options after it as one text (mostly empty)."""

    __slots__ = ("name", "options")

    def __init__(self, name: str, options: str = "") -> None:
        self.name = name
        self.options = options


class BootCfg(Value):
    """A boot.cfg as its lines, each with its line end; every edit gives a new one."""

    __slots__ = ("lines",)

    def __init__(self, lines: "Tuple[bytes, ...]") -> None:
        self.lines = tuple(lines)

    @classmethod
    def parse(cls, data: bytes) -> "BootCfg":
        """Read a boot.cfg; FormatError with the line's number for what is no text or would stop the boot loader."""
        pieces = data.split(b"\n")
        lines = [piece + b"\n" for piece in pieces[:-1]]
        if pieces[-1]:
            lines.append(pieces[-1])
        for number, line in enumerate(lines, 1):
            check_line(line, number)
        cfg = cls(tuple(lines))
        cfg._check_emptied()
        index = cfg._winning("modules")
        if index is not None:
            check_items(split_line(lines[index])[1], index + 1)
        return cfg

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return b"".join(self.lines)

    # Reading

    def get(self, key: str) -> "Optional[str]":
        """The value that wins, white space merged as the loader does; None if the key is not there."""
        index = self._winning(key)
        if index is None:
            return None
        return merge_blanks(split_line(self.lines[index])[1]).decode("utf-8", "replace")

    @property
    def kernel(self) -> "Optional[str]":
        """The kernel's name as written; None if missing or empty (mboot refuses to boot then)."""
        return self.get("kernel") or None

    @property
    def kernelopt(self) -> "List[str]":
        """The kernel options as words."""
        return (self.get("kernelopt") or "").split()

    @property
    def modules(self) -> "List[Module]":
        """The modules in the order in which they are loaded."""
        modules = []
        for item in (self.get("modules") or "").split("---"):
            words = item.split(None, 1)
            if words:
                modules.append(Module(words[0], words[1].strip() if len(words) > 1 else ""))
        return modules

    @property
    def prefix(self) -> "Optional[str]":
        """The directory for relative names; None if not given or empty, then the directory of the boot.cfg serves."""
        return self.get("prefix") or None

    @property
    def build(self) -> str:
        """Version and build such as ``8.0.3-0.35.24280767``; empty on installer ISOs up to 6.7."""
        return self.get("build") or ""

    @property
    def bootstate(self) -> int:
        """0 valid, 1 upgrading, 2 dirty, 3 invalid (boot banks only)."""
        return integer(self.get("bootstate"))

    @property
    def updated(self) -> int:
        """The boot bank's counter, of 32 bits without a sign; safeboot takes the valid bank with the highest one."""
        return integer(self.get("updated")) & 0xFFFFFFFF

    @property
    def quickboot(self) -> int:
        """Other than 0 while a host restarts without its firmware: safeboot passes over such a bank (7.0 and later)."""
        return integer(self.get("quickboot"))

    def end_of(self, key: str) -> int:
        """Return the offset behind the line of ``key`` that wins; 0 if there is none."""
        index = self._winning(key)
        return 0 if index is None else sum(len(line) for line in self.lines[: index + 1])

    def resolve(self, name: str, directory: str) -> str:
        """The absolute path on the boot volume that mboot makes of ``name`` in a boot.cfg that lies in
        ``directory``."""
        base = directory if self.prefix is None else self.prefix
        path = make_path(base, name)
        if "://" in path:
            raise FormatError(
                "boot.cfg: {} is on the network ({}), not on the boot volume.".format(name, path),
                "Use the boot.cfg of the installer ISO itself, not one made for network boot.",
            )
        return path if path.startswith("/") else "/" + path

    def files(self, directory: str) -> "List[str]":
        """Absolute paths of the kernel and all modules, in load order; FormatError if no kernel is named."""
        if self.kernel is None:
            raise FormatError(
                "boot.cfg names no kernel (kernel=…): VMware's boot loader stops there.",
                "Take boot.cfg from the installer ISO again.",
            )
        return [self.resolve(name, directory) for name in [self.kernel] + [module.name for module in self.modules]]

    # Editing

    def with_value(self, key: str, value: str) -> "BootCfg":
        """The value of ``key`` replaced where it wins, or a line added at the end if the key is not there."""
        data = value_bytes(key, value)
        index = self._winning(key)
        if index is None:
            return self._with_line_added(key.encode("ascii") + b"=" + data)
        head, old, tail = split_line(self.lines[index])
        if merge_blanks(old) == data:
            return self
        return self._with_line(index, head + data + tail)

    def with_kernelopt(self, words: "List[str]") -> "BootCfg":
        """These words as the kernel options; FormatError if the kernel's command line gets too long."""
        self._check_command_line(" ".join(words))
        return self.with_value("kernelopt", " ".join(words))

    def with_module(self, name: str) -> "BootCfg":
        """``name`` added as the last module, separated as the others are; unchanged if it is there already."""
        added = value_bytes("modules", name)
        if len(added.split()) != 1 or SEPARATOR in added:
            raise FormatError(
                "boot.cfg: {!r} cannot be a module's name: it has a blank or --- in it.".format(name),
                "Report this as a defect of esxforge.",
            )
        names_it = self._names(name)
        if any(names_it(module.name) for module in self.modules):
            return self
        if len(self.modules) >= MOST_MODULES:
            raise FormatError(
                "boot.cfg: it has {} modules, and {} more would be too many: VMware's boot loader takes about "
                "{}.".format(len(self.modules), name, MOST_MODULES),
                "Use an ISO with fewer additional drivers and tools.",
            )
        index = self._winning("modules")
        if index is None:
            return self._with_line_added(b"modules=" + added)
        head, old, tail = split_line(self.lines[index])
        if not old.split(SEPARATOR)[-1].strip():
            separator = b" " if old else b""
        else:
            # A name that ends with a hyphen needs a blank, or the hyphen would become part of the separator.
            separator = b" --- " if old.endswith(b"-") else separator_of(old)
        return self._with_line(index, head + old + separator + added + tail)

    def without_module(self, name: str) -> "BootCfg":
        """Return the file with ``name`` and its options removed from the modules, wherever it is."""
        index = self._winning("modules")
        names_it = self._names(name)
        if index is None or not any(names_it(module.name) for module in self.modules):
            return self
        head, old, tail = split_line(self.lines[index])
        items = old.split(SEPARATOR)
        kept = [item for item in items if not item.split() or not names_it(first_word(item))]
        return self._with_line(index, head + SEPARATOR.join(kept).strip() + tail)

    # A kernelopt line with room, rewritten later in place

    def with_reserved_kernelopt(self, space: int, sector_size: int = SECTOR_SIZE) -> "BootCfg":
        """The kernelopt line with ``space`` trailing blanks, lying within one sector of the file.

        mboot drops trailing blanks, so the line means the same; :meth:`fill_reserved_kernelopt` then needs to rewrite
        one sector only. A comment is put before the line where it would cross a sector's end. FormatError if the line
        does not fit into a sector.
        """
        cfg = self if self._winning("kernelopt") is not None else self._with_line_added(b"kernelopt=")
        index = cfg._kernelopt_index()
        head, value, tail = split_line(cfg.lines[index])
        line = head + value + b" " * space + line_end(tail)
        if len(line) > sector_size:
            raise FormatError(
                "boot.cfg: the kernelopt line with {} bytes of room would be {} bytes long; a sector holds {}.".format(
                    space, len(line), sector_size
                ),
                "Use fewer or shorter kernel options.",
            )
        lines = list(cfg.lines)
        lines[index] = line
        used = sum(len(before) for before in lines[:index]) % sector_size
        if used + len(line) > sector_size:
            lines.insert(index, comment_of(sector_size - used))
        return BootCfg(tuple(lines))

    def reserved_kernelopt(self) -> "Tuple[int, int]":
        """Return (offset in the file, length in bytes) of the entire kernelopt line."""
        index = self._kernelopt_index()
        return sum(len(before) for before in self.lines[:index]), len(self.lines[index])

    def fill_reserved_kernelopt(self, words: "List[str]") -> bytes:
        """The file with these words as the kernel options: as long as before, different in that one line only."""
        index = self._kernelopt_index()
        head, _, tail = split_line(self.lines[index])
        end = line_end(tail)
        available = len(self.lines[index]) - len(head) - len(end)
        data = value_bytes("kernelopt", " ".join(words))
        if len(data) > available:
            raise FormatError(
                "boot.cfg: the kernel options need {} bytes, but the line reserved for them has {}.".format(
                    len(data), available
                ),
                "Use fewer or shorter kernel options, or build the image again with more room for them.",
            )
        self._check_command_line(" ".join(words))
        return self._with_line(index, head + data.ljust(available) + end).to_bytes()

    # Inside

    def _winning(self, key: str) -> "Optional[int]":
        desired = key.lower().encode("utf-8")
        known = desired.decode("utf-8") in MBOOT_OPTIONS + SAFEBOOT_OPTIONS
        for index in range(len(self.lines) - 1, -1, -1):
            written = key_of(self.lines[index])
            if written is None:
                continue
            if written == desired or (known and desired.decode("ascii") in meant_by(written)):
                return index
        return None

    def _check_emptied(self) -> None:
        """The loader clears half a pointer where an option with a text is given again without one."""
        filled = {}  # type: Dict[str, int]
        for number, line in enumerate(self.lines, 1):
            key = key_of(line)
            for option in [] if key is None else meant_by(key):
                if option in INTEGER_OPTIONS:
                    continue
                if split_line(line)[1]:
                    filled[option] = number
                elif option in filled:
                    raise FormatError(
                        "boot.cfg line {}: {} is given again without a value, after line {} gave it one; VMware's boot "
                        "loader may crash on that.".format(number, option, filled[option]),
                        "Remove one of the two lines.",
                    )

    def _kernelopt_index(self) -> int:
        index = self._winning("kernelopt")
        if index is None:
            raise FormatError("boot.cfg has no kernelopt line.", "Reserve one when the image is built.")
        return index

    def _with_line(self, index: int, line: bytes) -> "BootCfg":
        return BootCfg.parse(b"".join(self.lines[:index] + (line,) + self.lines[index + 1 :]))

    def _with_line_added(self, line: bytes) -> "BootCfg":
        data = self.to_bytes()
        end = b"\r\n" if self.lines and self.lines[0].endswith(b"\r\n") else b"\n"
        if data and not data.endswith(b"\n"):
            data += end
        return BootCfg.parse(data + line + end)

    def _names(self, name: str) -> "Callable[[str], bool]":
        """Return whether another name is that of the same file. The volume is FAT: upper and lower case are one."""
        base = self.prefix or ""
        path = make_path(base, name).lower()
        return lambda other: make_path(base, other).lower() == path

    def _check_command_line(self, options: str) -> None:
        path = make_path(self.prefix or "/EFI/BOOT", self.kernel or "")
        length = len(path) + 1 + len(options.encode("utf-8")) + LOADER_ADDITIONS
        if length >= KERNEL_COMMAND_LINE_LIMIT:
            raise FormatError(
                "boot.cfg: the kernel's command line would have {} characters ({} of them kept for the boot loader's "
                "own additions); VMware's boot loader refuses {} or more.".format(
                    length, LOADER_ADDITIONS, KERNEL_COMMAND_LINE_LIMIT
                ),
                "Use fewer or shorter kernel options.",
            )


def installer_kernelopt(cfg: BootCfg) -> "Tuple[BootCfg, List[str]]":
    """Kernel options with which the interactive installer starts on any host: with ``runweasel``, without ``ks=`` and
    without what is of one host's network.

    Second part: a sentence for each change, for the person who builds. Of a ``ks=`` it shows the scheme and the host at
    most, as it may hold a password or a token.
    """
    notices = []
    words = []
    for word in cfg.kernelopt:
        name = word.split("=")[0].lower()
        if name == "ks":
            notices.append(
                "boot.cfg of the ISO already carried the kernel option {}: it was removed, as the image must not "
                "install unattended before it is personalised.".format(_without_secrets(word))
            )
        elif name in ONE_HOST_OPTIONS and "=" in word:
            notices.append(
                "boot.cfg of the ISO carried the kernel option {}: it was removed, as it is of one host's "
                "network.".format(word)
            )
        else:
            words.append(word)
    if "runweasel" not in [word.lower() for word in words]:
        words.insert(0, "runweasel")
        notices.append("boot.cfg of the ISO lacked the kernel option runweasel, which starts the installer: added.")
    return (cfg.with_kernelopt(words) if notices else cfg), notices


def _without_secrets(word: str) -> str:
    """A ``ks=`` option as far as it may be shown: scheme and host. Where an @ leaves in doubt which is the host, it is
    left out, too."""
    name, equals, place = word.partition("=")
    scheme, colon, rest = place.partition(":")
    if not colon:
        return "{}{}{}".format(name, equals, "usb" if place.lower() == "usb" else "…")
    authority = re.split("[/?#]", rest[2:])[0] if rest.startswith("//") else ""
    host = authority.rpartition("@")[2]
    is_certain = "@" in authority or "@" not in rest
    if not (is_certain and re.match(r"[A-Za-z0-9._:\[\]-]+\Z", host)):
        return "{}={}:…".format(name, scheme)
    return "{}={}://{}/…".format(name, scheme, host)
