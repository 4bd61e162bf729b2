"""An image goes to MAAS: what is there already is skipped or continued, and nothing is believed before it is asked.

MAAS appends whatever a PUT carries to what it has; a request names no offset. So after every failure MAAS is asked how
much it holds, and the upload goes on from exactly there.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from esxforge import events
from esxforge.errors import MaasError
from esxforge.maas import region as regions
from esxforge.maas import upload_errors
from esxforge.maas.boot_resources import BootResource, BootResources
from esxforge.maas.client import Client, Surroundings
from esxforge.maas.connection import Connection
from esxforge.maas.failures import RefusedError, TransientError
from esxforge.maas.holding import Holding, holding_of
from esxforge.maas.reader import CHUNK_SIZE, ChangedError, ImageReader
from esxforge.maas.region import Region
from esxforge.maas.upload_image import UploadImage, check_image

__all__ = ["UploadImage", "UploadPlan", "UploadResult", "plan_upload", "upload_image"]

_SYNC_INTERVAL = 5.0
_SYNC_PATIENCE = 900.0
_ROUNDS = 3

Action = Literal["uploaded", "resumed", "skipped"]


@dataclass(frozen=True)
class UploadResult:
    """What became of it. ``sent`` counts the bytes of this run, ``resumed_from`` those that MAAS had before."""

    action: Action
    resource_id: int
    version: str
    name: str
    title: str
    architecture: str
    sha256: str
    size: int
    sent: int
    resumed_from: int
    maas_url: str
    maas_version: str

    def as_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class UploadPlan:
    """What an upload would do. ``received`` is what MAAS holds of these bytes."""

    action: Literal["upload", "resume", "skip"]
    received: int
    maas_version: str


class _DamagedError(Exception):
    """MAAS holds something else than was sent. Never leaves this module."""


def plan_upload(
    image: UploadImage,
    connection: Connection,
    listener: events.Listener = events.ignore,
    surroundings: Surroundings | None = None,
) -> UploadPlan:
    """What :func:`upload_image` would do now. Only reads. Raises MaasError."""
    check_image(image)
    with Client(connection, listener, surroundings) as client:
        region = regions.ask(client)
        holding = _Upload(client, image, region, listener).find()
    if holding is None:
        return UploadPlan("upload", 0, region.version)
    return UploadPlan("skip" if holding.complete else "resume", holding.received, region.version)


def upload_image(
    image: UploadImage,
    connection: Connection,
    listener: events.Listener = events.ignore,
    *,
    surroundings: Surroundings | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> UploadResult:
    """Bring an image into MAAS, and return once MAAS says that it is complete with these bytes.

    Skips what is there, goes on where an earlier upload stopped, and repeats what fails transiently. Whatever ends it,
    the same call goes on. Raises MaasError, or ImageError where the file changed meanwhile.
    """
    check_image(image)
    with Client(connection, listener, surroundings) as client:
        region = regions.ask(client)
        if region.count > 1:
            listener(
                events.Notice(
                    f"this MAAS has {region.count} regions: every request must reach the same one, so give the address "
                    "of one of them, not of a load balancer."
                )
            )
        return _Upload(client, image, region, listener, chunk_size).run()


class _Upload:
    def __init__(
        self,
        client: Client,
        image: UploadImage,
        region: Region,
        listener: events.Listener,
        chunk_size: int = CHUNK_SIZE,
    ) -> None:
        self._client = client
        self._resources = BootResources(client)
        self._image = image
        self._region = region
        self._listener = listener
        self._chunk_size = chunk_size
        self._sent = 0

    def run(self) -> UploadResult:
        holding = self.find()
        if holding is not None and holding.complete:
            self._tell(f"MAAS holds these bytes already, complete, as {holding.resource.name}: nothing is sent.")
            if holding.resource.title != self._image.title:
                shown = self._client.clean(holding.resource.title or "")
                self._tell(f"MAAS keeps the title “{shown}”; to change it, delete the image there and upload again.")
            return self._result("skipped", holding, 0)
        resumed_from = holding.received if holding else 0
        try:
            done = self._bring(holding)
        except _DamagedError:
            if not resumed_from:
                raise upload_errors.damaged() from None
            self._tell("what MAAS had from an earlier upload was damaged and is removed: starting from the first byte.")
            resumed_from = 0
            try:
                done = self._bring(None)
            except _DamagedError:
                raise upload_errors.damaged() from None
        return self._result("resumed" if resumed_from else "uploaded", done, resumed_from)

    def find(self) -> Holding | None:
        """What MAAS holds of these bytes under this name and architecture, if a further upload can build on it."""
        resource = self._resource()
        return holding_of(resource, self._image.sha256, self._region.count) if resource else None

    def _resource(self) -> BootResource | None:
        for entry in self._resources.list():
            if (entry.type, entry.name, entry.architecture) == (
                "Uploaded",
                self._image.name,
                self._image.architecture,
            ):
                return self._resources.get(entry.id)
        return None

    def _bring(self, holding: Holding | None) -> Holding:
        """Everything from creating to complete."""
        if holding is None:
            self._make_room()
            holding = self._create()
        stalled, rounds = 0.0, 0
        while not holding.complete:
            if holding.received < self._image.size:
                rounds += 1
                if rounds > _ROUNDS:
                    raise upload_errors.forgets(self._image)
                holding = self._transfer(holding)
                continue
            if stalled >= _SYNC_PATIENCE:
                raise upload_errors.not_synchronized(holding, self._region.count)
            self._client.wait(_SYNC_INTERVAL)
            after = self._ask(holding)
            stalled = stalled + _SYNC_INTERVAL if after.progress == holding.progress else 0.0
            holding = after
        return holding

    def _create(self) -> Holding:
        image, count = self._image, 0
        while True:
            try:
                resource = self._resources.create(
                    name=image.name,
                    title=image.title,
                    architecture=image.architecture,
                    sha256=image.sha256,
                    size=image.size,
                )
            except RefusedError as error:
                raise upload_errors.explained(error, self._image) from error
            except TransientError as error:
                # It may have been made all the same: look, and do not make it twice.
                count += 1
                self._client.pause(count, error)
                found = self.find()
            else:
                found = holding_of(resource, image.sha256, self._region.count)
                if found is None:
                    raise upload_errors.not_listed()
            if found is not None:
                return found

    def _make_room(self) -> None:
        """See to it that these bytes can be created anew, where MAAS keeps one file on disk for a sha256."""
        if not self._region.appends_to_shared_file:
            return
        for entry in self._resources.list():
            resource = self._resources.get(entry.id) if entry.type == "Uploaded" else None
            if resource is None or not resource.holds(self._image.sha256):
                continue
            if (resource.name, resource.architecture) == (self._image.name, self._image.architecture):
                self._resources.delete(resource.id)
                continue
            raise upload_errors.held_elsewhere(resource, self._client.clean(resource.name), self._region.version)

    def _transfer(self, holding: Holding) -> Holding:
        """Send from where MAAS is until all is sent, or MAAS has to be looked at again."""
        image, offset, count = self._image, holding.received, 0
        name = f"uploading {image.name}"
        with (
            ImageReader(image.path, image.size, image.sha256, self._chunk_size) as reader,
            events.step(self._listener, name, image.size),
        ):
            self._listener(events.BytesDone(name, offset))
            while offset < image.size:
                taken = self._send(reader, holding, offset, count)
                if taken:
                    offset, count = offset + taken, 0
                    self._sent += taken
                else:
                    holding = self._ask(holding)
                    count = 0 if holding.received > offset else count + 1
                    offset = holding.received
                    if offset == image.size:
                        self._settle_last(reader, holding)
                self._listener(events.BytesDone(name, offset))
            return self._ask(holding)

    def _settle_last(self, reader: ImageReader, holding: Holding) -> None:
        """MAAS has all bytes, but what it said of the last chunk was lost: its comparison of the sha256, that is."""
        if not reader.is_right():
            self._discard(holding)
            raise reader.changed()
        if self._region.counts_before_comparing:
            text = (
                f"MAAS's last answer was lost, and MAAS {self._region.version} does not say later whether the sha256 "
                "was right. The file here is. If a deployment finds the image damaged, delete it from MAAS and "
                "upload it again."
            )
            self._listener(events.Notice(text, warning=True))

    def _send(self, reader: ImageReader, holding: Holding, offset: int, count: int) -> int:
        """Send one chunk, after ``count`` failures in a row. How much MAAS took; 0 where it has to be asked."""
        try:
            chunk = reader.chunk(offset)
            self._resources.put(holding.file.upload_path, chunk)
        except ChangedError:
            # MAAS has bytes that belong to no image: without them the same command works.
            self._discard(holding)
            raise
        except TransientError as error:
            self._client.pause(count + 1, error)
            return 0
        except RefusedError as error:
            try:
                self._after_refusal(error, holding, offset, count + 1)
            except _DamagedError:
                if not reader.is_right():
                    raise reader.changed() from None
                raise
            return 0
        return len(chunk)

    def _after_refusal(self, error: RefusedError, holding: Holding, offset: int, count: int) -> None:
        """Return where MAAS has to be asked how much it holds; raise where there is no going on."""
        text, shared = error.answer, self._region.appends_to_shared_file
        if "Cannot upload to a complete file" in text and count <= _ROUNDS:
            return
        if "Content-Length doesn't equal" in text:
            self._client.pause(
                count,
                TransientError("A chunk arrived at MAAS damaged.", "Check the network and the proxies.", answered=True),
            )
            return
        if re.search(r"Too much data rec(ei|ie)ved", text):
            if shared or self._ask(holding).received == offset or count > _ROUNDS:
                self._give_up_on(holding)
            return
        # “No such file”: MAAS 3.5 to 3.7 count what they received apart from the file, and the file is gone.
        if "does not match given SHA256" in text or "No such file or directory" in text:
            self._give_up_on(holding)
        if "No space left" in text and shared:
            self._discard(holding)  # it has removed the file, but goes on counting it
        elif error.status in (400, 500) and self._ask(holding).complete:
            self._give_up_on(holding)  # complete, and yet refused: it can only be a wrong sha256
        raise upload_errors.explained(error, self._image) from error

    def _give_up_on(self, holding: Holding) -> None:
        self._discard(holding)
        raise _DamagedError

    def _discard(self, holding: Holding) -> None:
        """Take what MAAS received out of it, so that the next upload starts from nothing.

        Some versions count a file with a wrong sha256 as complete: left there, it would be deployed.
        """
        try:
            resource = self._resources.get(holding.resource.id)
            files = [file for entry in resource.sets.values() for file in entry.files.values()] if resource else []
            alone = all(file.sha256 == holding.sha256 for file in files)
            if resource is not None and alone:
                self._resources.delete(resource.id)
        except MaasError as error:
            raise upload_errors.not_removed(holding.resource, error) from error
        if not alone:
            raise upload_errors.damaged_beside_others(holding.resource)

    def _ask(self, holding: Holding) -> Holding:
        resource = self._resources.get(holding.resource.id)
        found = holding_of(resource, self._image.sha256, self._region.count) if resource else None
        if found is None:
            raise upload_errors.gone(self._image)
        return found

    def _result(self, action: Action, holding: Holding, resumed_from: int) -> UploadResult:
        return UploadResult(
            action=action,
            resource_id=holding.resource.id,
            version=holding.version,
            name=holding.resource.name,
            title=self._client.clean(holding.resource.title or ""),
            architecture=holding.resource.architecture,
            sha256=holding.sha256,
            size=holding.file.size,
            sent=self._sent,
            resumed_from=resumed_from,
            maas_url=self._client.connection.url,
            maas_version=self._region.version,
        )

    def _tell(self, text: str) -> None:
        self._listener(events.Notice(text))
