"""The ways a request can fail, and what each means for the person.

::

    MaasError
    ├── TransientError   may go away by itself: no answer, connection lost, 409, 502, 503, 504, answer cut short
    └── RefusedError     MAAS said no; ``status`` and ``answer`` (cleaned) say how
"""

from __future__ import annotations

import re

import httpx2

from esxforge.errors import MaasError

_WRONG_URL_HINT = "Check the address: http://HOST:5240/MAAS, or https://HOST:5443/MAAS where MAAS has TLS."
_KEY_HINT = "Check the API key: it must be complete and belong to this MAAS. In MAAS: your name, “API keys”."
_PROXY_VARIABLES = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
_WITHOUT_PROXY = "env -u ALL_PROXY -u all_proxy"
_CLOCKS = re.compile(r"given (\d+) and now (\d+)")
_TLS_HINT = (
    "Name the authority that signed MAAS's certificate with --ca-file FILE; --insecure goes on without a check, "
    "and then anyone in between can read the API key."
)
TRANSIENT_STATUS = {
    409: "is busy with another change",
    502: "is not reached by the proxy in front of it",
    503: "is busy or starting",
    504: "did not answer the proxy in front of it in time",
}


class TransientError(MaasError):
    """May go away by itself.

    ``retry_after`` is what the server asked to wait, in seconds, or None; ``answered`` tells whether anything answered,
    and ``answer`` what (cleaned): MAAS says 409 and 503 with a text where trying again does not help, too. ``status``
    is None where no status came.
    """

    code = "maas.transient"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        retry_after: float | None = None,
        answered: bool = False,
        answer: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after
        self.answered = answered
        self.answer = answer
        self.status = status


class RefusedError(MaasError):
    """MAAS, or something in front of it, rejected the request."""

    code = "maas.refused"

    def __init__(self, message: str, hint: str = "", *, status: int, answer: str) -> None:
        super().__init__(message, hint)
        self.status = status
        self.answer = answer


def wrong_url(url: str, what: str) -> MaasError:
    """Something answers at the address, but it is not a MAAS."""
    return MaasError(f"What answers at {url} is not the interface of a MAAS: {what}.", _WRONG_URL_HINT)


def socks_proxy() -> MaasError:
    """The environment names a proxy that speaks SOCKS only."""
    return MaasError(
        "The environment names a SOCKS proxy, and esxforge speaks to HTTP proxies only.",
        f"Run it without: {_WITHOUT_PROXY} esxforge …; or name an HTTP proxy in HTTPS_PROXY and HTTP_PROXY.",
    )


def unusable_proxy() -> MaasError:
    """The environment names a proxy by something that is not the address of one."""
    return MaasError(
        "The address of the proxy in the environment cannot be used.",
        f"It looks like http://proxy.example.com:3128: check {_PROXY_VARIABLES}.",
    )


def unusable_environment(reason: str) -> MaasError:
    """The variables of the TLS library name files that it cannot use."""
    return MaasError(
        f"The files that the environment names for TLS cannot be used: {reason}.",
        "Check SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE, or unset them; --ca-file names an authority too.",
    )


def too_slow(url: str, timeout: float) -> TransientError:
    """The request, or the answer to it, was not complete in time, even if bytes kept coming."""
    return TransientError(
        f"{url} did not finish its answer within {timeout:g} seconds.",
        "Give it longer with --timeout SECONDS; check the network, and MAAS's load.",
        answered=True,
    )


