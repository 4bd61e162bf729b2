"""boot.cfg as VMware's loaders read it, written for the stand-in alone so that it judges what others write.

Facts: vmware/esx-boot, bootlib/parse.c (lines), mboot/config.c (keys, lists of files, prefix), bootlib/string.c (paths)
and safeboot/bootbank.c (choice of a bank).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

SEPARATOR = "---"
COMMAND_LINE_LIMIT = 4096
_TEXTS = ("kernel", "kernelopt", "modules", "title", "prefix")
_TEXTS_LATER = ("crypto", "acpitables")
# In the order of the loader's table: the first key that a line's word begins is the one it sets.
_MBOOT_KEYS = (
    "kernel", "kernelopt", "modules", "title", "prefix", "nobootif", "timeout", "noquirks", "norts", "crypto",
    "runtimewd", "tftpblksize", "acpitables", "runtimewdtimeout", "skip", "errtimeout",
)  # fmt: skip
_SAFEBOOT_KEYS = ("build", "updated", "bootstate", "quickboot")
_IS_TEXT = frozenset((*_TEXTS, *_TEXTS_LATER, "build"))

SYNTAX = 32
NOT_FOUND = 15
INCONSISTENT_DATA = 33
ABORTED = 22
ERRORS = {SYNTAX: "Syntax", NOT_FOUND: "Not found", INCONSISTENT_DATA: "Inconsistent data", ABORTED: "Aborted"}


class LoaderError(Exception):
    """What ends a boot: an error number of the loader, and what it says before it gives up."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number

    @property
    def last_words(self) -> str:
        """As mboot's last line reads."""
        return f"Fatal error: {self.number} ({ERRORS[self.number]})"


@dataclass(frozen=True)
class Module:
    """A file to load: its path from the volume's root, and the options behind its name."""

    path: str
    options: str = ""


@dataclass(frozen=True)
class Configuration:
    """What mboot takes from a boot.cfg. The kernel is the first of ``files``, its options are the command line."""

    title: str
    prefix: str
    files: tuple[Module, ...]

    @property
    def command_line(self) -> str:
        """The kernel's."""
        return self.files[0].options


@dataclass(frozen=True)
class Bank:
    """What safeboot takes from a bank's boot.cfg."""

    build: str
    updated: int
    state: int
    quickboot: bool = False

    @property
    def state_after(self) -> int:
        """The boot state that safeboot writes back: an upgrade gets one try."""
        if self.quickboot:
            return INVALID
        return {VALID: VALID, UPGRADING: DIRTY, DIRTY: INVALID, INVALID: INVALID}.get(self.state, INVALID)

    @property
    def bootable(self) -> bool:
        """Whether it may be booted now. One that is upgrading may, since it is dirty by then."""
        return self.updated > 0 and bool(self.build) and not self.quickboot and self.state in (VALID, UPGRADING)


VALID, UPGRADING, DIRTY, INVALID = 0, 1, 2, 3


def mboot_configuration(data: bytes, path: str) -> Configuration:
    """Read the boot.cfg that stands at ``path`` of its volume. Raises :class:`LoaderError`."""
    values = _values(data, _MBOOT_KEYS)
    if int(values.get("skip") or 0):
        raise LoaderError(ABORTED, "Skipping boot from this configuration")
    kernel = values.get("kernel")
    if not kernel:
        raise LoaderError(SYNTAX, "kernel=<FILEPATH> must be set")
    prefix = values.get("prefix") or path.rpartition("/")[0].rstrip("/")
    files = [Module(absolute_path(prefix, kernel), values.get("kernelopt") or "")]
    for item in (values.get("modules") or "").split(SEPARATOR):
        words = item.split(None, 1)
        if words:
            files.append(Module(absolute_path(prefix, words[0]), words[1].strip() if len(words) > 1 else ""))
    if len(files[0].options) >= COMMAND_LINE_LIMIT:
        raise LoaderError(SYNTAX, f"the kernel's command line is longer than {COMMAND_LINE_LIMIT} characters")
    return Configuration(values.get("title") or "", prefix, tuple(files))


def bank_of(data: bytes) -> Bank:
    """What a bank's boot.cfg says of it. Raises :class:`LoaderError`."""
    values = _values(data, _SAFEBOOT_KEYS)
    numbers = {key: int(values.get(key) or 0) for key in _SAFEBOOT_KEYS[1:]}
    return Bank(values.get("build") or "", numbers["updated"], numbers["bootstate"], numbers["quickboot"] > 0)


def choose_bank(banks: list[Bank]) -> int | None:
    """The number of the bank to boot: of those that can be, the first with the highest ``updated``."""
    chosen = None
    for number, bank in enumerate(banks):
        if bank.bootable and (chosen is None or bank.updated > banks[chosen].updated):
            chosen = number
    return chosen


def with_state(data: bytes, state: int) -> bytes:
    """boot.cfg with another boot state: one digit in its first 512 bytes, as safeboot changes it."""
    found = re.search(rb"(?im)^[ \t]*bootstate[ \t]*=[ \t]*([0-3])", data[:512])
    if found is None:
        raise LoaderError(SYNTAX, "boot state not found")
    return data[: found.start(1)] + str(state).encode() + data[found.end(1) :]


def absolute_path(root: str, path: str) -> str:
    """``path`` as it is if it is absolute, else below ``root``; slashes merged."""
    joined = path if path.startswith("/") else f"{root}/{path}"
    return re.sub("/+", "/", joined)


def _values(data: bytes, keys: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for raw in data.split(b"\n"):
        line = re.sub(r"\s+", " ", raw.split(b"\0")[0].decode("latin-1")).strip()
        word, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        # As in the source: a blank before the sign makes a word that no key begins with; an abbreviation finds its key.
        key = _first(keys, lambda known, word=word: known.startswith(word.lower()))  # type: ignore[misc]
        if key is None:
            continue
        value = value.strip()
        if key not in _IS_TEXT and value and not re.fullmatch(r"-?[0-9]+", value):
            raise LoaderError(SYNTAX, f"{key}= is not a number: {value}")
        values[key] = value
    return values


def _first(keys: tuple[str, ...], fits: Callable[[str], bool]) -> str | None:
    return next((key for key in keys if fits(key)), None)
