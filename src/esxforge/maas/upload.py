"""Upload an image to MAAS: what is there already is skipped or continued, and nothing is assumed without asking.

MAAS appends whatever a PUT carries to what it has; a request names no offset. So after every failure MAAS is asked how
much it holds, and the upload goes on from exactly there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
from esxforge.maas.reader import CHUNK_SIZE, ChangedError, ImageReader
from esxforge.maas.region import Region
from esxforge.maas.upload_image import UploadImage, check_image
from esxforge.maas.upload_state import UploadState, upload_state

__all__ = ["UploadImage", "UploadPlan", "UploadResult", "Uploader", "plan_upload", "upload_image", "uploader"]

_SYNC_INTERVAL = 5.0
_SYNC_PATIENCE = 900.0
_ROUNDS = 3

Action = Literal["uploaded", "resumed", "skipped"]


@dataclass(frozen=True)
class UploadResult:
    """The outcome. ``sent`` counts the bytes of this run, ``resumed_from`` those that MAAS had before.

    ``confirmed`` is whether MAAS is known to have compared the sha256: it said OK to the last chunk in this run, or it
    is a version that lists an upload as complete only then.
    """

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
    confirmed: bool
    maas_url: str
    maas_version: str

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class UploadPlan:
    """Action of an upload. ``received`` counts the bytes that MAAS already has of the image."""

    action: Literal["upload", "resume", "skip"]
    received: int
    maas_version: str


class _DamagedError(Exception):
    """MAAS has something other than what was sent. Never leaves this module."""


class Uploader:
    """A MAAS that answers, and whose version is known: images go there over one connection."""

    def __init__(self, client: Client, region: Region, listener: events.Listener, chunk_size: int) -> None:
        self._client = client
        self._region = region
        self._listener = listener
        self._chunk_size = chunk_size

    def check_permission(self) -> None:
        """Raise MaasError if the key's user may not upload. If MAAS does not say, leave the decision to MAAS."""
        if self._region.capabilities.permissions_by_group:
            return
        user = self._client.patiently(lambda: self._client.json("GET", "users/", query={"op": "whoami"}))
        if isinstance(user, dict) and user.get("is_superuser") is False:
            name = self._client.clean(str(user.get("username", "")))
            raise upload_errors.not_an_administrator(name)

    def plan(self, image: UploadImage) -> UploadPlan:
        """Return what :meth:`upload` would do now. Only reads. Raises MaasError."""
        check_image(image)
        upload = self._upload(image)
        state = upload.find()
        if state is None:
            upload.warn_of_replacing()
            return UploadPlan("upload", 0, self._region.version)
        return UploadPlan("skip" if state.complete else "resume", state.received, self._region.version)

    def upload(self, image: UploadImage) -> UploadResult:
        """Upload an image to MAAS, and return once MAAS says that it is complete with these bytes.

        Skips what is there, resumes where an earlier upload stopped, and repeats what fails transiently. Whatever ends
        it, the same call resumes it. Raises MaasError, or ImageError if the file changed meanwhile.
        """
        check_image(image)
        if self._region.count is not None and self._region.count > 1:
            self._listener(
                events.Notice(
                    f"this MAAS has {self._region.count} regions: every request must reach the same one, so give the "
                    "address of one of them, not of a load balancer."
                )
            )
        return self._upload(image).run()

    def _upload(self, image: UploadImage) -> _Upload:
        return _Upload(self._client, image, self._region, self._listener, self._chunk_size)


