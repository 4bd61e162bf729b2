"""The socket in front of a stand-in MAAS."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from standin.maas_region.errors import ApiError
from standin.maas_region.oauth import RefusalError, check
from standin.maas_region.region import FakeRegion

_PAGE = "<!doctype html><html><body>Welcome to another site</body></html>"
_JSON = "application/json; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_ADMINS_ONLY = "This method is reserved for admin users."
_NO_PERMISSION = (
    "User does not have permission to perform this operation. The user should have permission 'can_edit_boot_entities'"
)
_NOT_SYNCHRONIZED = "some region controllers don't have enough disk space"


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, region: FakeRegion, port: int, tls: ssl.SSLContext | None) -> None:
        self.region = region
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self.tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Handshakes happen here, in the connection's own thread."""
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return
        self.open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.open.discard(request)
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Lost connections are what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for an answer
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Quiet."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _handle(self) -> None:
        region, method, path = self.server.region, self.command, urlsplit(self.path).path
        with self.server.lock:
            region.requests.append((method, self.path))
            region.headers.append(dict(self.headers.items()))
            fault = region.fault(method, path)
        if fault == "drop-unread":
            self._drop()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "hang":
            self.server.stopping.wait(30)
            fault = "drop-before"
        if fault == "drop-before":
            self._drop()
            return
        if fault == "damage":
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        with self.server.lock:
            status, content_type, text, extra = self._instead(fault) or self._answer(method, path, body)
            if fault == "sync-fails" and status == 200 and region.holds_all(_last_number(path)):
                status, content_type, text = 500, _PLAIN, _NOT_SYNCHRONIZED
        if fault == "drop-after":
            self._drop()
            return
        if fault == "cut-json":
            text = text[: len(text) // 2]
        self._send(status, content_type, text, extra, cut=fault == "cut")

    def _instead(self, fault: str | None) -> tuple[int, str, str, dict[str, str]] | None:
        if fault == "full" and self.server.region.storage.appends and self.command == "PUT":
            self.server.region.lose(_last_number(self.path))
            return 400, _PLAIN, "No space left on device", {}
        answers: dict[str | None, tuple[int, str, str, dict[str, str]]] = {
            "busy": (503, _PLAIN, "No connections available", {"Retry-After": "10"}),
            "conflict": (409, "text/html", "<html>Conflict error. Try your request again</html>", {"Retry-After": "5"}),
            "gateway": (502, "text/html", "<html>Bad Gateway</html>", {}),
            "html": (200, "text/html", _PAGE, {}),
            "full": (500, _PLAIN, "[Errno 28] No space left on device", {}),
            "missing": (500, _PLAIN, "[Errno 2] No such file or directory: '/var/lib/maas/x.incomplete'", {}),
            "too-large": (413, "text/html", "<html>Request Entity Too Large</html>", {}),
            "forget": (200, "text/plain", "OK", {}),
        }
        return answers.get(fault)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, str, str, dict[str, str]]:
        try:
            return self._route(method, path, body)
        except ApiError as error:
            return error.status, error.content_type, error.text, {}
        except RefusalError as refusal:
            return 401, refusal.content_type, refusal.text, {"WWW-Authenticate": 'OAuth realm="MAAS API"'}

    def _route(self, method: str, path: str, body: bytes) -> tuple[int, str, str, dict[str, str]]:
        region = self.server.region
        match = re.fullmatch(r"/MAAS/api/2\.0/(.*)", path)
        if match is None:
            return 404, "text/html", _PAGE, {}
        place = match[1]
        if place == "version/":
            document = {"version": region.version, "subversion": "", "capabilities": ["networks-management"]}
            return 200, _JSON, json.dumps(document), {}
        admin = check(self.headers.get("Authorization"), region.keys, region.nonces, region.clock())
        if place == "regioncontrollers/" and method == "GET":
            return (
                200,
                _JSON,
                json.dumps([{"system_id": f"region{n}"} for n in range(region.regions if region.shows_regions else 0)]),
                {},
            )
        if place == "boot-resources/" and method == "GET":
            kind = parse_qs(urlsplit(self.path).query).get("type", ["all"])[0]
            return 200, _JSON, region.listing(kind), {}
        number = re.fullmatch(r"boot-resources/(\d+)/", place)
        if number and method == "GET":
            return 200, _JSON, region.get(int(number[1])), {}
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}
        user = region.users[admin]
        of_machines = region.nodes.answer(user, method, place, query, lambda: self._form(body))
        if of_machines is not None:
            return (*of_machines, {})
        if not admin:
            raise ApiError(403, _NO_PERMISSION if region.storage.version >= (3, 8) else _ADMINS_ONLY)
        if place == "boot-resources/" and method == "POST":
            return 201, _JSON, region.create(self._form(body)), {}
        if number and method == "DELETE":
            region.delete(int(number[1]))
            return 204, "text/plain", "", {}
        upload = re.fullmatch(r"boot-resources/(\d+)/upload/(\d+)/", place)
        if upload and method == "PUT":
            return 200, "text/plain", region.put(int(upload[1]), int(upload[2]), body), {}
        return 404, "text/html", _PAGE, {}

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers.get('Content-Type')}\r\n\r\n".encode()
        message = message_from_bytes(head + body)
        fields = {}
        for part in message.get_payload():
            assert not isinstance(part, str)
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            fields[str(name)] = payload.decode()
        return fields

    def _send(self, status: int, content_type: str, text: str, extra: dict[str, str], *, cut: bool) -> None:
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(payload) + (20 if cut else 0)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)
        if cut:
            self.wfile.flush()
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _last_number(path: str) -> int:
    return int(path.rstrip("/").rpartition("/")[2])


@contextmanager
def serve(region: FakeRegion, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve a region on the loopback; yields its address with ``/MAAS``."""
    server = _Server(region, port, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/MAAS"
    finally:
        server.stopping.set()
        server.shutdown()
        for connection in list(server.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()
