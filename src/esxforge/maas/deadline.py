"""A deadline for an entire exchange. httpx2's timeouts begin again with every byte that arrives."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from esxforge_target.runtime.http_limits import Alarm


class Deadline:
    """Hang up when sending a request, or the answer to it, takes more than ``seconds``. One for each client.

    Use it as a context manager around a request, and give the request ``extensions``. ``passed`` says afterwards that
    it hung up.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._alarm: Alarm | None = None
        self.passed = False

    @property
    def extensions(self) -> dict[str, Any]:
        """Request extensions for httpx2, with a callback that gets the connection's socket and its progress."""
        return {"trace": self._trace}

    def __enter__(self) -> Deadline:
        self.passed = False
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle events of httpcore's trace extension."""
        stream = info.get("return_value")
        if event.endswith(("connect_tcp.complete", "start_tls.complete")) and stream is not None:
            self._socket = stream.get_extra_info("socket")
        elif event.endswith(("send_request_headers.started", "receive_response_headers.started")) and self._socket:
            self._stop()
            self._alarm = Alarm(self._socket, self._seconds)
            self._alarm.__enter__()

    def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.__exit__()
            self.passed = self.passed or self._alarm.rang
            self._alarm = None
