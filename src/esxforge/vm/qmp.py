"""QEMU's control channel (QMP), one call at a time, over a socket that QEMU inherited: nothing of it is on the disk."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError

from esxforge.errors import ProcessError

_T = TypeVar("_T")
_HINT = "Try again; if it happens again, see whether this computer is overloaded or short of memory (dmesg)."
# The library logs what it also raises; without a handler Python would print that to stderr.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class QmpError(ProcessError):
    """QEMU refused a command, or the channel broke."""


class Qmp:
    """A connection to QEMU. Not for use by several threads."""

    def __init__(self, channel: socket.socket) -> None:
        """Take over ``channel``; :meth:`connect` speaks on it, :meth:`close` closes it in any case."""
        self._channel = channel
        self._loop = asyncio.new_event_loop()
        # asyncio would print a traceback for a task that Ctrl-C or QEMU's death ended; the caller gets the error.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._client: QMPClient | None = None

    def connect(self, *, limit: float) -> None:
        """Wait up to ``limit`` seconds for QEMU's greeting. Raises :class:`QmpError`."""

        async def connect() -> QMPClient:
            client = QMPClient("esxforge")
            await client.connect(self._channel)
            return client

        self._client = self._run(connect(), limit, "connect")

    def execute(self, command: str, arguments: Mapping[str, object] | None = None, *, limit: float = 20) -> Any:
        """Run one command and return its result. Raises :class:`QmpError`."""
        return self._run(self._connected().execute(command, arguments), limit, command)

    def events(self, wait: float) -> list[Mapping[str, Any]]:
        """The events that came since the last call; waits up to ``wait`` seconds for the first."""
        client = self._connected()

        async def collect() -> list[Mapping[str, Any]]:
            with suppress(asyncio.TimeoutError):
                first = await asyncio.wait_for(client.events.get(), wait)
                return [first, *client.events.clear()]
            return []

        return self._loop.run_until_complete(collect())

    def close(self) -> None:
        """Let go of the channel; does not end QEMU. May be called twice."""
        if self._loop.is_closed():
            return
        try:
            # Whatever broke the connection (QEMU's death, Ctrl-C in the middle of a call) comes up again here.
            with suppress(BaseException):
                self._loop.run_until_complete(asyncio.wait_for(self._disconnect(), 5))
            with suppress(BaseException):
                self._loop.run_until_complete(self._cancel_rest())
        finally:
            self._loop.close()
            self._channel.close()

    async def _disconnect(self) -> None:
        if self._client is not None:
            await self._client.disconnect()

    async def _cancel_rest(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()

    def _connected(self) -> QMPClient:
        if self._client is None:
            raise QmpError("There is no connection to QEMU.", _HINT)
        return self._client

    def _run(self, work: Coroutine[Any, Any, _T], limit: float, what: str) -> _T:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, limit))
        except ExecuteError as error:
            raise QmpError(f"QEMU refused “{what}”: {error}", _HINT) from error
        except asyncio.TimeoutError as error:
            raise QmpError(f"QEMU did not answer “{what}” within {limit:g} seconds.", _HINT) from error
        # The library asserts that a session stands, which QEMU's death in the middle of it disproves.
        except (QMPError, EOFError, OSError, AssertionError) as error:
            raise QmpError(f"QEMU's control channel broke at “{what}”: {error}", _HINT) from error
