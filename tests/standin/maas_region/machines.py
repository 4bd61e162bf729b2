"""The machines of a stand-in MAAS: REST answers as recorded (tests/data/maas-pairs), deploying, the event log.

Rules and words: canonical/maas 3.7.3, src/maasserver/api (machines.py, nodes.py, events.py, scriptresults.py),
middleware.py for what an exception becomes; the 403s as measured with a plain user (PermissionDenied has no text).
"""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from esxforge.selftest.maas_events import DEFAULT_LEVEL, EventLog
from esxforge.selftest.maas_machine import MaasMachine
from standin.maas_region.errors import ApiError

READY, DEPLOYED, DEPLOYING, ALLOCATED, FAILED_DEPLOYMENT, RELEASING = 4, 6, 9, 10, 11, 12
STATUS_NAMES = {
    0: "New",
    1: "Commissioning",
    2: "Failed commissioning",
    3: "Missing",
    READY: "Ready",
    5: "Reserved",
    DEPLOYED: "Deployed",
    7: "Retired",
    8: "Broken",
    DEPLOYING: "Deploying",
    ALLOCATED: "Allocated",
    FAILED_DEPLOYMENT: "Failed deployment",
    RELEASING: "Releasing",
    16: "Rescue mode",
    21: "Testing",
    22: "Failed testing",
}
_NUMBERS = {name: number for number, name in STATUS_NAMES.items()}
_HAS_CONFIGURATION = (DEPLOYING, DEPLOYED, FAILED_DEPLOYMENT)
_LISTS = ("interfaces", "blockdevices", "vmfs-datastores", "raids", "volume-groups", "bcaches")
_OF_REGION = ("subnets", "static-routes", "fabrics", "domains", "reservedips")
_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
Answer = tuple[int, str, str]


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    admin: bool
    ssh_keys: int = 1


@dataclass(frozen=True)
class Live:
    """A machine behind the metadata service, and its addresses once it is deployed."""

    machine: MaasMachine
    addresses: tuple[str, ...] = ()


@dataclass
class FakeMachine:
    """One machine. ``documents`` are its answers; ``deploy_requests`` has the fields of each call of deploy.

    ``live`` is a machine that really runs: once it is being deployed its status and events are those.
    """

    documents: dict[str, Any]
    config: Any = None
    installation_log: str | None = None
    deploy_requests: list[dict[str, str]] = field(default_factory=list)
    on_deploy: Callable[[], None] = lambda: None
    live: Live | None = None
    mirrored: int = 0
    log: EventLog = field(default_factory=EventLog)

    @property
    def own(self) -> dict[str, Any]:
        """The machine's own answer."""
        found: dict[str, Any] = self.documents["machine"]
        return found

    @property
    def system_id(self) -> str:
        """Its id in MAAS."""
        return str(self.own["system_id"])

    def become(self, status: int, **fields: Any) -> None:
        """Change its status, and other fields."""
        self.own.update(status=status, status_name=STATUS_NAMES[status], **fields)


