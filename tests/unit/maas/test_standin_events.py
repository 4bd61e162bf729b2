"""The event log over the stand-in region's API, as an administrator's ``maas PROFILE events query`` asks for it."""

from __future__ import annotations

import json
import time

import httpx2

from esxforge.maas.auth import ApiKey, OAuth1Plaintext
from esxforge.selftest.maas_machine import PREFIX, MaasMachine
from standin.maas_region import USER_KEY
from standin.maas_region.machines import DEPLOYING, Live

from .conftest import Maas


def query(maas: Maas, **arguments: str) -> httpx2.Response:
    url = f"{maas.url}/api/2.0/events/"
    auth = OAuth1Plaintext(ApiKey.parse(USER_KEY, "test"))
    return httpx2.get(url, params={"op": "query", **arguments}, auth=auth)


def deploying(maas: Maas, system_id: str = "rsycnt", hostname: str = "esx01") -> MaasMachine:
    own = {"system_id": system_id, "hostname": hostname, "status": DEPLOYING, "owner": "h2user"}
    machine = MaasMachine(time.time, system_id=system_id, hostname=f"{hostname}.maas")
    maas.region.nodes.add({"machine": own}).live = Live(machine)
    return machine


def tell(machine: MaasMachine, **event: str) -> None:
    message = {"event_type": "start", "origin": "esxforge", "description": "text", **event}
    path = f"{PREFIX}status/{machine.system_id}"
    machine.answer("POST", path, f'OAuth oauth_token="{machine.token_key}"', json.dumps(message).encode())


def test_the_log_shows_our_events_at_level_debug_only(maas: Maas) -> None:
    machine = deploying(maas)
    deploying(maas, system_id="other1", hostname="esx02")
    tell(machine, name="esxforge/storage", description="#1.03 storage: Setting up the datastores")
    tell(machine, name="esxforge/user-data", event_type="finish", result="SUCCESS")
    assert query(maas, hostname="esx01").json()["events"] == []
    (event,) = query(maas, id=machine.system_id, level="DEBUG").json()["events"]
    assert {name: event[name] for name in ("level", "type", "description", "hostname")} == {
        "level": "DEBUG",
        "type": "Node installation",
        "description": "'esxforge' #1.03 storage: Setting up the datastores",
        "hostname": "esx01",
    }
    tell(machine, name="esxforge", event_type="finish", result="FAIL", description="#1.04 no uplink")
    shown = query(maas, hostname="esx01").json()["events"]
    assert [(one["level"], one["type"]) for one in shown] == [
        ("ERROR", "Marking node failed"),
        ("ERROR", "Node installation failure"),
    ]


def test_a_level_that_is_none_is_refused_as_maas_does(maas: Maas) -> None:
    deploying(maas)
    answer = query(maas, level="debug")
    assert (answer.status_code, answer.text) == (400, "Unrecognised log level: debug")
