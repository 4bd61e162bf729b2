"""Run a stand-in MAAS by hand: ``PYTHONPATH=tests python -m standin.maas_region [--port 5240] [--version 3.6.5]``.

It has one recorded machine, ``--pair``; one that is deployed there stays Deploying.
"""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

from standin.maas_region import ADMIN_KEY, FakeRegion, serve

_PAIRS = Path(__file__).parents[2] / "data" / "maas-pairs"


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=5240)
    parser.add_argument("--version", default="3.6.5")
    parser.add_argument("--pair", default="3.7.3/big_mixed", help="a file of tests/data/maas-pairs")
    arguments = parser.parse_args()
    region = FakeRegion(arguments.version)
    pair = json.loads((_PAIRS / f"{arguments.pair}.json").read_text("utf-8"))
    region.nodes.add(pair["answers"], pair["curtin"])
    with serve(region, port=arguments.port) as url:
        print(f"MAAS_URL={url}\nMAAS_API_KEY={ADMIN_KEY}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


main()
