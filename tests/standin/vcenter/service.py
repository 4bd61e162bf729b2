"""The HTTPS socket round a ``VcenterInventory``."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from standin.vcenter.certificates import Certificate
from standin.vcenter.state import VcenterInventory


class FakeVcenter:
    """Serves ``inventory`` on 127.0.0.1 with ``certificate``. ``folder`` is a place for the key's file.

    ``lose_answer_to``: requests with this method and path are carried out, and then the connection ends.
    """

    def __init__(self, inventory: VcenterInventory, certificate: Certificate, folder: Path) -> None:
        self.inventory = inventory
        self.lose_answer_to: tuple[str, str] | None = None
        chain = folder / "vcenter.pem"
        chain.write_text(certificate.key + certificate.pem)
        self._server = _Server(self, chain)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> FakeVcenter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, vcenter: FakeVcenter, chain: Path) -> None:
        self.vcenter = vcenter
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake happens in the connection's own thread; a client that does not like us just leaves."""
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except (OSError, ssl.SSLError):
            pass

    def shutdown_request(self, request: Any) -> None:
        """Wrapping took the socket over already."""
        request.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the standard library
        """Nothing: requests stand in the inventory."""

    def _answer(self) -> None:
        vcenter = self.server.vcenter
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.close_connection = True
        status, answer = vcenter.inventory.answer(self.command, self.path, headers, body)
        if vcenter.lose_answer_to == (self.command, self.path.split("?")[0]):
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
