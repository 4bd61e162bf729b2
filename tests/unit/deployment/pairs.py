"""Recorded pairs: MAAS's answers before a deployment, and the configuration that it then made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.deployment.answers import Answers, answers_of
from esxforge.deployment.prediction import Prediction

DATA = Path(__file__).parents[2] / "data" / "maas-pairs"
PATHS = sorted(DATA.glob("*/*.json"))
# MAAS's own addresses where the pairs were recorded.
OWN_ADDRESSES = ("192.0.2.2", "fd00::2")


@dataclass(frozen=True)
class Pair:
    """One file."""

    name: str
    documents: dict[str, Any]
    curtin: dict[str, Any]
    auto_addresses: dict[int, str]

    def answers(self) -> Answers:
        """The answers, typed."""
        return answers_of(self.documents)


def pair(path: Path) -> Pair:
    """Read one."""
    content = json.loads(path.read_text("utf-8"))
    addresses = {int(link): address for link, address in content["auto_addresses"].items()}
    return Pair(f"{path.parent.name}/{path.stem}", content["answers"], content["curtin"], addresses)


def named(name: str, version: str = "3.7.3") -> Pair:
    """The pair of a name."""
    return pair(DATA / version / f"{name}.json")


def comparable(found: Pair, prediction: Prediction) -> dict[str, Any]:
    """MAAS's configuration with what cannot be known beforehand as the prediction has it.

    That is MAAS's own address among the name servers, addresses of AUTO links, and the metadata service's host.
    """
    config: dict[str, Any] = json.loads(json.dumps(found.curtin))
    given = {found.auto_addresses[guess.link]: guess.address for guess in prediction.guesses}
    for item in config["network"]["config"]:
        if item["type"] == "nameserver":
            item["address"] = [one for one in item["address"] if one not in OWN_ADDRESSES]
        for subnet in item.get("subnets", []):
            address, _, length = subnet.get("address", "").partition("/")
            if address in given:
                subnet["address"] = f"{given[address]}/{length}"
    config["reporting"]["maas"]["endpoint"] = prediction.config["reporting"]["maas"]["endpoint"]
    return config
