"""What a vCenter knows, and how its REST interface answers: no sockets here.

Shapes from the vSphere Automation API reference (developer.broadcom.com): Session, Datacenter.list, Folder.list,
Host.list and Host.create with Host.CreateSpec. Anything that the reference does not allow is refused.
"""

from __future__ import annotations

import base64
import enum
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CREATE_SPEC = {
    "hostname": str,
    "port": int,
    "user_name": str,
    "password": str,
    "folder": str,
    "thumbprint_verification": str,
    "thumbprint": str,
    "force_add": bool,
}
REQUIRED = {"hostname", "user_name", "password", "folder", "thumbprint_verification"}


class Dialects(enum.Enum):
    """Which interfaces a version has, and what the other one answers."""

    V6_7 = ("rest", 400)
    V7_0 = ("rest", 404)
    V8_0 = ("rest api", 404)
    V9_0 = ("api", 404)
    NONE = ("", 404)


@dataclass
class HostRecord:
    """A host in the inventory."""

    name: str
    state: str = "CONNECTED"
    host: str = "host-7"


@dataclass(frozen=True)
class Folder:
    name: str
    datacenter: str
    parent: str | None
    kind: str = "HOST"


@dataclass(frozen=True)
class Request:
    """One request, with the dialect's prefix taken off its path."""

    dialect: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class RefusalError(Exception):
    """An error of the interface."""

    def __init__(self, status: int, kind: str, message: str = "", identifier: str = "") -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.identifier = status, kind, message, identifier