# A list of cases, each with its own sentence: many returns are what makes it readable.
def from_transport(  # noqa: PLR0911
    error: httpx2.HTTPError, url: str, timeout: float, cleaned: str, *, reached: bool, proxies: bool = False
) -> MaasError:
    """The failure behind an exception of httpx2: no answer came at all. ``cleaned`` is its text without secrets.

    ``proxies``: the environment names some. Once MAAS was ``reached``, TLS that breaks after the connection is made is
    a lost connection, not a wrong set-up.
    """
    address_hint = _WRONG_URL_HINT + (f" Proxies are set: check {_PROXY_VARIABLES}." if proxies else "")
    setup = not reached or isinstance(error, httpx2.ConnectError)
    text = f"{error!r} {error.__cause__!r} {error.__context__!r}" if setup else ""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = cleaned.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "it does not verify"
        return MaasError(f"The TLS certificate of {url} is not trusted: {reason}.", _TLS_HINT)
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text or "record layer failure" in text.lower():
        return MaasError(f"{url} does not speak TLS.", "Give the address with http://, or the port where TLS is.")
    if "[SSL" in text or "TLSV1" in text:
        return MaasError(f"No TLS connection to {url}: {cleaned}.", _TLS_HINT)
    if isinstance(error, httpx2.ProxyError):
        return TransientError(
            f"The proxy on the way to {url} refused: {cleaned}.", "Check HTTP_PROXY, HTTPS_PROXY, NO_PROXY."
        )
    if isinstance(error, httpx2.ConnectTimeout):
        return TransientError(f"No connection to {url}: no answer in time.", address_hint)
    if isinstance(error, httpx2.ConnectError):
        return TransientError(f"No connection to {url}: {cleaned or 'refused'}.", address_hint)
    if isinstance(error, httpx2.TimeoutException):
        return TransientError(
            f"{url} did not answer within {timeout:g} seconds.", "Give it longer with --timeout SECONDS."
        )
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.TooManyRedirects):
        return wrong_url(url, cleaned)
    return TransientError(
        f"The connection to {url} was lost: {cleaned or type(error).__name__}.",
        "Check the network to MAAS, and that MAAS is running; then run the same command again.",
    )


# The same: one case, one sentence.
def from_answer(  # noqa: PLR0911
    status: int, answer: str, *, html: bool, url: str, location: str
) -> MaasError:
    """The failure that a status of 3xx, 4xx or 5xx means. ``answer`` is cleaned text; ``html`` tells a page of HTML."""

    def refused(message: str, hint: str = "") -> RefusedError:
        # The answer to a 401 can hold the secret.
        return RefusedError(message, hint, status=status, answer="" if status == 401 else answer)

    if 300 <= status < 400:
        return wrong_url(url, f"it sends us on to {location or 'another address'}")
    if status == 401:
        return refused(*_unauthorized(answer, url))
    if status == 403 and not html:
        if "admin" in answer:
            return refused(
                "The API key is right, but its user is not an administrator of MAAS.",
                "Images are for administrators: use an administrator's key.",
            )
        if "permission" in answer:
            return refused(
                f"The API key is right, but its user may not change images: {answer}",
                "Use the key of an administrator, or of a user who has the permission that MAAS names.",
            )
        return refused(f"MAAS does not allow this: {answer}", "Use the API key of an administrator.")
    if status == 407:
        return refused(f"The proxy on the way to {url} asks for a password.", "Set it in HTTPS_PROXY or HTTP_PROXY.")
    if status == 413:
        return refused(
            "Something in front of MAAS takes no requests of 4 MiB (413).",
            "Raise the limit of the reverse proxy (nginx: client_max_body_size), or use port 5240 directly.",
        )
    if html and status >= 500:
        return refused(
            f"MAAS, or a proxy in front of it, failed with a web page ({status}).",
            "Look into MAAS's log (regiond), then run the same command again.",
        )
    if html:
        return wrong_url(url, f"a web page answers (status {status})")
    if "No space left on device" in answer or "Errno 28" in answer:
        return refused(
            "The disk of MAAS is full.",
            "Delete images that are no longer needed (esxforge images list, esxforge images delete), or give MAAS "
            "a larger disk; then run the same command again.",
        )
    if status == 404:
        return refused(f"MAAS does not have that: {answer}", "esxforge images list shows what it has.")
    if status >= 500:
        return refused(
            f"MAAS failed with an error of its own ({status}): {answer}",
            "Look into MAAS's log (regiond), then run the same command again.",
        )
    return refused(f"MAAS refused ({status}): {answer}")


def _unauthorized(answer: str, url: str) -> tuple[str, str]:
    """Message and hint for a 401. What MAAS says is looked at, not shown: it can hold the secret."""
    if "Expired timestamp" in answer:
        clocks = _CLOCKS.search(answer)
        apart = f" {abs(int(clocks[1]) - int(clocks[2]))} seconds" if clocks else " more than 300 seconds"
        return (
            f"The clocks of this machine and of MAAS are{apart} apart; MAAS allows 300.",
            "Set the wrong one right (timedatectl shows the time), then run the same command again.",
        )
    if "Nonce already used" in answer:
        return (f"MAAS at {url} saw one request twice.", "Something on the way repeats requests: check the proxies.")
    if "Invalid signature" in answer:
        return (f"MAAS at {url} knows the API key, but its last part, the secret, is wrong.", _KEY_HINT)
    return (f"MAAS at {url} does not accept the API key.", _KEY_HINT)
