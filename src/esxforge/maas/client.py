"""One request to MAAS: signed, bounded, and with every failure turned into words without secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar
from urllib.request import getproxies_environment

import httpx2

from esxforge import __version__, events
from esxforge.errors import FormatError, MaasError
from esxforge.maas import failures
from esxforge.maas.auth import OAuth1Plaintext
from esxforge.maas.connection import Connection, tls_context
from esxforge.maas.deadline import Deadline
from esxforge.maas.failures import TransientError
from esxforge.maas.redact import Redactor
from esxforge.maas.retry import Backoff, parse_retry_after
from esxforge_target.runtime.strict_json import load_json

_LONGEST_ANSWER = 32 << 20
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class MaasResponse:
    """Answer of MAAS to a request that it accepted: a status of 2xx, and text."""

    status: int
    text: str


@dataclass(frozen=True)
class Surroundings:
    """Dependencies of a client on the outside world, which tests replace.

    ``clock`` gives seconds since 1970, ``sleep`` waits for seconds; ``transport`` None means real sockets.
    """

    transport: httpx2.BaseTransport | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    backoff: Backoff = field(default_factory=Backoff)


class Client:
    """Client of one MAAS. Use it as a context manager, so that its connections are closed.

    No redirect is followed and no address from an answer is used: the key goes to the given address only.
    """

    def __init__(
        self,
        connection: Connection,
        listener: events.Listener = events.ignore,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.connection = connection
        self._surroundings = surroundings or Surroundings()
        self._listener = listener
        self._redactor = Redactor(connection.key)
        self._reached = False
        self._deadline = Deadline(connection.timeout)
        self._auth = OAuth1Plaintext(connection.key, self._surroundings.clock)
        try:
            self._http = httpx2.Client(
                base_url=connection.api,
                verify=tls_context(connection),
                transport=self._surroundings.transport,
                timeout=httpx2.Timeout(connection.timeout, connect=min(15.0, connection.timeout)),
                headers={
                    "User-Agent": f"esxforge/{__version__}",
                    "Accept": "application/json, text/plain",
                    "Accept-Encoding": "identity",  # what is not unpacked cannot grow in memory
                },
            )
        except ImportError as error:  # httpx2 speaks SOCKS with another package only
            raise failures.socks_proxy() from error
        except (ValueError, httpx2.InvalidURL) as error:
            raise failures.unusable_proxy() from error
        except OSError as error:  # ssl.SSLError is one, too
            raise failures.unusable_environment(self._redactor.clean(str(error)).rstrip(".")) from error
        if connection.insecure and connection.url.startswith("https:"):
            listener(
                events.Notice(
                    "the TLS certificate of MAAS is not checked: anyone in between can read the API key.", warning=True
                )
            )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        content: bytes | None = None,
        signed: bool = True,
    ) -> MaasResponse:
        """Send one request, once, to ``path`` below ``/api/2.0/``, with form ``fields`` (multipart) or ``content``.

        Raises TransientError or RefusedError (:mod:`esxforge.maas.failures`), or MaasError if something other than
        a MAAS answers.
        """
        try:
            with (
                self._deadline,
                self._http.stream(
                    method,
                    path,
                    params=query,
                    files=[(name, (None, value)) for name, value in fields.items()] if fields else None,
                    content=content,
                    headers={"Content-Type": "application/octet-stream"} if content is not None else None,
                    auth=self._auth if signed else None,
                    extensions=self._deadline.extensions,
                ) as response,
            ):
                text = self._read(response)
        except httpx2.HTTPError as error:
            if self._deadline.passed:
                raise failures.too_slow(self.connection.url, self.connection.timeout) from error
            raise failures.from_transport(
                error,
                self.connection.url,
                self.connection.timeout,
                self._redactor.clean(str(error)).rstrip("."),
                reached=self._reached,
                proxies=bool(getproxies_environment().keys() - {"no"}),
            ) from error
        if self._deadline.passed:  # an answer that ends where the connection does looks complete then
            raise failures.too_slow(self.connection.url, self.connection.timeout)
        sent = f", {len(content)} bytes sent" if content is not None else ""
        self._listener(
            events.Detail(self._redactor.clean(f"MAAS: {method} {response.url} → {response.status_code}{sent}"))
        )
        self._judge(response, text)
        self._reached = True
        return MaasResponse(response.status_code, text)

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """Send one request, once, and return the JSON of the answer. Raises as :meth:`request`."""
        answer = self.request(method, path, **arguments)
        try:
            return load_json(answer.text, "The answer", most_bytes=_LONGEST_ANSWER)
        except FormatError:
            raise TransientError(
                f"MAAS at {self.connection.url} gave an answer that is cut short or is not JSON.",
                "Check the network and the proxies between here and MAAS.",
                answered=True,
            ) from None

    def patiently(self, call: Callable[[], _Result]) -> _Result:
        """Return the result of ``call``, repeated while it fails transiently; only for calls safe to repeat."""
        count = 0
        while True:
            try:
                return call()
            except TransientError as error:  # noqa: PERF203 - to try again is what this loop is for
                count += 1
                self.pause(count, error)

    def pause(self, count: int, error: TransientError) -> None:
        """Wait after the ``count``-th transient failure in a row, or raise if waiting is pointless.

        An address at which nothing has answered yet is taken for a wrong one, which is reported at once.
        """
        backoff = self._surroundings.backoff
        if not (self._reached or error.answered):
            raise error
        if count >= backoff.attempts:
            raise MaasError(
                f"{error.message} This was tried {count} times.",
                "Whatever MAAS has received is kept: once it answers again, the same command goes on from there.",
            ) from error
        seconds = backoff.wait(count, error.retry_after)
        self._listener(
            events.Notice(f"{error.message} Trying again in {seconds:g} s ({count} of {backoff.attempts - 1}).")
        )
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._surroundings.sleep(seconds)

    def clean(self, text: str) -> str:
        """Return text from a server, fit to be shown: short, without secrets."""
        return self._redactor.clean(text)

    def _read(self, response: httpx2.Response) -> str:
        content = bytearray()
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise failures.wrong_url(self.connection.url, "its answer is compressed, which it was asked not to be")
        for part in response.iter_bytes():
            content += part
            if len(content) > _LONGEST_ANSWER:
                raise failures.wrong_url(self.connection.url, "its answer does not end")
        return content.decode("utf-8", "replace")

    def _judge(self, response: httpx2.Response, text: str) -> None:
        status, url = response.status_code, self.connection.url
        # MAAS labels plain text as HTML now and then, so the text decides, not its label.
        html = text.lstrip()[:1] == "<"
        if status in failures.TRANSIENT_STATUS:
            raise TransientError(
                f"MAAS at {url} {failures.TRANSIENT_STATUS[status]} ({status}).",
                "Wait a little, then run the same command again.",
                retry_after=parse_retry_after(response.headers.get("Retry-After"), self._surroundings.clock()),
                answered=True,
                answer="" if html else self.clean(text),
                status=status,
            )
        if not 200 <= status < 300:
            location = self.clean(response.headers.get("Location", ""))
            raise failures.from_answer(status, self.clean(text), html=html, url=url, location=location)
        if html:
            raise failures.wrong_url(url, "a web page answers")
