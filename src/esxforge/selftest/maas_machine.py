"""MAAS's metadata service for one machine: its data, and its answers to requests. No sockets here.

The self-test deploys its virtual host against it, and the tests' stand-in wraps it in faults. Behaviour from
tests/data/maas-http/metadata-service-3.6.5.txt and from canonical/maas (src/metadataserver/api.py, api_twisted.py;
piston3 for OAuth). Kept oddities: an unsigned request gets 200 with enlistment data; fetching
user-data marks the machine Deployed even with 404; the status endpoint looks only for a token's key, answers 204 at
once and drops the event later when the key is unknown; a machine that MAAS is not deploying any more gets a script that
switches it off as its user-data, with 200.
"""

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any
from urllib.parse import unquote

from esxforge.selftest.maas_events import (
    EventLog,
    failed,
    is_handled_at_once,
    is_stored,
    is_top_level,
    restarts_limit,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

TIMESTAMP_SLACK = 300
PREFIX = "/MAAS/metadata/"
ENLISTMENT_ID = "i-maas-enlistment"
# The real one (tests/data/maas-http/user-data-power-off-3.7.3.txt) does nothing either: cloud-init powers the node off.
_POWER_OFF_SCRIPT = '#!/bin/bash\necho "Powering node off."\n'


class MachineStatus(enum.Enum):
    """The statuses that matter here."""

    DEPLOYING = "Deploying"
    DEPLOYED = "Deployed"
    FAILED_DEPLOYMENT = "Failed deployment"
    ABORTED = "Allocated"
    RELEASED = "Ready"


@dataclass(frozen=True)
class Heard:
    """One request as received. ``accepted``: it was signed correctly, by this machine's token. ``at``: by MAAS's
    clock, in seconds."""

    method: str
    path: str
    accepted: bool
    status: int
    event: Mapping[str, Any] | None = None
    at: float = 0.0


@dataclass
class Reply:
    """An HTTP answer in preparation."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass
class MaasMachine:
    """One machine in MAAS, its token and its documents.

    ``events_wait`` is a dial: how many seconds an event may wait in MAAS's memory (60 there) before it is handled.
    ``node_timeout`` in seconds, with ``version``, sets the limit after which MAAS gives up; None: never.
    """

    clock: Callable[[], float]
    system_id: str = "rsycnt"
    consumer_key: str = "consumer2g6TvpPTg4"
    token_key: str = "tokenkeyvTttv484xr"  # noqa: S105  a stand-in's
    token_secret: str = "secretsYy1lnlRHvB2"  # noqa: S105
    hostname: str = "esx01.maas"
    public_keys: str = ""
    vendor_data: bytes | None = b"{}\n"
    user_data: bytes | None = None
    status: MachineStatus = MachineStatus.DEPLOYING
    version: tuple[int, int] = (3, 6)
    node_timeout: float | None = None
    events_wait: float = 0.0
    heard: list[Heard] = field(default_factory=list)
    log: EventLog = field(default_factory=EventLog)
    status_changes: list[MachineStatus] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # (when it is handled, the event), in order of arrival
        self._queue: list[tuple[float, Mapping[str, Any]]] = []
        self._told: list[str] = []
        self._expires: float | None = None
        self.start_limit()

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """Events that MAAS was notified of, in order, including those that it does not store."""
        return [heard.event for heard in self.heard if heard.event is not None]

    @property
    def event_log(self) -> list[str]:
        """Descriptions of the events that are in MAAS's log by now, in the order in which they are listed there."""
        self.pass_time()
        return list(self._told)

    def query_events(self, **arguments: Any) -> dict[str, Any]:
        """Return MAAS's API answer for the log; arguments as :meth:`EventLog.query`."""
        self.pass_time()
        return self.log.query(system_id=self.system_id, hostname=self.hostname.partition(".")[0], **arguments)

    def start_limit(self) -> None:
        """Start the deployment's time limit of MAAS.

        Up to 3.5 ``node_timeout`` is restarted at some of curtin's events (``status_expires``). From 3.6 on that is
        not set for a deployment (``src/maasserver/models/node.py``, ``_start``): a workflow ends after twice the time.
        """
        if self.node_timeout is not None:
            self._expires = self.clock() + self.node_timeout * (1 if self.version < (3, 6) else 2)

    def pass_time(self) -> None:
        """Handle the events that waited long enough, and give up if the limit is over."""
        now = self.clock()
        while self._queue and self._queue[0][0] <= now:
            self._handle(self._queue.pop(0)[1])
        if self._expires is not None and now >= self._expires and self.status is MachineStatus.DEPLOYING:
            text = "time-out during deployment"
            if self.version < (3, 6):
                text = f"Node operation 'Deploying' timed out after {(self.node_timeout or 0) / 60:.0f} minutes."
            self.log.add("ERROR", "Marking node failed", text, now)
            self._become(MachineStatus.FAILED_DEPLOYMENT)

    def restart_region(self) -> None:
        """Restart MAAS's region: what waited in its memory is lost."""
        self._queue.clear()

    def answer(self, method: str, path: str, authorization: str | None, body: bytes) -> Reply:
        """Answer one request and record it."""
        with self.lock:
            self.pass_time()
            if path.startswith(PREFIX + "status/"):
                reply, accepted, event = self._status(method, path, authorization, body)
            else:
                reply, accepted = self._document(method, path, authorization)
                event = None
            self.heard.append(Heard(method, path, accepted, reply.status, event, self.clock()))
            return reply

    # Documents

    def _document(self, method: str, path: str, authorization: str | None) -> tuple[Reply, bool]:
        if method != "GET":
            return Reply(400, f"Unrecognised signature: method={method} op=None".encode()), False
        if authorization is None:
            return self._enlistment(path), False
        problem = self._signature_problem(authorization)
        if problem:
            return Reply(401, f"Authorization Error: '{problem}'".encode()), False
        if self.status is MachineStatus.RELEASED:
            return Reply(403, b"Not authenticated as a known node."), False
        version, _, name = path.removeprefix(PREFIX).partition("/")
        if not path.startswith(PREFIX) or version not in ("latest", "2012-03-01"):
            return Reply(404, f"Unknown metadata version: {version}".encode()), True
        return self._named(name), True

    def _named(self, name: str) -> Reply:
        if name == "user-data":
            if self.status is MachineStatus.DEPLOYING:
                self._become(MachineStatus.DEPLOYED)
            if self.status in (MachineStatus.FAILED_DEPLOYMENT, MachineStatus.ABORTED):
                return Reply(200, power_off_answer(), "application/octet-stream")
            return Reply(404) if self.user_data is None else Reply(200, self.user_data, "application/octet-stream")
        if name == "":
            return Reply(200, b"maas-commissioning-scripts\nmeta-data" + (b"\nuser-data" if self.user_data else b""))
        attribute = name.removeprefix("meta-data/")
        texts = {
            "": "instance-id\nlocal-hostname\npublic-keys\nvendor-data\nx509",
            "instance-id": self.system_id,
            "local-hostname": self.hostname,
            "public-keys": self.public_keys,
        }
        if attribute in texts:
            return Reply(200, texts[attribute].encode())
        if attribute == "vendor-data" and self.vendor_data is not None:
            return Reply(200, self.vendor_data, "application/x-yaml; charset=utf-8")
        return Reply(404, f"Unknown metadata attribute: {attribute}".encode())

    def _enlistment(self, path: str) -> Reply:
        """Return the answer to unsigned requests: 200, and another machine's data."""
        if path.endswith("/instance-id"):
            return Reply(200, ENLISTMENT_ID.encode())
        if path.endswith("/local-hostname"):
            return Reply(200, b"maas-enlisting-node")
        if path.endswith("/user-data"):
            return Reply(200, b"#!/bin/sh\n# enlistment\n")
        return Reply(200, b"")

    # Events

    def _status(  # noqa: PLR0911  one for each way in which MAAS refuses
        self, method: str, path: str, authorization: str | None, body: bytes
    ) -> tuple[Reply, bool, Mapping[str, Any] | None]:
        key = _oauth_fields(authorization or "").get("oauth_token")
        if method != "POST":
            return Reply(405), False, None
        if key is None:
            return Reply(401), False, None
        try:
            message = load_json(body.decode("ascii"), "The event")
        except UnicodeDecodeError:
            return Reply(400, b"VerdictStatus payload must be ASCII-only"), False, None
        except FormatError:
            message = None
        if not isinstance(message, dict):
            return Reply(400, b"VerdictStatus payload is not valid JSON"), False, None
        missing = [name for name in ("event_type", "origin", "name", "description") if name not in message]
        if missing:
            return Reply(400, f"Missing parameter(s) {', '.join(missing)} in status message.".encode()), False, None
        ours = key == self.token_key and self.status is not MachineStatus.RELEASED
        if not ours:
            return Reply(204), False, None
        if not self.events_wait or is_handled_at_once(message):
            self._handle(message)
        else:
            self._queue.append((self.clock() + self.events_wait, message))
        return Reply(204), True, message

    def _handle(self, message: Mapping[str, Any]) -> None:
        self.log.take(message, self.status.value, self.clock())
        if is_stored(message):
            self._told.append(message["description"])
        ends = is_top_level(message) and message["event_type"] == "finish"
        if ends and failed(message) and self.status is MachineStatus.DEPLOYING:
            text = "Installation failed (refer to the installation log for more information)."
            self.log.add("ERROR", "Marking node failed", text, self.clock())
            self._become(MachineStatus.FAILED_DEPLOYMENT)
        if restarts_limit(message) and self.version < (3, 6):
            self.start_limit()

    def _become(self, status: MachineStatus) -> None:
        change = f"From '{self.status.value}' to '{status.value}'"
        self.log.add("DEBUG", "Node changed status", change, self.clock())
        if status is MachineStatus.DEPLOYED:
            self.log.add("INFO", "Deployed", "", self.clock())
        self.status = status
        self.status_changes.append(status)

    # OAuth

    def _signature_problem(self, authorization: str) -> str:
        fields = _oauth_fields(authorization)
        desired = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": self.consumer_key,
            "oauth_token": self.token_key,
            "oauth_signature": "&" + self.token_secret,
        }
        for name, value in desired.items():
            if fields.get(name) != value:
                return f"Invalid {name.removeprefix('oauth_')}."
        nonce, timestamp = fields.get("oauth_nonce", ""), fields.get("oauth_timestamp", "")
        if not nonce or not re.fullmatch(r"\d+", timestamp):
            return "Invalid request parameters."
        now = int(self.clock())
        if abs(now - int(timestamp)) > TIMESTAMP_SLACK:
            return f"Expired timestamp: given {timestamp} and now {now} has a greater difference than threshold 300"
        if nonce in self.nonces:
            return f"Nonce already used: {nonce}"
        self.nonces.add(nonce)
        return ""


def power_off_answer() -> bytes:
    """Return the user-data for a machine that MAAS is not deploying: one part, as Python's ``email`` writes it."""
    part = MIMEText(_POWER_OFF_SCRIPT, "x-shellscript", "utf-8")
    part.add_header("Content-Disposition", 'attachment; filename="user_data.sh"')
    whole = MIMEMultipart()
    whole.attach(part)
    return whole.as_bytes()


def _oauth_fields(authorization: str) -> dict[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme != "OAuth":
        return {}
    found = re.findall(r'(\w+)="([^"]*)"', rest)
    return {name: unquote(value) for name, value in found}
