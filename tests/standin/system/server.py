"""Runs ESXi's commands for their small client program: Python and the fake are loaded once, not for each command.

The client (``client.py``) sends its arguments and standard input; a child of the server runs the command and answers
with exit status and output. Both sides speak marshal: they are the same Python.
"""

from __future__ import annotations

import io
import marshal
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

SOCKET = "/run/standin/commands"


def start(run: Callable[[list[str], str], int]) -> None:
    """Serve from now on, in a process of its own. ``run``: arguments and standard input → exit status."""
    Path(SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen(64)
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(connection, run)
                os._exit(0)
            connection.close()
    listener.close()


def _answer(connection: socket.socket, run: Callable[[list[str], str], int]) -> None:
    words, stdin = marshal.loads(_received(connection))  # noqa: S302  from our own client
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = run(words, stdin)
        except BaseException as error:
            status = 70
            print(f"{words[0]}: the stand-in failed: {type(error).__name__}: {error}", file=sys.stderr)
    connection.sendall(marshal.dumps((status, out.getvalue(), err.getvalue())))
    connection.shutdown(socket.SHUT_RDWR)  # a process that the command started may still have it open


def _received(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
