"""``esxforge build`` beside the compressors it is made of, for the same bytes: time as ratios, memory in MiB.

Time on the clock depends on how many cores are free; processor time does not, and shows what the build does besides.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from esxforge.local.workspace import work_directory
from esxforge.standin_iso.iso import make_standin_iso

ISO_MIB = 600
_CHUNK = 1 << 20
_ISAL = (
    "import sys\nfrom isal import isal_zlib\n"
    "member = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)\n"
    "with open(sys.argv[1], 'rb') as raw, open(sys.argv[2], 'wb') as out:\n"
    f"    while chunk := raw.read({_CHUNK}):\n"
    "        out.write(member.compress(chunk))\n"
    "    out.write(member.flush())\n"
)
# What a build hashes: each file's bytes, the ISO, and the image, each as large as the other within some per cent.
_HASHES = (
    "import hashlib, sys\n"
    "with open(sys.argv[1], 'rb') as raw:\n"
    "    hashes = [hashlib.sha256() for _ in range(3)]\n"
    f"    while chunk := raw.read({_CHUNK}):\n"
    "        for each in hashes:\n"
    "            each.update(chunk)\n"
)


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds on the clock and of processors, peak MiB, and MiB that the process wrote."""

    seconds: float
    cpu: float
    peak: float
    written: int


def timed(arguments: list[str], output: Path | None = None) -> Run:
    """Run a command that must succeed.

    Python may keep its byte code, as an installed tool has it, even where the caller's environment forbids that. What
    an earlier command left to be written to the disk is written first: esxforge waits for the disk, its peers do not,
    and would leave their part of the waiting to it.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    sink = output.open("wb") if output else subprocess.DEVNULL
    os.sync()
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=sink, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if output and not isinstance(sink, int):
        sink.close()
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}: {arguments}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_oublock * 512 >> 20)


def report(size_mb: int = ISO_MIB, rounds: int = 3) -> list[str]:
    """Run everything side by side, ``rounds`` times, and give the medians as lines."""
    with work_directory() as directory:
        iso, raw = directory / "installer.iso", directory / "image.raw"
        make_standin_iso(iso, release="8.0", size_mb=size_mb)
        build = [
            sys.executable,
            "-m",
            "esxforge",
            "build",
            str(iso),
            "--accept-eula",
            "--root-password-random",
            "--force",
        ]
        timed([*build, "--format", "raw", "-o", str(raw)])
        output = directory / "output.gz"
        ratios: list[tuple[float, ...]] = []
        for _ in range(rounds):
            ours = timed([*build, "-o", str(output)])
            image = output.stat().st_size
            # Each finds the same: no output yet, and the memory of the last one's free. Else the first to touch memory
            # that a virtual machine has not got yet would pay for all.
            output.unlink()
            isal = timed([sys.executable, "-c", _ISAL, str(raw), str(output)])
            output.unlink()
            pigz = timed(["pigz", "-1", "-p2", "-c", str(raw)], output)
            output.unlink()
            hashes = timed([sys.executable, "-c", _HASHES, str(raw)])
            ratios.append(
                (ours.seconds / isal.seconds, ours.seconds / pigz.seconds, ours.cpu / isal.cpu, hashes.cpu / isal.cpu)
            )
        raw_size = raw.stat().st_size
        beside_isal, beside_pigz, cpu, hashing = (sorted(each)[rounds // 2] for each in zip(*ratios, strict=True))
        return [
            f"build of {size_mb} MiB / isal level 1 alone: {beside_isal:.2f} (goal 1.60)",
            f"build of {size_mb} MiB / pigz -1 -p2: {beside_pigz:.2f} (goal 0.35)",
            f"processor time / that of isal level 1 alone: {cpu:.2f}; the three SHA-256 alone: {hashing:.2f}",
            f"peak memory: {ours.peak:.0f} MiB (goal 150)",
            f"written to disk: {ours.written} MiB for an image of {image >> 20} MiB",
            f"raw image - ISO: {(raw_size - iso.stat().st_size) >> 20} MiB (goal 64)",
        ]


if __name__ == "__main__":
    print("\n".join(report()))