@dataclass
class VcenterInventory:
    """One vCenter. ``log_in`` says whether a name and a password administer the ESXi host at that moment."""

    log_in: Callable[[str, str], bool]
    host_thumbprint: str
    dialects: Dialects = Dialects.V8_0
    username: str = "administrator@vsphere.local"
    password: str = "S3cret!vc"
    datacenters: dict[str, str] = field(default_factory=lambda: {"datacenter-2": "DC1", "datacenter-3": "DC2"})
    folders: dict[str, Folder] = field(
        default_factory=lambda: {
            "group-h4": Folder("host", "datacenter-2", None),
            "group-v3": Folder("vm", "datacenter-2", None, "VIRTUAL_MACHINE"),
            "group-h40": Folder("Racks", "datacenter-2", "group-h4"),
            "group-h41": Folder("A", "datacenter-2", "group-h40"),
            "group-h42": Folder("host", "datacenter-2", "group-h40"),
            "group-h5": Folder("host", "datacenter-3", None),
        }
    )
    hosts: list[HostRecord] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    opened: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    refuse_adding: RefusalError | None = None

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body of one request."""
        parts = urlsplit(target)
        self.requests.append((method, parts.path))
        have, otherwise = self.dialects.value
        dialect = parts.path.split("/")[1]
        if dialect not in have.split():
            return otherwise, b"<html>nothing here</html>"
        request = Request(dialect, method, parts.path.removeprefix("/" + dialect), parts.query, headers, body)
        try:
            status, result = self._route(request)
        except RefusalError as refusal:
            return refusal.status, json.dumps(_error(dialect, refusal)).encode()
        if result is None:
            return status, b""
        return status, json.dumps({"value": result} if dialect == "rest" else result).encode()

    def _route(self, request: Request) -> tuple[int, Any]:
        modern = request.dialect == "api"
        session_path = "/session" if modern else "/com/vmware/cis/session"
        asked = (request.method, request.path)
        if asked == ("POST", session_path):
            return (201 if modern else 200), self._open(request.headers)
        if request.headers.get("vmware-api-session-id") not in self.sessions:
            raise RefusalError(401, "UNAUTHENTICATED", "This method requires authentication.")
        if asked == ("DELETE", session_path):
            self.sessions.discard(request.headers["vmware-api-session-id"])
            return (204 if modern else 200), None
        if asked == ("POST", "/vcenter/host"):
            return (201 if modern else 200), self._create(request)
        if asked in [("GET", "/vcenter/" + kind) for kind in ("datacenter", "folder", "host")]:
            kind = request.path.rsplit("/", 1)[1]
            return 200, self._list(kind, _filters(request.dialect, request.query))
        raise RefusalError(404, "NOT_FOUND", "no such operation")

    def _open(self, headers: dict[str, str]) -> str:
        desired = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if headers.get("authorization") != desired:
            raise RefusalError(401, "UNAUTHENTICATED", "Authentication required.")
        token = secrets.token_hex(16)
        self.sessions.add(token)
        self.opened += 1
        return token

    def _list(self, kind: str, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        rows: list[tuple[dict[str, Any], dict[str, str | None]]]
        if kind == "datacenter":
            rows = [({"datacenter": key, "name": name}, {"names": name}) for key, name in self.datacenters.items()]
        elif kind == "host":
            rows = [
                (
                    {"host": host.host, "name": host.name, "connection_state": host.state, "power_state": "POWERED_ON"},
                    {"names": host.name},
                )
                for host in self.hosts
            ]
        else:
            rows = [
                (
                    {"folder": key, "name": folder.name, "type": folder.kind},
                    {
                        "names": folder.name,
                        "type": folder.kind,
                        "datacenters": folder.datacenter,
                        "parent_folders": folder.parent,
                        "folders": key,
                    },
                )
                for key, folder in self.folders.items()
            ]
        for name in filters:
            if rows and name not in rows[0][1]:
                raise RefusalError(400, "INVALID_ARGUMENT", f"unknown filter {name}")
        return [row for row, facts in rows if all(facts.get(name) in values for name, values in filters.items())]

    def _create(self, request: Request) -> str:
        if request.headers.get("content-type") != "application/json":
            raise RefusalError(415, "INVALID_ARGUMENT", "not JSON")
        document = json.loads(request.body)
        if request.dialect == "rest":
            if set(document) != {"spec"}:
                raise RefusalError(400, "INVALID_ARGUMENT", "a body of /rest holds spec and nothing else")
            document = document["spec"]
        for name, value in document.items():
            if type(value) is not CREATE_SPEC.get(name):
                raise RefusalError(400, "INVALID_ARGUMENT", f"unexpected or mistyped {name}")
        if missing := REQUIRED - set(document):
            raise RefusalError(400, "INVALID_ARGUMENT", f"missing {sorted(missing)}")
        self.created.append(document)
        self._check(document)
        if self.refuse_adding is not None:
            raise self.refuse_adding
        self.hosts.append(HostRecord(document["hostname"]))
        return self.hosts[-1].host

    def _check(self, spec: dict[str, Any]) -> None:
        if spec["thumbprint_verification"] != "THUMBPRINT" or not re.fullmatch(
            r"[0-9A-F]{2}(:[0-9A-F]{2}){19}", spec.get("thumbprint", "")
        ):
            raise RefusalError(400, "INVALID_ARGUMENT", "verification is never off, and thumbprints are SHA-1")
        if spec["thumbprint"] != self.host_thumbprint:
            raise RefusalError(400, "UNVERIFIED_PEER", "", "vim.fault.SSLVerifyFault")
        folder = self.folders.get(spec["folder"])
        if folder is None or folder.kind != "HOST":
            raise RefusalError(404, "NOT_FOUND", "no such folder")
        if any(host.name == spec["hostname"] for host in self.hosts):
            raise RefusalError(400, "ALREADY_EXISTS", "The host exists.")
        if not self.log_in(spec["user_name"], spec["password"]):
            raise RefusalError(400, "ERROR", "Cannot complete login.", "vim.fault.InvalidLogin.summary")


def _filters(dialect: str, query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, strict_parsing=bool(query)):
        name = key
        if dialect == "rest":
            match = re.fullmatch(r"filter\.(type|(\w+)\.\d+)", key)
            if match is None:
                raise RefusalError(400, "INVALID_ARGUMENT", f"unexpected {key}")
            name = match[2] or match[1]
        found.setdefault(name, []).append(value)
    return found


def _error(dialect: str, refusal: RefusalError) -> dict[str, Any]:
    message = {"id": refusal.identifier or "com.vmware.x", "default_message": refusal.message, "args": []}
    if dialect == "api":
        return {"error_type": refusal.kind, "messages": [message]}
    return {"type": "com.vmware.vapi.std.errors." + refusal.kind.lower(), "value": {"messages": [message]}}
