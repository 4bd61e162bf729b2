"""MAAS for a deployment in QEMU: the region that takes images and the rack's port that hands them out, in one.

Made of the two stand-ins over real sockets; here they are put together as in a small MAAS: what was uploaded is what a
machine gets, and one list tells in which order everything was said. Paths as MAAS 3.6.5 has them (canonical/maas:
src/maasserver/compose_preseed.py for the preseed, src/metadataserver/urls.py, the comment in tests/data/curtin on
curtin's source).
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esxforge import events
from esxforge.maas.auth import ApiKey
from esxforge.maas.connection import Connection
from esxforge.maas.upload import UploadResult, upload_image
from esxforge.maas.upload_image import UploadImage
from esxforge.selftest.maas_machine import PREFIX, Reply
from standin.maas_metadata import FakeMetadataService, Heard, MaasMachine, MachineStatus
from standin.maas_region import ADMIN_KEY, FakeRegion, serve
from standin.maas_region.machines import FakeMachine, Live
from whole_way.order import Order
from whole_way.recorded import answers_for

# This computer, as the machines see it.
HOST = "10.0.0.2"
_IMAGES = "/images/"


@dataclass
class OrderedMachine(MaasMachine):
    """MAAS's machine, and what the environment that deploys it is served besides: preseed, curtin's data, the image."""

    config: dict[str, Any] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    source: str = ""
    netboot: bool = True

    def answer(self, method: str, path: str, authorization: str | None, body: bytes) -> Reply:
        reply = self._for_the_deployer(method, path, authorization, body)
        if reply is None:
            return super().answer(method, path, authorization, body)
        with self.lock:
            self.heard.append(Heard(method, path, reply.status == 200, reply.status))
        return reply

    def _for_the_deployer(self, method: str, path: str, authorization: str | None, body: bytes) -> Reply | None:
        by_id = f"{PREFIX}latest/by-id/{self.system_id}/"
        if path.startswith(_IMAGES):
            image = self.images.get(path)
            return Reply(404) if image is None else Reply(200, image, "application/octet-stream")
        if method == "GET" and path == f"{by_id}?op=get_preseed":
            base = self.config["reporting"]["maas"]["endpoint"].partition("status/")[0]
            token = {name: getattr(self, name) for name in ("consumer_key", "token_key", "token_secret")}
            return _json({"datasource": {"MAAS": {"metadata_url": f"{base}curtin", **token}}})
        if method == "POST" and path == by_id and body == b"op=netboot_off":
            self.netboot = False
            return Reply(200, b"OK")
        if method == "GET" and path == f"{PREFIX}curtin/latest/user-data":
            problem = self._signature_problem(authorization or "")
            if problem:
                return Reply(401, f"Authorization Error: '{problem}'".encode())
            return _json({"config": self.config, "source": self.source})
        return None


def _json(document: Any) -> Reply:
    return Reply(200, json.dumps(document).encode(), "application/json")


class Maas:
    """One MAAS with one machine. Use as :func:`running_maas`."""

    def __init__(
        self, region: FakeRegion, url: str, service: FakeMetadataService, machine: OrderedMachine, order: Order
    ) -> None:
        self.region = region
        self.url = url
        self.service = service
        self.machine = machine
        self.order = order

    def publish(self, image: Path, name: str = "esxi/8.0.3") -> UploadResult:
        """Upload an image as esxforge does; it is what the machine is deployed with from now on."""
        data = image.read_bytes()
        upload = UploadImage(image, len(data), hashlib.sha256(data).hexdigest(), name, "ESXi")
        connection = Connection(self.url, ApiKey.parse(ADMIN_KEY, "the test"), timeout=60)
        result = upload_image(upload, connection, _ignore)
        self.serve_image(self.region.content(name), name)
        return result

    def serve_image(self, data: bytes, name: str = "esxi/8.0.3") -> None:
        """Let machines get these bytes, whatever was uploaded: the rack's copy may have been damaged."""
        system, _, release = name.partition("/")
        place = f"{_IMAGES}9f3a51c/{system}/amd64/generic/{release}/uploaded/root-dd.gz"
        self.machine.images = {place: data}
        self.machine.source = f"dd-gz:http://{HOST}:{self.service.port}{place}"

    def kernel_words(self) -> str:
        """What MAAS puts on the command line of the kernel that a machine starts from the network."""
        base = f"http://{HOST}:{self.service.port}{PREFIX}latest/by-id/{self.order.system_id}/"
        mac = self.order.macs()[0].replace(":", "-")
        return f"ip=::::{self.order.system_id}:BOOTIF cloud-config-url={base}?op=get_preseed BOOTIF=01-{mac}"

    @property
    def node(self) -> FakeMachine:
        """The machine as the region's API shows it."""
        return self.region.nodes.machines[self.order.system_id]

    @property
    def variables(self) -> dict[str, str]:
        """By which esxforge finds it."""
        return {"MAAS_URL": self.url, "MAAS_API_KEY": ADMIN_KEY}

    @property
    def status(self) -> MachineStatus:
        """The machine's."""
        return self.machine.status

    @property
    def installation_log(self) -> str:
        """curtin's log, as it was posted with an event (twice with a failed one); empty before that."""
        texts = [
            base64.b64decode(file["content"]).decode("utf-8", "replace")
            for event in self.machine.events
            for file in event.get("files", [])
            if file["path"] == "/tmp/install.log"
        ]
        return texts[-1] if texts else ""

    def events(self, origin: str = "") -> list[Mapping[str, Any]]:
        """The events of one origin (``curtin``, …), or all of them, in order."""
        return [event for event in self.machine.events if event["origin"].startswith(origin)]

    def story(self) -> list[str]:
        """What was asked and told, one line each, in order; the same line again and again counts once."""
        lines = [_line(heard) for heard in list(self.machine.heard)]
        return [line for before, line in zip(["", *lines], lines, strict=False) if line != before]


def _line(heard: Heard) -> str:
    event = heard.event
    if event is not None:
        result = f" {event['result']}" if event.get("result") else ""
        return f"{event['origin']}: {event['event_type']} {event['name']}{result}: {event['description']}"
    path = heard.path.removeprefix(PREFIX)
    known = "" if heard.accepted else f" ({heard.status})"
    return f"{heard.method} {path}{known}"


def _ignore(event: events.Event) -> None:
    """Nobody watches the upload."""


@contextmanager
def running_maas(order: Order) -> Iterator[Maas]:
    """A MAAS that knows the machine of ``order``."""
    region = FakeRegion()
    machine = OrderedMachine(
        clock=time.time,
        system_id=order.system_id,
        consumer_key=order.token.consumer_key,
        token_key=order.token.token_key,
        token_secret=order.token.token_secret,
        hostname=order.hostname,
    )
    with serve(region) as url, FakeMetadataService(machine=machine) as service:
        machine.config = order.config(service.port)
        node = region.nodes.add(answers_for(order), machine.config)
        node.live = Live(machine, order.addresses())
        yield Maas(region, url, service, machine, order)
