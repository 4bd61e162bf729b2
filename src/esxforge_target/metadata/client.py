"""This machine's client of MAAS's metadata service: read metadata, report events, and fetch user-data last.

MAAS's behaviour was observed on 3.6.5 (tests/data/maas-http) and read in canonical/maas, src/metadataserver/api.py and
api_twisted.py. Three habits of it shape this client: an unsigned request gets 200 with another machine's (enlistment)
data; fetching user-data marks the machine Deployed even when there is none; and of the events only starts and
failures are stored in the machine's event log, so what must be seen is a start.
"""

import json
import random
import re
import ssl
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Dict, Optional

from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.connection import Connection
from esxforge_target.metadata.errors import (
    ANSWERED,
    RIGHT,
    MetadataError,
    NotOursError,
    NotThereError,
    RejectedError,
    UnreachableError,
)
from esxforge_target.metadata.exchange import MetadataResponse, Request, exchange
from esxforge_target.metadata.public_keys import PublicKeys, parse_public_keys
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.numbers import is_whole
from esxforge_target.runtime.values import Value
from esxforge_target.runtime.visible import visible

ORIGIN = "esxforge"
TOP_LEVEL = "esxforge"
# MAAS restarts its time limit at this one, see ``restart_limit``.
_RESTARTS_LIMIT = ("curtin", "cmd-install/stage-late")
SMALL = 64 * 1024
DOCUMENT = 8 * 1024 * 1024
# MAAS stores text of any length. A failure must fit with all its reasons, one for each thing that MAAS asks for.
_LONGEST_DESCRIPTION = 16000
_HOST_LABEL = re.compile(r"\A(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")


class Patience(Value):
    """How long to keep trying. All in seconds.

    ``request``: for one connection and again for its answer. ``total``: from the first try until giving up.
    ``first_pause`` doubles after every try up to ``longest_pause``; a ``Retry-After`` from MAAS counts if longer.
    """

    __slots__ = ("request", "total", "first_pause", "longest_pause")

    def __init__(
        self, request: float = 20.0, total: float = 180.0, first_pause: float = 1.0, longest_pause: float = 30.0
    ) -> None:
        self.request = request
        self.total = total
        self.first_pause = first_pause
        self.longest_pause = longest_pause


class Probe(Value):
    """What one try proved: ``connectivity`` is RIGHT, ANSWERED or SILENCE (see errors), ``detail`` a sentence for the
    log. ``status`` is the answer's, 0 where there was none that could be read."""

    __slots__ = ("connectivity", "detail", "status")

    def __init__(self, connectivity: str, detail: str, status: int = 0) -> None:
        self.connectivity = connectivity
        self.detail = detail
        self.status = status


