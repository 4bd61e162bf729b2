"""The sockets round ``MaasMachine``: answering, and the ways in which a network or a service fails.

with FakeMetadataService() as maas:
    maas.machine.user_data = b"#!/bin/sh\\n"
    client = MetadataClient(parse_endpoint(maas.endpoint), Token.from_config(maas.reporting))
    maas.faults.append(Fault.RESET)      # the next request only
    maas.fault = Fault.UNAVAILABLE       # every request from now on; None ends it
    maas.vanish() / maas.come_back()     # silence: not even a connection comes about
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

from esxforge.selftest.maas_machine import PREFIX, MaasMachine, Reply
from esxforge.selftest.metadata_server import MetadataHandler, MetadataHttpServer
from standin.maas_metadata.faults import Fault


class FakeMetadataService:
    """Serves one machine on 127.0.0.1. ``clock`` is MAAS's own time; ``skew`` seconds are added to it.

    ``machine``: another one than a MaasMachine with MAAS's usual values; it has a clock of its own.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, skew: float = 0.0, machine: MaasMachine | None = None
    ) -> None:
        self.skew = skew
        self.machine = machine or MaasMachine(clock=lambda: clock() + self.skew)
        self.fault: Fault | None = None
        self.faults: list[Fault] = []
        self.on_request: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._fillers: list[socket.socket] = []
        self._server = _Server(self)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens, also while it has vanished."""
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> str:
        """The status endpoint, as curtin's configuration names it."""
        return f"http://127.0.0.1:{self.port}{PREFIX}status/{self.machine.system_id}"

    @property
    def reporting(self) -> dict[str, str]:
        """curtin's ``reporting: maas:`` for this machine."""
        machine = self.machine
        return {
            "type": "webhook",
            "endpoint": self.endpoint,
            "consumer_key": machine.consumer_key,
            "token_key": machine.token_key,
            "token_secret": machine.token_secret,
        }

    @property
    def secrets(self) -> list[str]:
        """What must be found nowhere else."""
        return [self.machine.consumer_key, self.machine.token_key, self.machine.token_secret]

    def __enter__(self) -> FakeMetadataService:
        self._serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._halt()
        self._drop_fillers()
        self._server.server_close()

    def vanish(self) -> None:
        """From now on nothing answers: connections are neither taken nor refused (Linux drops the SYN)."""
        self._halt()
        self._server.socket.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def come_back(self) -> None:
        """End ``vanish``."""
        self._drop_fillers()
        self._server.socket.listen(128)
        self._serve()

    def next_fault(self) -> Fault | None:
        """What goes wrong with the request that is being served."""
        self.on_request()
        return self.faults.pop(0) if self.faults else self.fault

    def wait(self) -> None:
        """Keep a connection open until the service ends; at most a minute, should a test forget it."""
        self._stop.wait(60)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _halt(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None

    def _drop_fillers(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()


class _Server(MetadataHttpServer):
    def __init__(self, service: FakeMetadataService) -> None:
        self.service = service
        super().__init__(service.machine, _Handler)


class _Handler(MetadataHandler):
    server: _Server

    def respond(self, authorization: str | None, body: bytes) -> None:
        service = self.server.service
        fault = service.next_fault()
        if fault is Fault.UNSIGNED:
            authorization, fault = None, None
        if fault is None:
            super().respond(authorization, body)
        elif fault is Fault.TRUNCATED:
            reply = service.machine.answer(self.command, self.path, authorization, body)
            self.send(reply, missing=max(1, len(reply.body) // 2))
        else:
            self._fail(fault)

    def _fail(self, fault: Fault) -> None:
        if fault is Fault.RESET:
            # Lingering for no time makes close() send a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault is Fault.HANG:
            self.server.service.wait()
        elif fault is Fault.DRIP:
            self._drip()
        elif fault is Fault.GARBAGE:
            self.wfile.write(b"\x00\xffSSH-2.0-not-a-web-server\r\n\r\n")
        elif fault is Fault.REDIRECT:
            self.send(Reply(302), {"Location": "http://192.0.2.1/elsewhere"})
        elif fault is Fault.BAD_GATEWAY:
            self.send(Reply(502, b"<html>Bad gateway</html>", "text/html"))
        else:
            self.send(Reply(503), {"Retry-After": "10"} if fault is Fault.BUSY else {})

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.server.service.stopping:
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.02)
