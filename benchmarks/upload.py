"""Upload: how near it comes to a bare loop of the same PUTs, on the loopback.

The bare loop reads 4 MiB, signs and PUTs them with the same HTTP library, and checks nothing: no hash, no reading
ahead, no progress. Both talk to the same server, in a process of its own, which takes the bytes and throws them away;
the goal is a ratio of at least 0.9. Run by hand: ``.venv/bin/python -m benchmarks.upload [MiB]``.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx2

from esxforge.local.workspace import work_directory
from esxforge.maas.auth import ApiKey, OAuth1Plaintext
from esxforge.maas.connection import Connection
from esxforge.maas.reader import CHUNK_SIZE
from esxforge.maas.upload import UploadImage, upload_image

_KEY = ApiKey("benchmark1", "benchmark2", "benchmark3")
_ROUNDS = 5


class _Sink(BaseHTTPRequestHandler):
    """Counts what it gets, and answers as MAAS does, as fast as it can."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    announced: dict[str, Any] | None = None
    received = 0
    buffer = bytearray(1 << 20)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Quiet."""

    def do_PUT(self) -> None:
        left, view = int(self.headers["Content-Length"]), memoryview(self.buffer)
        while left:
            count = self.rfile.readinto(view[: min(left, len(view))])
            left -= count
            _Sink.received += count
        self._send("OK")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {
            part.partition('name="')[2].partition('"')[0]: part.partition("\r\n\r\n")[2].partition("\r\n")[0]
            for part in body.split("\r\n--")
        }
        _Sink.announced, _Sink.received = fields, 0
        self._send(json.dumps(self._resource()))

    def do_DELETE(self) -> None:
        _Sink.announced = None
        self._send("")

    def do_GET(self) -> None:
        if self.path.endswith("/version/"):
            self._send('{"version": "3.6.5"}')
        elif self.path.endswith("/regioncontrollers/"):
            self._send("[{}]")
        elif "?" in self.path:
            self._send(json.dumps([self._resource()] if _Sink.announced else []))
        else:
            self._send(json.dumps(self._resource()))

    def _resource(self) -> dict[str, Any]:
        fields = _Sink.announced or {}
        size = int(fields["size"])
        done = {"complete": _Sink.received == size, "progress": 100.0 * _Sink.received / size}
        file = {"filename": "root-dd.gz", "filetype": "root-dd.gz", "sha256": fields["sha256"], "size": size} | done
        file["upload_uri"] = "/MAAS/api/2.0/boot-resources/1/upload/1/"
        entry = {"version": "20261123", "label": "uploaded", "size": size, "files": {"root-dd.gz": file}} | done
        names = {name: fields[name] for name in ("name", "title", "architecture")}
        return {"id": 1, "type": "Uploaded", "sets": {"20261123": entry}} | names

    def _send(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class _Server(HTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is no event."""


def _serve(listening: socket.socket) -> None:
    server = _Server(("127.0.0.1", 0), _Sink, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


def _bare(url: str, path: Path) -> float:
    """Seconds for the bare loop."""
    with httpx2.Client(auth=OAuth1Plaintext(_KEY), timeout=60) as client, path.open("rb", buffering=0) as file:
        start = time.perf_counter()
        while chunk := file.read(CHUNK_SIZE):
            answer = client.put(
                f"{url}/api/2.0/boot-resources/1/upload/1/",
                content=chunk,
                headers={"Content-Type": "application/octet-stream"},
            )
            answer.raise_for_status()
        return time.perf_counter() - start


def _ours(url: str, image: UploadImage) -> float:
    """Seconds for a whole upload, with everything that belongs to it."""
    httpx2.delete(f"{url}/api/2.0/boot-resources/1/").raise_for_status()
    start = time.perf_counter()
    result = upload_image(image, Connection(url, _KEY))
    seconds = time.perf_counter() - start
    if result.sent != image.size:
        raise RuntimeError(f"not an upload: {result}")
    return seconds


def measure(mebibytes: int = 1024) -> dict[str, float]:
    """Best of several rounds, taken by turns: MiB per second of both, their ratio, and our peak memory in MiB."""
    with work_directory() as directory, socket.create_server(("127.0.0.1", 0)) as listening:
        path, digest, block = directory / "image", hashlib.sha256(), os.urandom(1 << 20)
        with path.open("wb") as file:
            for number in range(mebibytes):
                piece = number.to_bytes(8, "big") + block[8:]
                digest.update(piece)
                file.write(piece)
        image = UploadImage(path, path.stat().st_size, digest.hexdigest(), "esxi/benchmark", "Benchmark")
        server = get_context("fork").Process(target=_serve, args=(listening,), daemon=True)
        server.start()
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/MAAS"
            rounds = [(_bare(url, path), _ours(url, image)) for _round in range(_ROUNDS)]
        finally:
            server.terminate()
            server.join()
    bare, ours = (mebibytes / min(seconds) for seconds in zip(*rounds, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"bare_mib_s": bare, "esxforge_mib_s": ours, "ratio": ours / bare, "peak_memory_mib": peak}


def main() -> None:
    """Print one line."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
    print(
        f"upload: {figures['esxforge_mib_s']:.0f} MiB/s, bare loop of PUTs {figures['bare_mib_s']:.0f} MiB/s, "
        f"ratio {figures['ratio']:.2f} (goal: 0.90), peak memory {figures['peak_memory_mib']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
