"""``python -m benchmarks``: every benchmark, one after the other. Only ratios count; machines differ."""

from __future__ import annotations

from benchmarks import add_ons, build, capture, gzip_writer, plan_processes, upload


def main() -> None:
    """Run them all; it takes some minutes, and 2 GB of free disk where temporary files go (TMPDIR)."""
    print("== building", flush=True)
    print("\n".join(build.report()), flush=True)
    print("== building with a driver", flush=True)
    print("\n".join(add_ons.report()), flush=True)
    print("== gzip writer, 32 GiB sparse disk with 600 MB of data", flush=True)
    print(gzip_writer.report(gzip_writer.measure()), flush=True)
    print("== capturing an installed disk", flush=True)
    print("\n".join(capture.report()), flush=True)
    print("== upload", flush=True)
    upload.main()
    print("== processes on the host", flush=True)
    print(plan_processes.report())


if __name__ == "__main__":
    main()
