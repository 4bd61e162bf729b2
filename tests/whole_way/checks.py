"""What every deployment must have come to: MAAS's story, and nothing left behind."""

from __future__ import annotations

from standin.maas_metadata import MachineStatus
from whole_way.installed import InstalledHost
from whole_way.laboratory import Laboratory
from whole_way.maas import Maas

# Of our own files these stay in the boot bank: the logs of agent and installer step, and the inventory.
KEPT = ("esxforge.log", "esxforge.inv", "esxfinst.log")

# Events that are no phase of the agent's.
_BESIDE = ("esxforge/kickstart", "esxforge/secure-boot")


def check_deployed(maas: Maas) -> None:
    """MAAS heard a story in the right order, and the machine became Deployed at its end."""
    story = maas.story()
    assert maas.machine.status_changes == [MachineStatus.DEPLOYED], "\n".join(story)
    names = [event["name"] for event in maas.events() if event["event_type"] == "start"]
    assert names[0] == "cmd-install"
    phases = [name.partition("/")[2] for name in names if name.startswith("esxforge/") and name not in _BESIDE]
    assert phases[0] == "inventory"
    assert phases.index("network") < phases.index("verify") < phases.index("persist")
    asked = next(number for number, line in enumerate(story) if line.startswith("GET latest/user-data"))
    assert story.index("curtin: finish cmd-install SUCCESS: curtin command install") < asked
    failed = [event for event in maas.events() if event.get("result") == "FAIL"]
    assert not failed
    unsigned = [heard.path for heard in maas.machine.heard if not heard.accepted and heard.status != 404]
    assert not unsigned, "only signed requests get this machine's data"
    after = [line for line in story[asked + 1 :] if line.startswith("GET ")]
    assert not after, "user-data is the last that is asked for"


def check_failed(maas: Maas, *reasons: str) -> None:
    """The agent told MAAS why the deployment failed; the machine did not become Deployed."""
    assert maas.machine.status_changes == [MachineStatus.FAILED_DEPLOYMENT], "\n".join(maas.story())
    (told,) = [event for event in maas.events() if event.get("result") == "FAIL"]
    for reason in reasons:
        assert reason in told["description"], told["description"]
    assert not [line for line in maas.story() if line.startswith("GET latest/user-data")]


def check_left_nothing(lab: Laboratory, host: InstalledHost, password_hash: str) -> None:
    """The agent is gone, and no secret stands anywhere on any disk."""
    assert not [name for name in host.modules if "esxf" in name]
    assert not [name for name in host.bank if name.startswith("esxf") and name not in KEPT]
    assert lab.leaks() == []
    # Root's password is where ESXi keeps it, and nowhere else.
    places = [found.place for found in lab.leaks(password=password_hash)]
    assert places
    assert all("/STATE.TGZ" in place.upper() for place in places), places