class FakeMachines:
    """All of them, and what MAAS says besides."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.machines: dict[str, FakeMachine] = {}
        self.settings: dict[str, Any] = {"use_rack_proxy": True, "node_timeout": 60}
        self.series: Callable[[], list[str]] = list

    def add(self, documents: Mapping[str, Any], config: Any = None) -> FakeMachine:
        """A machine whose answers were recorded; ``config`` is what MAAS makes of it once it is deployed."""
        machine = FakeMachine(copy.deepcopy(dict(documents)), config)
        self.machines[machine.system_id] = machine
        return machine

    def log(self, system_id: str, description: str, *, level: str = "DEBUG", kind: str = "Node installation") -> None:
        """A new event."""
        self.machines[system_id].log.add(level, kind, description, self.clock())

    def answer(
        self, user: User, method: str, place: str, query: Mapping[str, str], form: Callable[[], dict[str, str]]
    ) -> Answer | None:
        """The answer to a request below /api/2.0/; None for one that is not about machines."""
        for machine in self.machines.values():
            self._mirror(machine)
        operation = query.get("op", "")
        parts = place.strip("/").split("/")
        match (method, parts, operation):
            case ("GET", ["machines"], ""):
                return _json([one.own for one in self.machines.values() if _sees(user, one) and _fits(one, query)])
            case ("GET", ["machines", name], ""):
                return _json(self._seen(user, name).own)
            case ("GET", ["machines", name], "get_curtin_config"):
                return self._configuration(self._seen(user, name))
            case ("POST", ["machines", name], "deploy"):
                return self._deploy(user, name, form())
            case ("GET", ["nodes", name, kind], "") if kind in _LISTS:
                return _json(self._seen(user, name).documents.get(kind, []))
            case ("GET", ["nodes", name, "results", "current-installation"], ""):
                return self._results(self._seen(user, name))
            case ("GET", [kind], "") if kind in _OF_REGION:
                return _json(self._everywhere(kind))
            case ("GET", ["rackcontrollers"], ""):
                # People who are no administrators see no controllers (Node._filter_visible_nodes).
                return _json(self._everywhere("rackcontrollers") if user.admin else [])
            case ("GET", ["subnets", number], "unreserved_ip_ranges"):
                return self._free(number)
            case ("GET", ["maas"], "get_config"):
                return self._setting(query.get("name", ""))
            case ("GET", ["users"], "whoami"):
                own = {"username": user.name, "is_superuser": user.admin, "email": "someone@example.com"}
                return _json(own)
            case ("GET", ["account", "prefs", "sshkeys"], ""):
                return _json([{"id": one, "key": "ssh-ed25519 AAAAC3SECRET"} for one in range(user.ssh_keys)])
            case ("GET", ["events"], "query"):
                return self._query(user, query)
        return None

    def _mirror(self, machine: FakeMachine) -> None:
        """Take over what a live machine has become."""
        if machine.live is None or machine.own["status"] not in _HAS_CONFIGURATION:
            return
        live = machine.live.machine
        live.pass_time()
        for line in live.log.lines[machine.mirrored :]:
            machine.mirrored += 1
            machine.log.add(line.level, line.type, line.description, line.created)
        status = _NUMBERS[live.status.value]
        if machine.own["status"] == DEPLOYING != status:
            machine.become(status, ip_addresses=list(machine.live.addresses))

    def _seen(self, user: User, name: str) -> FakeMachine:
        machine = self.machines.get(name)
        if machine is None:
            raise ApiError(404, "No Machine matches the given query.", _TEXT)
        if not _sees(user, machine):
            raise ApiError(403, "", _TEXT)
        return machine

    def _everywhere(self, kind: str) -> list[Any]:
        found: dict[str, Any] = {}
        for machine in self.machines.values():
            for one in machine.documents.get(kind, []):
                found[json.dumps(one, sort_keys=True)] = one
        return list(found.values())

    def _free(self, number: str) -> Answer:
        for machine in self.machines.values():
            if number in machine.documents.get("auto-subnets", {}):
                return _json(machine.documents["auto-subnets"][number]["unreserved_ip_ranges"])
        raise ApiError(404, "No Subnet matches the given query.", _TEXT)

    def _setting(self, name: str) -> Answer:
        if name not in self.settings:
            text = json.dumps({name: [f"{name} is not a valid config setting (valid settings are: …)."]})
            raise ApiError(400, text, _JSON)
        return _json(self.settings[name])

    def _configuration(self, machine: FakeMachine) -> Answer:
        if machine.own["status"] not in _HAS_CONFIGURATION:
            raise ApiError(400, f"Machine {machine.own['hostname']} is not in a deployment state.", _TEXT)
        # JSON is YAML, and MAAS labels it as text.
        return 200, "text/plain", json.dumps(machine.config)

    def _deploy(self, user: User, name: str, fields: dict[str, str]) -> Answer:
        machine = self._seen(user, name)
        own = machine.own
        if own.get("locked"):
            raise ApiError(403, "", _TEXT)
        if own["status"] == READY:
            if own["owner"] not in (None, user.name):
                raise ApiError(409, "Can't allocate a machine belonging to another user.", _TEXT)
            machine.become(ALLOCATED, owner=user.name)
        if own["status"] != ALLOCATED:
            raise ApiError(409, f"Can't deploy a machine that is in the '{own['status_name']}' state", _TEXT)
        series = fields.get("distro_series", "ubuntu/noble")
        known = ["ubuntu/noble", *self.series()]
        if series not in known:
            text = f"'{series}' is not a valid distro_series.  It should be one of: {', '.join(known)}."
            raise ApiError(400, json.dumps({"distro_series": [text]}), _JSON)
        machine.deploy_requests.append(fields)
        system, _, release = series.partition("/")
        machine.become(DEPLOYING, osystem=system, distro_series=release)
        self.log(name, f"({user.name})", kind="User starting deployment")
        self.log(name, "", level="INFO", kind="Deploying")
        machine.on_deploy()
        return _json(own)

    def _results(self, machine: FakeMachine) -> Answer:
        if machine.installation_log is None:
            text = "No current installation script set exists for this node."
            raise ApiError(400, json.dumps(text), _JSON)
        output = base64.b64encode(machine.installation_log.encode()).decode()
        return _json({"id": 1, "results": [{"name": "/tmp/install.log", "exit_status": 1, "output": output}]})

    def _query(self, user: User, query: Mapping[str, str]) -> Answer:
        """Of one machine, by ``id`` or ``hostname``; MAAS answers for several, too."""
        desired = {"system_id": query.get("id"), "hostname": query.get("hostname")}
        found = [
            machine
            for machine in self.machines.values()
            if _sees(user, machine) and all(value in (None, machine.own[key]) for key, value in desired.items())
        ]
        if len(found) != 1:
            return _json({"count": 0, "events": []})
        try:
            numbers: dict[str, Any] = {name: int(query[name]) for name in ("limit", "after", "before") if name in query}
            own, level = found[0].own, query.get("level", DEFAULT_LEVEL)
            shown = found[0].log.query(level=level, system_id=own["system_id"], hostname=own["hostname"], **numbers)
            return _json(shown)
        except ValueError as error:
            raise ApiError(400, str(error), _TEXT) from None


def _json(document: Any) -> Answer:
    return 200, _JSON, json.dumps(document)


def _sees(user: User, machine: FakeMachine) -> bool:
    return user.admin or machine.own["owner"] in (None, user.name)


def _fits(machine: FakeMachine, query: Mapping[str, str]) -> bool:
    own = machine.own
    shown = {"id": own["system_id"], "hostname": own["hostname"], "domain": own["domain"]["name"]}
    return all(query[key] == value for key, value in shown.items() if key in query)
