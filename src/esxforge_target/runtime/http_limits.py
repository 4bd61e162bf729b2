"""Bounds that ``http.client`` lacks: on the total time of an answer, and on its size."""

import http.client
import socket
import threading
from typing import Any

_CHUNK = 65536


class AnswerTooLongError(Exception):
    """The body is longer than allowed. Internal: callers turn it into an error for people."""


class Alarm:
    """Hangs up ``sock`` after ``seconds``, unless left before. A socket's own time-out begins again with every byte, so
    without this anybody could hold the host by sending one now and then. ``rang`` says that it hung up.
    """

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.rang = False
        self._sock = sock
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> "Alarm":
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()

    def _hang_up(self) -> None:
        self.rang = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already


def read_body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Return the complete body. Raises AnswerTooLongError beyond ``limit`` bytes, IncompleteRead when it is cut."""
    taken = bytearray()
    while True:
        data = response.read(_CHUNK)
        if not data:
            break
        taken += data
        if len(taken) > limit:
            raise AnswerTooLongError
    if response.length:  # what is still missing from Content-Length
        raise http.client.IncompleteRead(bytes(taken), response.length)
    return bytes(taken)
