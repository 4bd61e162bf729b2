"""Disks for machines: an overlay that leaves the image unchanged, an empty one, an image unpacked."""

from __future__ import annotations

import errno
import gzip
import importlib
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from esxforge.errors import ImageError, OutputError
from esxforge.events import BytesDone, Listener, step
from esxforge.local import processes
from esxforge.local.reading import LARGEST_DISK, open_regular

_GZIP_MAGIC = b"\x1f\x8b"
_GPT_PLACES = (512, 4096)
_BLOCK = 1 << 20
_QEMU_IMG_HINT = "Install it: “qemu-utils” on Debian and Ubuntu, “qemu-img” on Fedora."


def is_gzip(path: Path) -> bool:
    """Return whether the file is compressed. Raises :class:`InputError` or :class:`ImageError` if it is unreadable."""
    return _head(path, 2) == _GZIP_MAGIC


def unpack_command(path: Path) -> str:
    """Return a shell command that unpacks the compressed ``path`` beside it, holes left out."""
    target = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".raw")
    return f"gunzip -c < {shlex.quote(str(path))} | cp --sparse=always /dev/stdin {shlex.quote(str(target))}"


def check_bootable(path: Path) -> None:
    """Raise :class:`ImageError` unless a raw image starts like a disk: a boot record, or a GPT."""
    head = _head(path, 8192)
    if head[510:512] != b"\x55\xaa" and not any(head[place : place + 8] == b"EFI PART" for place in _GPT_PLACES):
        raise ImageError(f"{path} is not a disk image: it has no partition table.", "Give a .dd.gz or raw disk image.")


def create_overlay(image: Path, overlay: Path, size: int) -> None:
    """Make a qcow2 over ``image`` (raw): writes go to ``overlay``, the image stays. ``size`` in bytes, or the image's
    if that is more. Raises :class:`~esxforge.errors.ProcessError`."""
    program = processes.find_program("qemu-img", hint=_QEMU_IMG_HINT)
    size = max(size, image.stat().st_size)
    base = str(image.resolve())
    arguments = [program, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, str(overlay), str(size)]
    processes.run(arguments, timeout=60)


def create_blank(path: Path, size: int) -> None:
    """Make an empty sparse raw disk of ``size`` bytes. Raises :class:`OutputError`."""
    try:
        with path.open("xb") as stream:
            stream.truncate(size)
    except OSError as error:
        raise _unwritable(path, error) from error


def unpack(packed: Path, target: Path, listener: Listener) -> None:
    """Unpack a gzip file, leaving holes where it holds zeros. ``target`` must not exist.

    Raises :class:`InputError` for a file that cannot be opened, :class:`ImageError` for a damaged one,
    :class:`OutputError` if there is no room.
    """
    source = open_regular(packed, largest=LARGEST_DISK)
    with source, step(listener, "Unpack the image", packed.stat().st_size):
        try:
            with target.open("xb") as sparse, _opened(source) as plain:
                _copy_sparsely(plain, sparse, lambda: listener(BytesDone("Unpack the image", source.tell())))
        except _damage() as error:
            raise ImageError(
                f"{packed} is damaged: {error}.", "Compare it with its manifest: esxforge verify IMAGE."
            ) from error
        except OSError as error:
            raise _unwritable(target, error) from error


def _opened(source: BinaryIO) -> Any:
    try:
        return importlib.import_module("isal.igzip").open(source)
    except ImportError:  # there is no wheel of it for every platform
        return gzip.open(source)


def _damage() -> tuple[type[Exception], ...]:
    """Return the exceptions that the unpackers raise for bytes that are not gzip."""
    try:
        fast: type[Exception] = importlib.import_module("isal.isal_zlib").error
    except ImportError:
        fast = zlib.error
    return (EOFError, zlib.error, gzip.BadGzipFile, fast)


def _copy_sparsely(plain: BinaryIO, sparse: BinaryIO, tell: Callable[[], None]) -> None:
    zeros = bytes(_BLOCK)
    size = 0
    while block := plain.read(_BLOCK):
        if block == zeros[: len(block)]:
            sparse.seek(len(block), 1)
        else:
            sparse.write(block)
        size += len(block)
        tell()
    sparse.truncate(size)


def _head(path: Path, length: int) -> bytes:
    with open_regular(path, largest=LARGEST_DISK) as stream:
        try:
            return stream.read(length)
        except OSError as error:
            raise ImageError(
                f"Cannot read {path}: {error.strerror or error}.", "Check the disk it is on.", str(path)
            ) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    hint = "Choose another place for temporary files with TMPDIR."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"No space left for {path}.", f"Free some. {hint}")
    return OutputError(f"Could not write {path}: {error.strerror or error}.", hint)
