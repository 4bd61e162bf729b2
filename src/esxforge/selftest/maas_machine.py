"""What MAAS's metadata service knows about one machine, and what it does when asked: no sockets here.

The self-test deploys its virtual host against it, and the tests' stand-in wraps it in faults. Behaviour from
tests/data/maas-http/metadata-service-3.6.5.txt and from canonical/maas (src/metadataserver/api.py, api_twisted.py;
piston3 for OAuth). Kept oddities: an unsigned request gets 200 with enlistment data; fetching
user-data marks the machine Deployed even with 404; the status endpoint looks only for a token's key, answers 204 at
once and drops the event later when the key is unknown.
"""

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

TIMESTAMP_SLACK = 300
PREFIX = "/MAAS/metadata/"
ENLISTMENT_ID = "i-maas-enlistment"


class MachineStatus(enum.Enum):
    """The statuses that matter here."""

    DEPLOYING = "Deploying"
    DEPLOYED = "Deployed"
    FAILED_DEPLOYMENT = "Failed deployment"
    RELEASED = "Ready"


@dataclass(frozen=True)
class Heard:
    """One request as MAAS heard it. ``accepted``: it was signed rightly, by this machine's token. ``at``: by MAAS's
    clock, in seconds."""

    method: str
    path: str
    accepted: bool
    status: int
    event: Mapping[str, Any] | None = None
    at: float = 0.0


@dataclass
class Reply:
    """An HTTP answer in the making."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass
class MaasMachine:
    """One machine in MAAS, its token and its documents."""

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
    heard: list[Heard] = field(default_factory=list)
    event_log: list[str] = field(default_factory=list)
    status_changes: list[MachineStatus] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """The events that MAAS was told and kept, in order."""
        return [heard.event for heard in self.heard if heard.event is not None]

    def answer(self, method: str, path: str, authorization: str | None, body: bytes) -> Reply:
        """ServiceAnswer one request and write down what was heard."""
        with self.lock:
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
        """What anybody gets who does not say who he is: 200, and another machine's data."""
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
        self._take(message)
        return Reply(204), True, message

    def _take(self, message: Mapping[str, Any]) -> None:
        failed = message.get("result") in ("FAIL", "FAILURE")
        if message["event_type"] == "start" or failed:
            self.event_log.append(message["description"])
        top_level = "/" not in message["name"]
        if top_level and message["event_type"] == "finish" and failed and self.status is MachineStatus.DEPLOYING:
            self._become(MachineStatus.FAILED_DEPLOYMENT)

    def _become(self, status: MachineStatus) -> None:
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


def _oauth_fields(authorization: str) -> dict[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme != "OAuth":
        return {}
    found = re.findall(r'(\w+)="([^"]*)"', rest)
    return {name: unquote(value) for name, value in found}
