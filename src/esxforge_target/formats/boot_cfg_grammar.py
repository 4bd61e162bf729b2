"""The grammar of boot.cfg, line by line, as VMware's boot loader has it; :mod:`boot_cfg` says what surprises there.

Sources: vmware/esx-boot, ``bootlib/parse.c``, ``bootlib/string.c``, ``mboot/config.c``, ``safeboot/config.c``.
"""

from typing import List, Optional, Tuple

from esxforge_target.runtime.errors import FormatError

# In the order of the loader's own tables, which decides what an abbreviation means.
MBOOT_OPTIONS = (
    "kernel", "kernelopt", "modules", "title", "prefix", "nobootif", "timeout", "noquirks", "norts", "crypto",
    "runtimewd", "tftpblksize", "acpitables", "runtimewdtimeout", "skip", "errtimeout",
)  # fmt: skip
SAFEBOOT_OPTIONS = ("build", "updated", "bootstate", "quickboot")
INTEGER_OPTIONS = frozenset((
    "nobootif", "timeout", "noquirks", "norts", "runtimewd", "tftpblksize", "runtimewdtimeout", "skip", "errtimeout",
    "updated", "bootstate", "quickboot",
))  # fmt: skip

SEPARATOR = b"---"
_CONTROLS = frozenset(range(0x20)) - frozenset(b"\t\n\v\f\r") | {0x7F}


def key_of(line: bytes) -> "Optional[bytes]":
    """The key of a line as the loader sees it, in lower case; None for blank lines, comments and lines without =."""
    merged = merge_blanks(line)
    if not merged or merged.startswith(b"#") or b"=" not in merged:
        return None
    return merged.split(b"=", 1)[0].lower()


def meant_by(written: bytes) -> "List[str]":
    """The options that mboot and safeboot take this key for."""
    meant = []
    for table in (MBOOT_OPTIONS, SAFEBOOT_OPTIONS):
        matches = [option for option in table if option.encode("ascii").startswith(written)]
        meant.extend(matches[:1])
    return meant


def split_line(line: bytes) -> "Tuple[bytes, bytes, bytes]":
    """(key, = and blanks; value; trailing white space and line end): together the line."""
    at = line.index(b"=") + 1
    value = line[at:].strip()
    if not value:
        return line[:at], b"", line[at:]
    start = line.index(value, at)
    return line[:start], value, line[start + len(value) :]


def merge_blanks(data: bytes) -> bytes:
    """White space at both ends dropped, runs of it made one blank."""
    return b" ".join(data.split())


def first_word(item: bytes) -> str:
    """The name in an item of ``modules=``, which must not be blank."""
    return item.split(None, 1)[0].decode("utf-8", "replace")


def line_end(tail: bytes) -> bytes:
    """The line end in what follows a value; empty on a last line without one."""
    if tail.endswith(b"\r\n"):
        return b"\r\n"
    return b"\n" if tail.endswith(b"\n") else b""


def comment_of(length: int) -> bytes:
    """A line of exactly ``length`` bytes that says nothing."""
    return b"\n" if length == 1 else b"#" + b"-" * (length - 2) + b"\n"


def separator_of(modules: bytes) -> bytes:
    """The last separator with the white space around it, so that an added module looks like the others."""
    at = modules.rfind(SEPARATOR)
    if at < 0:
        return b" --- "
    before = modules[:at]
    after = modules[at + len(SEPARATOR) :]
    return before[len(before.rstrip()) :] + SEPARATOR + after[: len(after) - len(after.lstrip())]


def make_path(base: str, name: str) -> str:
    """Join and clean a path: absolute names and URLs stand alone, slashes merge, white space goes."""
    name = name.lstrip()
    absolute = name.startswith(("/", "\\")) or "://" in name
    base = base.lstrip()
    path = name if absolute or not base else base + "/" + name
    path = "".join(path.split()).replace("\\", "/")
    scheme, mark, rest = path.partition("://")
    if not mark:
        scheme, rest = "", path
    while "//" in rest:
        rest = rest.replace("//", "/")
    return scheme + mark + rest


def integer(value: "Optional[str]") -> int:
    """The number that the loader makes of a checked value; 0 for none."""
    digits = (value or "").lstrip("-")
    if not digits:
        return 0
    return -int(digits) if (value or "").startswith("-") else int(digits)


def value_bytes(key: str, value: str) -> bytes:
    """A value as bytes for one line; FormatError for line ends and control characters."""
    data = value.encode("utf-8", "surrogatepass")
    if b"\n" in data or any(byte in _CONTROLS for byte in data):
        raise FormatError(
            "boot.cfg: the value for {} holds a line end or a control character.".format(key),
            "Write kernel options as plain words.",
        )
    return merge_blanks(data)


def check_line(line: bytes, number: int) -> None:
    """Raise FormatError for a line that is not text, or whose integer is malformed."""
    hint = "Take boot.cfg from the installer ISO again; this one is damaged."
    for byte in line:
        if byte in _CONTROLS:
            raise FormatError(
                "boot.cfg line {}: byte 0x{:02X} is not text, so this is not a boot.cfg.".format(number, byte), hint
            )
    key = key_of(line)
    if key is None:
        return
    meant = meant_by(key)
    value = split_line(line)[1]
    if meant in ([], ["title"]):
        return  # Only shown, or not used at all: OEM ISOs may use any code page there.
    try:
        text = merge_blanks(value).decode("ascii")
    except UnicodeDecodeError:
        # The loader would take byte 0xA0 for a blank, and firmware other bytes for whatever it likes.
        raise FormatError("boot.cfg line {}: the value of {} is not plain ASCII text.".format(number, meant[0]), hint)
    digits = text[1:] if text.startswith("-") else text
    for option in meant:
        if option in INTEGER_OPTIONS and digits and not digits.isdigit():
            raise FormatError(
                "boot.cfg line {}: {}={} is not a whole number; VMware's boot loader stops there.".format(
                    number, option, text
                ),
                "Write a number, or remove the line.",
            )


def check_items(modules: bytes, number: int) -> None:
    """An empty item is harmless only if a blank follows it: the loader skips one character too many there."""
    items = merge_blanks(modules).split(SEPARATOR)
    for item, after in zip(items, items[1:]):
        if not item.strip() and not after.startswith(b" "):
            raise FormatError(
                "boot.cfg line {}: modules= has an empty item, which VMware's boot loader misreads.".format(number),
                "Remove the superfluous --- there.",
            )
