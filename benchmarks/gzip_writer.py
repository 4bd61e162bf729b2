"""The gzip writer on a sparse raw disk, side by side with ``pigz -1 -p2`` on the same file."""

from __future__ import annotations

import os
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from esxforge.formats.gzip_member import GzipMember, backend_name
from esxforge.formats.segments import Bytes, FileRange, Zeros
from esxforge.image.sparse import segments_of_file
from esxforge.local.workspace import work_directory

MIB = 1 << 20
GOAL = 0.05
_CHUNK = 1 * MIB
_RUNS = 12  # parts of the disk that hold data


@dataclass(frozen=True)
class Result:
    """Seconds and bytes of both, and their ratios (ours divided by pigz's)."""

    backend: str
    ours_seconds: float
    pigz_seconds: float
    ours_bytes: int
    pigz_bytes: int

    @property
    def time_ratio(self) -> float:
        return self.ours_seconds / self.pigz_seconds

    @property
    def size_ratio(self) -> float:
        return self.ours_bytes / self.pigz_bytes


def make_disk(path: Path, disk_bytes: int, data_bytes: int) -> None:
    """A sparse file with data in some runs, half noise and half text, the same every time."""
    source = random.Random(1)
    words = [source.randbytes(12) for _ in range(4000)]
    pieces = [source.randbytes(_CHUNK // 2) + b"".join(source.choices(words, k=_CHUNK // 24)) for _ in range(8)]
    run = data_bytes // _RUNS
    with path.open("wb") as out:
        for number in range(_RUNS):
            out.seek(number * (disk_bytes // _RUNS))
            left = run
            while left > 0:
                # A number in front makes every piece another one.
                piece = (left.to_bytes(8, "little") + pieces[source.randrange(8)])[: min(left, _CHUNK)]
                out.write(piece)
                left -= len(piece)
        out.truncate(disk_bytes)


def write_gzip(disk: Path, target: Path) -> None:
    """What a build does with a raw disk, without its hashes and manifest."""
    member = GzipMember(1)
    with disk.open("rb") as reader, target.open("wb") as out:
        for segment in segments_of_file(disk):
            match segment:
                case Zeros(length):
                    for block in member.zeros(length):
                        out.write(block)
                case FileRange(_, offset, length):
                    reader.seek(offset)
                    while length > 0:
                        chunk = reader.read(min(_CHUNK, length))
                        length -= len(chunk)
                        out.write(member.data(chunk))
                case Bytes(data):
                    out.write(member.data(data))
        out.write(member.finish())


def measure(disk_bytes: int = 32 << 30, data_bytes: int = 600_000_000, directory: Path | None = None) -> Result:
    """Make a disk, compress it both ways, check ours with gzip, and delete everything."""
    with work_directory(directory) as place:
        disk, ours, theirs = place / "disk.raw", place / "ours.gz", place / "pigz.gz"
        make_disk(disk, disk_bytes, data_bytes)
        started = time.perf_counter()
        write_gzip(disk, ours)
        ours_seconds = time.perf_counter() - started
        with theirs.open("wb") as out:
            started = time.perf_counter()
            subprocess.run(["pigz", "-1", "-p2", "-c", str(disk)], stdout=out, check=True)
            pigz_seconds = time.perf_counter() - started
        subprocess.run(["pigz", "-t", str(ours)], check=True, env={**os.environ, "LC_ALL": "C"})
        return Result(backend_name(), ours_seconds, pigz_seconds, ours.stat().st_size, theirs.stat().st_size)


def report(result: Result) -> str:
    """The figures in one line; only the ratios mean something on another machine."""
    return (
        f"sparse disk: {result.backend} {result.ours_seconds:.2f} s, pigz -1 -p2 {result.pigz_seconds:.2f} s: "
        f"time ratio {result.time_ratio:.3f} (goal {GOAL}), size ratio {result.size_ratio:.3f}"
    )


if __name__ == "__main__":
    print(report(measure()))
