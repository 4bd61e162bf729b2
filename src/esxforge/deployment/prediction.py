"""MAAS's answers become the configuration that MAAS will send to curtin: a pure function.

MAAS gives that configuration only once the machine is being deployed (api/machines.py, ``get_curtin_config``). What
ESXi hosts do not read of it (cloud-init, debconf, GRUB) is left out. What cannot be known before is listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from esxforge.deployment.answers import HAS_CONFIGURATION, Answers
from esxforge.deployment.auto_addresses import Guess, guess_addresses
from esxforge.deployment.network import predict_network
from esxforge.deployment.predicted import Unknown, Unknowns
from esxforge.deployment.storage import predict_storage

# RFC 2606: a reserved name.
UNKNOWN_HOST = "unknown.invalid"
_RACK_PORT = 5248


@dataclass(frozen=True)
class Prediction:
    """``config`` as the planner takes it. ``is_final``: MAAS gave it itself, nothing is predicted."""

    config: Any
    unknown: tuple[Unknown, ...] = ()
    guesses: tuple[Guess, ...] = ()
    is_final: bool = False


def predict(answers: Answers) -> Prediction:
    """The configuration. Raises MaasError where MAAS could not make one, or its answers contradict each other."""
    if answers.machine.status in HAS_CONFIGURATION and answers.config is not None:
        return Prediction(answers.config, is_final=True)
    unknowns = Unknowns()
    guesses = guess_addresses(answers)
    for guess in guesses.values():
        if guess.likely:
            reason = f"MAAS chooses an address in {guess.subnet} when the deployment starts."
            unknowns.add(f"Address of {guess.interface}", reason, guess.address)
        else:
            reason = f"MAAS chooses one in {guess.subnet}; {guess.address} is used here."
            unknowns.add(f"Address of {guess.interface}", reason)
    network = predict_network(answers, guesses, unknowns)
    storage = predict_storage(answers)
    host = _metadata_host(answers, unknowns)
    endpoint = f"http://{host}:{_RACK_PORT}/MAAS/metadata/status/{answers.machine.system_id}"
    unknowns.add("Token", "MAAS makes the machine's token when the deployment starts.")
    config = {"network": network, "storage": storage, "reporting": {"maas": {"type": "webhook", "endpoint": endpoint}}}
    return Prediction(config, tuple(unknowns.found), tuple(guesses.values()))


def _metadata_host(answers: Answers, unknowns: Unknowns) -> str:
    """The rack from which the machine boots, by name, unless MAAS remembers its address from an earlier boot."""
    boot = answers.machine.boot_interface
    vlan = boot.vlan if boot is not None and boot.vlan is not None and boot.vlan.dhcp_on else None
    rack = answers.rack(vlan.primary_rack) if vlan is not None else None
    reason = "MAAS names it when the machine boots: the rack controller that it boots from, or the region."
    unknowns.add("Host of MAAS's metadata service", reason, rack.fqdn if rack is not None else "")
    return rack.fqdn if rack is not None else UNKNOWN_HOST
