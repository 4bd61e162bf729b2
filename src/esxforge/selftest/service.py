"""MAAS's side of the self-test: the metadata service for the one host, what it hands out, and what it was told."""

from __future__ import annotations

import math
import secrets
import time
from importlib.resources import files
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from esxforge.errors import FormatError
from esxforge.selftest.evidence import Call, Stage
from esxforge.selftest.maas_machine import PREFIX, Heard, MaasMachine, MachineStatus, Reply
from esxforge.selftest.metadata_server import MetadataServer
from esxforge.selftest.order import HOST_NAME, SECOND, GuestToken
from esxforge_target.runtime.documents import MAYBE_NUMBER, NUMBER, TEXT, TRUTH, Record, Shape, parse_document

MAAS_PORT = 5248
_ANSWER = Record({"status": MAYBE_NUMBER, "output": TEXT}, rest=TEXT)
# What the questionnaire sends.
_TOLD = Shape(
    Record(
        {
            "version": NUMBER,
            "python": Shape(int, many=True, low=0, high=1 << 16, most=8),
            "commands": Shape(Record({}, rest=Shape(_ANSWER))),
            "texts": Shape(Record({}, rest=Shape(str, optional=True))),
            "directories": Shape(Record({}, rest=Shape(str, many=True, optional=True))),
            "boot_order_tool": TRUTH,
            "has_our_key": TRUTH,
        }
    )
)
SYSTEM_ID = "selftest"
_VENDOR_DATA = f'cloud-init: "#cloud-config\\nntp:\\n  servers:\\n  - {SECOND.gateway}\\n"\n'


class Service:
    """Listens while used as a context manager. Nothing but the virtual host's own network leads to it."""

    def __init__(self, token: GuestToken) -> None:
        self.token = token
        self.told: dict[str, Any] | None = None
        self._path = f"/selftest/{secrets.token_hex(8)}"
        key = _public_key()
        self.machine = MaasMachine(
            time.time,
            SYSTEM_ID,
            token.consumer_key,
            token.token_key,
            token.token_secret,
            HOST_NAME,
            public_keys=f"ssh-ed25519 {key} esxforge-selftest\n",
            vendor_data=_VENDOR_DATA.encode(),
        )
        self._server = MetadataServer(self.machine, preferred_port=MAAS_PORT, intake=self._intake)
        self.machine.user_data = self._questionnaire(key)

    @property
    def endpoint(self) -> str:
        """As curtin's configuration names it."""
        return self._server.endpoint(SECOND.gateway)

    def __enter__(self) -> Service:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, value, trace)

    @property
    def status(self) -> str:
        """The machine's status in MAAS."""
        return self.machine.status.value

    @property
    def is_settled(self) -> bool:
        """Return whether MAAS has its answer: deployed, or failed."""
        return self.machine.status is not MachineStatus.DEPLOYING

    @property
    def heard_count(self) -> int:
        """Requests up to now."""
        return len(self.machine.heard)

    def seconds_of_silence(self) -> float:
        """Since the last request; without any, for ever."""
        return time.time() - self.machine.heard[-1].at if self.machine.heard else math.inf

    def calls_since(self, first: int, stage: Stage, began: float) -> list[Call]:
        """The requests from number ``first`` on, as calls of ``stage``, which began at that time."""
        return [_call(heard, stage, began) for heard in self.machine.heard[first:]]

    def _questionnaire(self, key: str) -> bytes:
        text = files("esxforge.selftest").joinpath("questionnaire.py").read_text("utf-8")
        url = f"http://{SECOND.gateway}:{self._server.port}{self._path}"
        return text.replace("@TELL@", url).replace("@KEY@", key).encode("ascii")

    def _intake(self, method: str, path: str, body: bytes) -> Reply | None:
        if path != self._path:
            return None
        if method != "POST":
            return Reply(400)
        try:
            self.told = parse_document(body, _TOLD, "What the host reported", "told")
        except FormatError:
            return Reply(400)
        return Reply(204)


def _call(heard: Heard, stage: Stage, began: float) -> Call:
    event = heard.event or {}
    name = "status" if heard.path.startswith(PREFIX + "status/") else heard.path.rpartition("/")[2]
    return Call(
        stage,
        heard.at - began,
        heard.method,
        name,
        heard.accepted,
        heard.status,
        str(event.get("event_type", "")),
        str(event.get("name", "")),
        str(event.get("result", "")),
        str(event.get("description", "")),
    )


def _public_key() -> str:
    """A new SSH key whose private half is forgotten at once: base64, without its kind."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii").split()[1]
