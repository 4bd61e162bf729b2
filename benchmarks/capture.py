"""``esxforge capture`` of a sparse installed disk, side by side with ``pigz -1 -p2`` on the same file."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing import get_context

from benchmarks.build import timed
from esxforge.local.workspace import work_directory
from standin import installed

DISK_GIB = 32
DATA_BYTES = 600_000_000
GOAL = 0.05
GOAL_MIB = 200


def report(rounds: int = 3) -> list[str]:
    """Capture and compress, ``rounds`` times side by side; the medians as lines."""
    with work_directory() as directory:
        disk, image = directory / "disk.raw", directory / "image.dd.gz"
        wish = installed.InstalledLayout(size=DISK_GIB << 30, module_bytes=DATA_BYTES // (len(installed.MODULES) + 1))
        # In a process of its own: a child's peak memory, as the kernel counts it, begins with its parent's.
        maker = get_context("spawn").Process(target=installed.make, args=(disk, wish))
        maker.start()
        maker.join()
        ratios = []
        for _ in range(rounds):
            command = [sys.executable, "-m", "esxforge", "capture", str(disk), "-o", str(image), "--force"]
            capture = timed(command)
            pigz = timed(["pigz", "-1", "-p2", "-c", str(disk)], directory / "pigz.gz")
            ratios.append((capture.seconds / pigz.seconds, capture.seconds, pigz.seconds))
        subprocess.run(["pigz", "-t", str(image)], check=True)
        ratio, ours, theirs = sorted(ratios)[len(ratios) // 2]
        sizes = image.stat().st_size / (directory / "pigz.gz").stat().st_size
        stored = disk.stat().st_blocks * 512 // 10**6
        times = f"{ours:.2f} s, pigz -1 -p2 {theirs:.2f} s: time ratio {ratio:.3f} (goal {GOAL})"
        return [
            f"capture of {DISK_GIB} GiB with {stored} MB stored: {times}, size ratio {sizes:.3f}",
            f"peak memory of capture: {capture.peak:.0f} MiB (goal {GOAL_MIB})",
        ]


if __name__ == "__main__":
    print("\n".join(report()))