@contextmanager
def uploader(
    connection: Connection,
    listener: events.Listener = events.ignore,
    *,
    surroundings: Surroundings | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[Uploader]:
    """Connect to a MAAS and ask for its version. Raises MaasError if none answers."""
    with Client(connection, listener, surroundings) as client:
        yield Uploader(client, regions.ask(client), listener, chunk_size)


def plan_upload(
    image: UploadImage,
    connection: Connection,
    listener: events.Listener = events.ignore,
    surroundings: Surroundings | None = None,
) -> UploadPlan:
    """:meth:`Uploader.plan`, over a connection of its own."""
    check_image(image)
    with uploader(connection, listener, surroundings=surroundings) as destination:
        return destination.plan(image)


def upload_image(
    image: UploadImage,
    connection: Connection,
    listener: events.Listener = events.ignore,
    *,
    surroundings: Surroundings | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> UploadResult:
    """:meth:`Uploader.upload`, over a connection of its own."""
    check_image(image)
    with uploader(connection, listener, surroundings=surroundings, chunk_size=chunk_size) as destination:
        return destination.upload(image)


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
        self._can = region.capabilities
        self._confirmed = self._can.complete_means_compared

    def run(self) -> UploadResult:
        state = self.find()
        if state is not None and state.complete:
            self._tell(f"MAAS holds these bytes already, complete, as {state.resource.name}: nothing is sent.")
            if state.resource.title != self._image.title:
                shown = self._client.clean(state.resource.title or "")
                self._tell(f"MAAS keeps the title “{shown}”; to change it, delete the image there and upload again.")
            return self._result("skipped", state, 0)
        if state is None:
            self.warn_of_replacing()
        resumed_from = state.received if state else 0
        try:
            done = self._bring(state)
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

    def find(self) -> UploadState | None:
        """Return the state of these bytes under this name and architecture, if a further upload can build on it."""
        resource = self._resource()
        return upload_state(resource, self._image.sha256, self._region.count) if resource else None

    def warn_of_replacing(self) -> None:
        """Say which image in MAAS, with other bytes under this name, the upload replaces."""
        resource = self._resource()
        if resource is None or resource.newest is None:
            return
        title = self._client.clean(resource.title or "")
        self._listener(
            events.Notice(
                f"{self._image.name} in MAAS is another image now (number {resource.id}, “{title}”). The upload "
                "replaces it from the first byte on; to keep it, upload under another --name.",
                warning=True,
            )
        )

    def _resource(self) -> BootResource | None:
        for entry in self._resources.list():
            if (entry.type, entry.name, entry.architecture) == (
                "Uploaded",
                self._image.name,
                self._image.architecture,
            ):
                return self._resources.get(entry.id)
        return None

    def _bring(self, state: UploadState | None) -> UploadState:
        """Perform everything from creating to complete."""
        if state is None:
            self._make_room()
            state = self._create()
        stalled, rounds = 0.0, 0
        while not state.complete:
            if state.received < self._image.size:
                rounds += 1
                if rounds > _ROUNDS:
                    raise upload_errors.forgets(self._image)
                state = self._transfer(state)
                continue
            if stalled >= _SYNC_PATIENCE:
                raise upload_errors.not_synchronized(state, self._region.count or 1)
            self._client.wait(_SYNC_INTERVAL)
            after = self._ask(state)
            stalled = stalled + _SYNC_INTERVAL if after.progress == state.progress else 0.0
            state = after
        return state

    def _create(self) -> UploadState:
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
                found = upload_state(resource, image.sha256, self._region.count)
                if found is None:
                    raise upload_errors.not_listed()
            if found is not None:
                return found

    def _make_room(self) -> None:
        """Make sure that these bytes can be created again, as MAAS keeps one file on disk for a sha256."""
        if not self._can.appends_to_shared_file:
            return
        for entry in self._resources.list():
            resource = self._resources.get(entry.id) if entry.type == "Uploaded" else None
            if resource is None or not resource.holds(self._image.sha256):
                continue
            if (resource.name, resource.architecture) == (self._image.name, self._image.architecture):
                self._resources.delete(resource.id)
                continue
            raise upload_errors.held_elsewhere(resource, self._client.clean(resource.name), self._region.version)

    def _transfer(self, state: UploadState) -> UploadState:
        """Send from MAAS's offset until all is sent, or MAAS has to be queried again."""
        image, offset, count = self._image, state.received, 0
        name = f"uploading {image.name}"
        with (
            ImageReader(image.path, image.size, image.sha256, self._chunk_size) as reader,
            events.step(self._listener, name, image.size),
        ):
            self._listener(events.BytesDone(name, offset))
            while offset < image.size:
                sent = self._send(reader, state, offset, count)
                if isinstance(sent, int):
                    offset, count = offset + sent, 0
                    self._sent += sent
                    if offset == image.size:
                        self._confirmed = True  # a wrong sha256 would have been refused
                else:
                    state = self._ask(state)
                    count = 0 if state.received > offset else count + 1
                    offset = state.received
                    if offset == image.size:
                        self._judge_unanswered(reader, state, sent)
                self._listener(events.BytesDone(name, offset))
            return self._ask(state)

    def _judge_unanswered(self, reader: ImageReader, state: UploadState, failure: MaasError) -> None:
        """Decide about an upload of which MAAS has all bytes, though it did not say OK to the last chunk.

        MAAS commits the last chunk first; later failures, such as in synchronizing its regions, answer 500 for an
        image that is complete and right. So it is removed only if the local file is not what was verified.
        """
        refused = isinstance(failure, RefusedError)
        what = "MAAS's last answer was lost."
        if refused:
            what = (
                f"MAAS has all bytes, but did not say OK at the end: {failure.message.rstrip('.')}. Its log has more."
            )
        self._confirmed = self._can.complete_means_compared
        if self._confirmed:
            if refused:
                self._listener(events.Notice(what, warning=True))
            return
        if not reader.is_right():
            self._discard(state)
            raise reader.changed()
        text = (
            f"{what} It is not known whether MAAS compared the sha256, and MAAS {self._region.version} does not say so "
            "later. The file here is right, and the image checks itself when it is deployed: if it is found damaged "
            "then, delete it from MAAS and upload it again."
        )
        self._listener(events.Notice(text, warning=True))

    def _send(
        self, reader: ImageReader, state: UploadState, offset: int, count: int
    ) -> int | TransientError | RefusedError:
        """Send one chunk, after ``count`` failures in a row.

        Returns how many bytes MAAS took, or the failure after which it has to be asked how much it holds.
        """
        try:
            chunk = reader.chunk(offset)
            self._resources.put(state.file.upload_path, chunk)
        except ChangedError:
            # MAAS has bytes that belong to no image: without them the same command works.
            self._discard(state)
            raise
        except TransientError as error:
            self._client.pause(count + 1, error)
            return error
        except RefusedError as error:
            try:
                self._after_refusal(error, state, offset, count + 1)
            except _DamagedError:
                if not reader.is_right():
                    raise reader.changed() from None
                raise
            return error
        return len(chunk)

    def _after_refusal(self, error: RefusedError, state: UploadState, offset: int, count: int) -> None:
        """Return if MAAS has to be asked how much it has; raise if the upload cannot go on."""
        text, shared = error.answer, self._can.appends_to_shared_file
        received = self._ask(state).received if error.status == 400 or error.status >= 500 else offset
        mismatch = "does not match given SHA256" in text
        full = "Cannot upload to a complete file" in text
        if received == self._image.size:
            if self._can.complete_means_compared or full or error.status >= 500:
                return
            self._give_up_on(state)  # counted, and yet refused: only a wrong sha256 does that
        if full and count <= _ROUNDS:
            return
        if "Content-Length doesn't equal" in text:
            self._client.pause(
                count,
                TransientError("A chunk arrived at MAAS damaged.", "Check the network and the proxies.", answered=True),
            )
            return
        if re.search(r"Too much data rec(ei|ie)ved", text):
            if shared or received == offset or count > _ROUNDS:
                self._give_up_on(state)
            return
        # “No such file”: MAAS 3.5 to 3.7 count what they received apart from the file, and the file is gone.
        if mismatch or "No such file or directory" in text:
            self._give_up_on(state)
        if "No space left" in text and shared:
            self._discard(state)  # it has removed the file, but goes on counting it
        raise upload_errors.explained(error, self._image) from error

    def _give_up_on(self, state: UploadState) -> None:
        self._discard(state)
        raise _DamagedError

    def _discard(self, state: UploadState) -> None:
        """Delete what MAAS received, so that the next upload starts from nothing.

        Some versions count a file with a wrong sha256 as complete: left there, it would be deployed.
        """
        try:
            resource = self._resources.get(state.resource.id)
            files = [file for entry in resource.sets.values() for file in entry.files.values()] if resource else []
            alone = all(file.sha256 == state.sha256 for file in files)
            if resource is not None and files and alone:
                self._resources.delete(resource.id)
        except MaasError as error:
            raise upload_errors.not_removed(state.resource, error) from error
        if not alone:
            raise upload_errors.damaged_beside_others(state.resource)

    def _ask(self, state: UploadState) -> UploadState:
        resource = self._resources.get(state.resource.id)
        found = upload_state(resource, self._image.sha256, self._region.count) if resource else None
        if found is None:
            raise upload_errors.gone(self._image)
        return found

    def _result(self, action: Action, state: UploadState, resumed_from: int) -> UploadResult:
        return UploadResult(
            action=action,
            resource_id=state.resource.id,
            version=state.version,
            name=state.resource.name,
            title=self._client.clean(state.resource.title or ""),
            architecture=state.resource.architecture,
            sha256=state.sha256,
            size=state.file.size,
            sent=self._sent,
            resumed_from=resumed_from,
            confirmed=self._confirmed,
            maas_url=self._client.connection.url,
            maas_version=self._region.version,
        )

    def _tell(self, text: str) -> None:
        self._listener(events.Notice(text))
