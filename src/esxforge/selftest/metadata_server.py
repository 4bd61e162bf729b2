"""The sockets round one ``MaasMachine``: MAAS's metadata service for a virtual host of our own, on 127.0.0.1 alone.

QEMU's user network shows 127.0.0.1 of this computer to its guest as the network's gateway (10.0.2.2, or as asked for).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias

from esxforge.selftest.maas_machine import PREFIX, MaasMachine, Reply
from esxforge_target.runtime.numbers import is_whole

# (method, path, body) → an answer, or None for what is MAAS's own matter.
Intake: TypeAlias = Callable[[str, str, bytes], Reply | None]
_LARGEST_BODY = 8 << 20


class MetadataHttpServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; port 0 is for any that is free. Raises OSError where the port is taken."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, machine: MaasMachine, handler: type[MetadataHandler], port: int = 0) -> None:
        self.machine = machine
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A guest that loses its power in the middle of a request is part of the play."""


class MetadataHandler(BaseHTTPRequestHandler):
    """Answers one request at a time; ``respond`` is what others override."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: MetadataHttpServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the standard library
        """Log nothing: the requests are in the machine's ``heard``."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.server.machine.clock() if timestamp is None else timestamp, usegmt=True)

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.close_connection = True
        if not is_whole(length) or int(length) > _LARGEST_BODY:
            self.send(Reply(413))
            return
        self.respond(self.headers.get("Authorization"), self.rfile.read(int(length)))

    def respond(self, authorization: str | None, body: bytes) -> None:
        """ServiceAnswer the request that was read."""
        self.send(self.server.machine.answer(self.command, self.path, authorization, body))

    def send(self, reply: Reply, extra: Mapping[str, str] | None = None, missing: int = 0) -> None:
        """Send an answer; ``missing`` bytes at its end are promised and not sent."""
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body) + (missing and 1)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) - missing] if missing else reply.body)


class MetadataServer:
    """Serves ``machine`` while used as a context manager; ``intake`` is asked first.

    ``preferred_port`` is taken where it is free (MAAS's own is 5248), else any.
    """

    def __init__(self, machine: MaasMachine, *, preferred_port: int = 0, intake: Intake | None = None) -> None:
        self.machine = machine

        class Handler(MetadataHandler):
            def respond(self, authorization: str | None, body: bytes) -> None:
                own = intake(self.command, self.path, body) if intake else None
                if own is None:
                    super().respond(authorization, body)
                else:
                    self.send(own)

        self._server = _listening(machine, Handler, preferred_port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def endpoint(self, host: str) -> str:
        """The status endpoint as curtin's configuration names it, for a guest that knows this computer as ``host``."""
        return f"http://{host}:{self.port}{PREFIX}status/{self.machine.system_id}"

    def __enter__(self) -> MetadataServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _listening(machine: MaasMachine, handler: type[MetadataHandler], preferred: int) -> MetadataHttpServer:
    if preferred:
        with suppress(OSError):
            return MetadataHttpServer(machine, handler, preferred)
    return MetadataHttpServer(machine, handler)
