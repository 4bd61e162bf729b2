"""What judges our disks: fsck.fat, mtools, sgdisk, and disks that lose power."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from esxforge.formats.segments import Bytes, FileRange, Segment, Zeros
from esxforge_target.runtime.blocks import MemoryBlocks

_ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program; its exit status is for the caller to judge."""
    return subprocess.run([str(a) for a in arguments], capture_output=True, check=False, env=_ENVIRONMENT)


def must(*arguments: str | Path) -> bytes:
    """Run a program that has to succeed, and give its output."""
    done = run(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def render(segments: Iterable[Segment], path: Path) -> None:
    """Write segments to a sparse file."""
    with path.open("wb") as out:
        for segment in segments:
            match segment:
                case Bytes(data):
                    out.write(data)
                case Zeros(length):
                    out.seek(length, os.SEEK_CUR)
                case FileRange(source, offset, length):
                    with source.open("rb") as reader:
                        reader.seek(offset)
                        out.write(reader.read(length))
        out.truncate(out.tell())


def fsck_complaints(image: Path) -> list[str]:
    """What fsck.fat -n says between its version and its summary: nothing, for a sound volume."""
    done = run("fsck.fat", "-n", image)
    lines = [line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
    assert lines, done.stderr
    assert lines[0].startswith("fsck.fat"), lines
    complaints = lines[1:]
    if complaints and " files, " in complaints[-1]:
        complaints.pop()
    elif done.returncode == 0:
        raise AssertionError(f"no summary in {lines}")
    return complaints + [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]


def mtools_read(image: Path, path: str, offset: int = 0) -> bytes:
    """A file's content as mtools reads it; ``offset`` is where the volume begins in the image."""
    drive = f"{image}@@{offset}" if offset else str(image)
    return must("mtype", "-i", drive, f"::/{path}")


def mkfs(image: Path, size: int, *options: str) -> None:
    """A volume made by mkfs.fat."""
    with image.open("wb") as out:
        out.truncate(size)
    must("mkfs.fat", *options, image)


class RecordingDisk(MemoryBlocks):
    """A disk in memory that remembers every write and flush, to show what a power cut would have left."""

    def __init__(self, data: bytes, sector_size: int = 512) -> None:
        super().__init__(data, sector_size)
        self.before = bytes(data)
        self.groups: list[list[tuple[int, bytes]]] = [[]]  # writes between flushes

    def write_at(self, offset: int, data: bytes) -> None:
        super().write_at(offset, data)
        self.groups[-1].append((offset, bytes(data)))

    def flush(self) -> None:
        if self.groups[-1]:
            self.groups.append([])

    def cut_everywhere(self) -> Iterator[bytes]:
        """The disk as a power cut leaves it: before and after each write, in order, and torn at sectors.

        Of writes that no flush parts, the disk may also have done a later one and not the earlier ones.
        """
        safe = bytearray(self.before)
        yield bytes(safe)
        for group in self.groups:
            for number, write in enumerate(group):
                yield _with(safe, [write])
                yield _with(safe, group[: number + 1])
                for half in _torn(write, self.sector_size):
                    yield _with(safe, [*group[:number], half])
                    yield _with(safe, [half])
            safe = bytearray(_with(safe, group))
        assert bytes(safe) == bytes(self.data)


def _with(disk: bytes | bytearray, writes: Sequence[tuple[int, bytes]]) -> bytes:
    changed = bytearray(disk)
    for offset, data in writes:
        changed[offset : offset + len(data)] = data
    return bytes(changed)


def _torn(write: tuple[int, bytes], sector_size: int) -> list[tuple[int, bytes]]:
    offset, data = write
    middle = len(data) // 2 // sector_size * sector_size
    if not middle:
        return []
    return [(offset, data[:middle]), (offset + middle, data[middle:])]