class MetadataClient:
    """Talks to MAAS as this machine; every request gets a new signature. Errors and events never hold the token.

    The host's clock may be wrong: the ``Date`` of each answer corrects the signatures (``skew`` is MAAS's time minus
    ours, in seconds); the clock itself stays as it is. ``context`` verifies an https endpoint.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        token: Token,
        patience: Optional[Patience] = None,
        clock: Optional[Clock] = None,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.endpoint = endpoint
        self.skew = 0.0
        self._token = token
        self._patience = patience or Patience()
        self._clock = clock or Clock()
        self._context = context
        self._connection = Connection()
        self._known = False
        self._dated = False

    def __repr__(self) -> str:
        return "MetadataClient({}, {})".format(self.endpoint.where, self.endpoint.system_id)

    # Reading

    def get(self, path: str, limit: int = SMALL) -> bytes:
        """Return the document at ``latest/<path>``, tried until it is there or patience ends.

        Raises UnreachableError, NotThereError (404), RejectedError (any other answer than 200), TooLargeError.
        """
        return self._insist("GET", self.endpoint.base + "latest/" + path, None, limit, None).body

    @property
    def maas_time(self) -> Optional[float]:
        """Time by MAAS's answers, in seconds since 1970; None if none had a date yet."""
        return self._clock.time() + self.skew if self._dated else None

    def instance_id(self) -> str:
        """Return MAAS's id of the requesting machine; NotOursError unless that is this one."""
        found = self.get("meta-data/instance-id").decode("utf-8", "replace").strip()
        if found != self.endpoint.system_id:
            raise NotOursError(
                "MAAS at {} answered for another machine ({!r} instead of {!r}).".format(
                    self.endpoint.where, found[:60], self.endpoint.system_id
                ),
                200,
                "A proxy that drops the Authorization header does this, and so does a machine deleted from MAAS.",
            )
        self._known = True
        return found

    def hostname(self) -> str:
        """Return the machine's full host name. MetadataError if it is not one."""
        name = self._document("meta-data/local-hostname", SMALL).decode("utf-8", "replace").strip()
        labels = name.rstrip(".").split(".")
        if len(name) > 253 or not all(_HOST_LABEL.match(label) for label in labels):
            raise MetadataError(
                "MAAS sent no usable host name ({!r}).".format(name[:80]), "Rename the machine in MAAS."
            )
        return name.rstrip(".")

    def public_keys(self) -> PublicKeys:
        """Return the SSH keys for root; lines that are not keys are in ``dropped``. None at all is an empty tuple."""
        try:
            text = self._document("meta-data/public-keys", 1024 * 1024).decode("utf-8", "replace")
        except NotThereError:
            return PublicKeys((), ())
        return parse_public_keys(text)

    def vendor_data(self) -> bytes:
        """Return vendor-data as MAAS sends it (YAML around a #cloud-config); empty if there is none."""
        try:
            return self._document("meta-data/vendor-data", DOCUMENT)
        except NotThereError:
            return b""

    def user_data(self) -> Optional[bytes]:
        """Return the owner's user-data, or None. **This marks the machine Deployed in MAAS**: call it last, on success.

        MAAS is asked right before for this machine's id, so that a wrong answer does not mark another machine.
        """
        self.instance_id()
        try:
            return self.get("user-data", DOCUMENT) or None
        except NotThereError:
            return None

    def _document(self, path: str, limit: int) -> bytes:
        if not self._known:
            self.instance_id()
        return self.get(path, limit)

    # Reporting

    def report_start(self, phase: str, description: str, total: Optional[float] = None) -> None:
        """Tell MAAS that a phase begins. Its event log has this at level DEBUG: ``description`` says what is done."""
        self.report("start", "{}/{}".format(TOP_LEVEL, phase), description, None, total)

    def report_failed_phase(self, phase: str, reason: str, total: Optional[float] = None) -> None:
        """Tell MAAS that a phase failed. Its event log has this, at level ERROR; the status does not change.

        There is no such report for a phase that went well: MAAS stores no finish with SUCCESS.
        """
        self.report("finish", "{}/{}".format(TOP_LEVEL, phase), reason, "FAIL", total)

    def restart_limit(self, total: Optional[float] = None) -> None:
        """Have MAAS restart ``node_timeout`` for this deployment, as at the end of curtin's last stage.

        MAAS up to 3.5 does so (src/metadataserver/api_twisted.py); later ones take the event, but set no such limit for
        a deployment. The event leaves no line in the log.
        """
        origin, name = _RESTARTS_LIMIT
        self._send_event(origin, "finish", name, "esxforge is at work", "SUCCESS", total)

    def report_failed_deployment(self, reason: str, total: Optional[float] = None) -> None:
        """Tell MAAS that the deployment failed: a machine that is being deployed becomes "Failed deployment"."""
        self.report("finish", TOP_LEVEL, reason, "FAIL", total)

    def report(
        self, event_type: str, name: str, description: str, result: Optional[str] = None, total: Optional[float] = None
    ) -> None:
        """Send one event. ``name`` without a slash is a top-level event, whose end may change the machine's status.

        ``total`` replaces patience's total. Raises as ``get``. MAAS answers 204 to every well-formed event, also for
        one that it drops because the token is no longer valid: success means that MAAS received it, no more.
        """
        if event_type not in ("start", "progress", "finish"):
            raise ValueError("event_type is start, progress or finish")
        if result not in (None, "SUCCESS", "FAIL"):
            raise ValueError("result is SUCCESS or FAIL")
        self._send_event(ORIGIN, event_type, name, description, result, total)

    def _send_event(  # noqa: PLR0917  # one for each field of the event
        self,
        origin: str,
        event_type: str,
        name: str,
        description: str,
        result: Optional[str],
        total: Optional[float],
    ) -> None:
        text = visible(self._token.redact(description))
        if len(text) > _LONGEST_DESCRIPTION:
            text = text[: _LONGEST_DESCRIPTION - 4] + " ..."
        message = {
            "event_type": event_type,
            "origin": origin,
            "name": name,
            "description": text,
        }  # type: Dict[str, Any]
        if self._dated:  # else MAAS takes the moment of arrival, which is better than a clock that may be wrong
            message["timestamp"] = self._clock.time() + self.skew
        if result is not None:
            message["result"] = result
        body = json.dumps(message, sort_keys=True).encode("ascii")
        self._insist("POST", self.endpoint.status_path, body, SMALL, total)

    # Reaching

    def probe(self, timeout: float = 10.0) -> Probe:
        """Try once, to learn whether the network works. Never raises, never waits; a wrong clock costs a second try."""
        path = self.endpoint.base + "latest/meta-data/instance-id"
        for _ in range(2):
            before = self.skew
            try:
                answer = self._once("GET", path, None, SMALL, timeout)
            except UnreachableError as error:
                return Probe(error.connectivity, error.message)
            except MetadataError as error:
                return Probe(ANSWERED, error.message)
            if answer.status not in (401, 403) or abs(self.skew - before) < 60:
                break
        if answer.status != 200:
            text = "MAAS at {} answered with status {}.".format(self.endpoint.where, answer.status)
            return Probe(ANSWERED, text, answer.status)
        if answer.body.decode("utf-8", "replace").strip() != self.endpoint.system_id:
            return Probe(ANSWERED, "MAAS at {} answered for another machine.".format(self.endpoint.where), 200)
        self._known = True
        return Probe(RIGHT, "MAAS at {} answered for this machine.".format(self.endpoint.where), 200)

    def _insist(
        self, method: str, path: str, body: Optional[bytes], limit: int, total: Optional[float]
    ) -> MetadataResponse:
        """Try until a final answer or the end of patience; the last failure is then raised."""
        deadline = self._clock.monotonic() + (self._patience.total if total is None else total)
        pause = self._patience.first_pause
        corrected = False
        while True:
            asked = 0.0
            before = self.skew
            remaining = max(deadline - self._clock.monotonic(), 1.0)
            try:
                answer = self._once(method, path, body, limit, min(self._patience.request, remaining))
            except UnreachableError as error:
                failure = error  # type: MetadataError
            else:
                if answer.status in (200, 204):
                    return answer
                if answer.status in (401, 403) and not corrected and abs(self.skew - before) > 60:
                    corrected = True  # the signature was dated by a wrong clock; the next one is right
                    continue
                failure = self._refusal(method, path, answer)
                if answer.status not in (408, 409, 425, 429) and answer.status < 500:
                    raise failure
                asked = _retry_after(answer)
            spread = random.uniform(0.5, 1.0)  # noqa: S311  many hosts that boot at once should not ask at once
            wait = max(pause * spread, min(asked, self._patience.longest_pause))
            if self._clock.monotonic() + wait >= deadline:
                raise failure
            self._clock.sleep(wait)
            pause = min(pause * 2, self._patience.longest_pause)

    def _once(self, method: str, path: str, body: Optional[bytes], limit: int, timeout: float) -> MetadataResponse:
        headers = {
            "Authorization": self._token.authorization(int(self._clock.time() + self.skew)),
            "Accept": "*/*",
            "User-Agent": "esxforge",
            "Connection": "close",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = exchange(
            self.endpoint, Request(method, path, headers, body), timeout, limit, self._context, self._connection
        )
        dated = _date(answer)
        if dated is not None:
            self.skew = dated - self._clock.time()
            self._dated = True
        return answer

    def _refusal(self, method: str, path: str, answer: MetadataResponse) -> RejectedError:
        """Return the error for an answer other than the desired one. MAAS's text stays out: it can hold secrets."""
        what = "MAAS at {} answered {} {} with status {}".format(self.endpoint.where, method, path, answer.status)
        if answer.status == 404:
            return NotThereError(what + ": it has nothing there.", 404, "Is the machine still being deployed in MAAS?")
        if answer.status in (401, 403):
            return RejectedError(
                what + ": it does not accept this machine's token.",
                answer.status,
                "The machine may have been released or deleted in MAAS since; deploy it again.",
            )
        if 300 <= answer.status < 400:
            return RejectedError(
                what + ": redirects are not followed, they would carry the token elsewhere.",
                answer.status,
                "Let the host reach MAAS itself, without a proxy that sends it on.",
            )
        return RejectedError(what + ".", answer.status, "See MAAS's own log for the reason.")


def _date(answer: MetadataResponse) -> Optional[float]:
    parsed = parsedate_tz(answer.headers.get("date", ""))
    if parsed is None:
        return None
    try:
        return float(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None


def _retry_after(answer: MetadataResponse) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if is_whole(value) and len(value) < 6 else 0.0
