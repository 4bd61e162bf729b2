"""vCenter's REST interface: one session, on whichever of its two dialects this vCenter speaks.

``/api`` (7.0 U2 and later): ``POST /api/session`` answers 201 with the token as a JSON string; results and bodies are
bare; lists are filtered by ``names=``; errors carry ``error_type``.
``/rest`` (6.5 to 8.0, deprecated): ``POST /rest/com/vmware/cis/session``; results are in ``value``, bodies in
``spec``; filters are ``filter.names.1=``; errors carry ``type`` and ``value``.
Source: vSphere Automation API reference (developer.broadcom.com), and vmware/govmomi, vapi/rest and vapi/simulator.
"""

import base64
import http.client
import json
import socket
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlencode

from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.http_limits import Alarm, AnswerTooLongError, read_body
from esxforge_target.runtime.strict_json import load_json
from esxforge_target.vcenter.desired import DesiredVcenter
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.reasons import explain
from esxforge_target.vcenter.tls import Trust, connect

_LIMIT = 4 * 1024 * 1024
_HINT = "Check vcenter_server, and what is in between (proxy); or join the host by hand."
_SLOW = "Is vCenter under load, or are its services starting? Join the host by hand once it answers."
# Answers of a vCenter without /api/session to a POST there. Before 7.0 U2 /api was a JSON-RPC endpoint.
_NO_SUCH_DIALECT = (400, 404, 405, 406, 415, 500, 501)


class Session:
    """``with Session(desired, trust) as session:`` logs in, and out whatever happens. ``end``, on ``clock``, ends
    it."""

    def __init__(
        self,
        desired: DesiredVcenter,
        trust: Trust,
        timeout: float = 30.0,
        clock: Optional[Clock] = None,
        end: Optional[float] = None,
    ) -> None:
        self.dialect = ""
        self._desired = desired
        self._trust = trust
        self._timeout = timeout
        self._clock = clock or Clock()
        self._end = end
        self._token = ""

    def __repr__(self) -> str:
        return "Session({})".format(self._desired.server)

    def __enter__(self) -> "Session":
        who = "{}:{}".format(self._desired.username, self._desired.password.reveal()).encode("utf-8")
        headers = {"Authorization": "Basic " + base64.b64encode(who).decode("ascii")}
        answer = self._ask("POST", "/api/session", headers, None, self._timeout)
        self.dialect = "api"
        if answer[0] in _NO_SUCH_DIALECT:
            answer = self._ask("POST", "/rest/com/vmware/cis/session", headers, None, self._timeout)
            self.dialect = "rest"
        if answer[0] == 404:
            raise VcenterError(
                "{} has no REST interface: it is not a vCenter Server 6.5 or later.".format(self._where()),
                "Check vcenter_server; an ESXi host in its place answers like this.",
            )
        token = self._result(answer, "logging in")
        if not isinstance(token, str) or not token.isprintable() or not token:
            raise VcenterError("{} gave no session.".format(self._where()), _HINT)
        self._token = token
        return self

    def __exit__(self, *_: Any) -> None:
        path = "/api/session" if self.dialect == "api" else "/rest/com/vmware/cis/session"
        try:
            self._ask("DELETE", path, self._signed(), None, self._timeout)
        except VcenterError:
            pass  # it ends by itself after five minutes; what happened before matters more
        self._token = ""

    def find(self, kind: str, **filters: Any) -> "List[Dict[str, Any]]":
        """Return the ``datacenter``, ``folder`` or ``host`` summaries that match. A list matches any of its values."""
        query = []  # type: List[Tuple[str, str]]
        for name, value in sorted(filters.items()):
            if self.dialect == "api":
                query.extend((name, each) for each in (value if isinstance(value, list) else [value]))
            elif isinstance(value, list):
                query.extend(("filter.{}.{}".format(name, place), each) for place, each in enumerate(value, 1))
            else:
                query.append(("filter." + name, value))
        path = "/{}/vcenter/{}?{}".format(self.dialect, kind, urlencode(query))
        found = self._result(self._ask("GET", path, self._signed(), None, self._timeout), "listing {}s".format(kind))
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise VcenterError("{} sent no list of {}s.".format(self._where(), kind), _HINT)
        return found

    def add_host(self, spec: "Dict[str, Any]", timeout: float) -> str:
        """Add a standalone host; return its identifier in vCenter. ``spec``: Host.CreateSpec of the API reference."""
        body = spec if self.dialect == "api" else {"spec": spec}
        path = "/{}/vcenter/host".format(self.dialect)
        found = self._result(self._ask("POST", path, self._signed(), body, timeout), "adding this host")
        if not isinstance(found, str):
            raise VcenterError("{} did not say what it calls the new host.".format(self._where()), _HINT)
        return found

    def _signed(self) -> "Dict[str, str]":
        return {"vmware-api-session-id": self._token}

    def _where(self) -> str:
        return "vCenter {}:{}".format(self._desired.server, self._desired.port)

    def _ask(self, method: str, path: str, headers: "Dict[str, str]", body: Any, timeout: float) -> "Tuple[int, bytes]":
        timeout = self._bounded(timeout)
        sent = dict(headers, Accept="application/json", Connection="close")
        data = None  # type: Optional[bytes]
        if body is not None:
            data = json.dumps(body, sort_keys=True).encode("ascii")
            sent["Content-Type"] = "application/json"
        elif method == "POST":
            sent["Content-Length"] = "0"
        connection = connect(self._desired.server, self._desired.port, self._trust, timeout)
        try:
            with Alarm(connection.sock, timeout):
                connection.request(method, path, body=data, headers=sent)
                response = connection.getresponse()
                with response:
                    return response.status, read_body(response, _LIMIT)
        except socket.timeout:
            raise VcenterError(
                "{} did not finish within {:g} seconds.".format(self._where(), timeout), _SLOW, kind="TIMEOUT"
            )
        except AnswerTooLongError:
            raise VcenterError("{} sent an answer of more than {} bytes.".format(self._where(), _LIMIT), _HINT)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise VcenterError(
                "{} broke off in the middle of an answer ({}).".format(self._where(), type(error).__name__),
                _SLOW,
                kind="TIMEOUT",
            )
        finally:
            connection.close()

    def _bounded(self, timeout: float) -> float:
        """Return what may be left of ``timeout``. Raises VcenterError once the time for all of it is over."""
        if self._end is None:
            return timeout
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise VcenterError("{} was too slow: there is no time left for joining it.".format(self._where()), _SLOW)
        return min(timeout, left)

    def _result(self, answer: "Tuple[int, bytes]", doing: str) -> Any:
        status, body = answer
        try:
            found = load_json(body, "The answer") if body.strip() else None
        except FormatError:
            found = None
        if status in (200, 201):
            return found.get("value") if self.dialect == "rest" and isinstance(found, dict) else found
        raise explain(status, found, doing, self._where(), [self._desired.password.reveal(), self._token])
