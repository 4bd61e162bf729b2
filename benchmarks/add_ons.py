"""A build with a bundle of 40 MB beside a build of an ISO that is larger by as much: a driver costs its bytes."""

from __future__ import annotations

import os
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.build import Run, timed
from esxforge.local.workspace import work_directory
from esxforge.standin_iso.iso import make_standin_iso
from standin.vibs import NewPayload, NewVib, bundle, tgz

ISO_MIB = 600
BUNDLE_MIB = 40
# What a driver costs besides its bytes: each VIB is hashed, each payload is unzipped and hashed twice; what a bundle
# deflates is inflated before, into a file.
GOAL = 1.15


def write_bundle(path: Path, method: int) -> None:
    """A bundle with one VIB, whose payload does not compress."""
    payload = NewPayload(data=tgz({"driver": os.urandom(BUNDLE_MIB << 20)}))
    path.write_bytes(bundle([NewVib(payloads=(payload,))], method=method))


def report(rounds: int = 3) -> list[str]:
    """Both, ``rounds`` times, for a bundle that stores its VIBs and one that deflates them; medians as lines."""
    lines = []
    with work_directory() as directory:
        small, large, file = directory / "small.iso", directory / "large.iso", directory / "bundle.zip"
        output = directory / "image.dd.gz"
        make_standin_iso(small, release="8.0", size_mb=ISO_MIB)
        make_standin_iso(large, release="8.0", size_mb=ISO_MIB + BUNDLE_MIB)

        def build(*arguments: str) -> Run:
            # Warnings go nowhere: they are the same each time.
            command = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", sys.executable, "-m", "esxforge", "build", *arguments]
            return timed([*command, "--accept-eula", "--root-password-random", "--force", "-o", str(output)])

        for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
            # Elsewhere: a process begins with the peak memory of the one that starts it.
            with ProcessPoolExecutor(1) as elsewhere:
                elsewhere.submit(write_bundle, file, method).result()
            runs = [(build(str(small), "--add", str(file)), build(str(large))) for _ in range(rounds)]
            ratio = sorted(ours.cpu / theirs.cpu for ours, theirs in runs)[rounds // 2]
            ours, theirs = runs[-1]
            lines.append(
                f"build of {ISO_MIB} MiB + a bundle of {BUNDLE_MIB} MiB, {name} / build of {ISO_MIB + BUNDLE_MIB} MiB: "
                f"processor time {ratio:.2f} (goal {GOAL:.2f}), peak memory {ours.peak:.0f} and {theirs.peak:.0f} MiB, "
                f"written {ours.written} and {theirs.written} MiB"
            )
    return lines


if __name__ == "__main__":
    print("\n".join(report()))
