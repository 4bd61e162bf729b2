"""Run a stand-in MAAS by hand: ``PYTHONPATH=tests python -m standin.maas_region [--port 5240] [--version 3.6.5]``."""

from __future__ import annotations

import argparse
import threading

from standin.maas_region import ADMIN_KEY, FakeRegion, serve


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=5240)
    parser.add_argument("--version", default="3.6.5")
    arguments = parser.parse_args()
    with serve(FakeRegion(arguments.version), port=arguments.port) as url:
        print(f"MAAS_URL={url}\nMAAS_API_KEY={ADMIN_KEY}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


main()
