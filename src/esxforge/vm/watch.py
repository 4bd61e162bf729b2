"""A local web page that shows the machine's screen while it works: on 127.0.0.1 alone, nothing from outside.

Its address holds a token that works once: the browser that opens it gets a cookie, and no other user of this computer
sees the page, even if the address is read in a log or a list of processes later.
"""

from __future__ import annotations

import html
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; padding: 1rem; background: #16191d; color: #e8e8e8; font: 16px/1.4 system-ui, sans-serif }}
img {{ display: block; max-width: 100%; background: #000; margin: 1rem 0 }}
pre {{ max-height: 20rem; overflow: auto; background: #000; padding: .5rem; white-space: pre-wrap; font-size: 13px }}
</style></head><body><h1>{title}</h1>
<p id="state" role="status">Waiting for the first picture.</p>
<img id="screen" alt="The virtual machine's screen" hidden>
<h2>Serial console</h2><pre id="serial" tabindex="0"></pre>
<script>
"use strict";
let shown = -1;
async function refresh() {{
  let pause = 1000;
  try {{
    const state = await (await fetch("state.json", {{cache: "no-store"}})).json();
    document.getElementById("state").textContent = state.sentence;
    const serial = document.getElementById("serial");
    const following = serial.scrollTop + serial.clientHeight >= serial.scrollHeight - 4;
    serial.textContent = state.serial;
    if (following) serial.scrollTop = serial.scrollHeight;
    if (state.picture !== shown) {{
      const picture = document.getElementById("screen");
      picture.src = "screen.png?" + state.picture;
      picture.hidden = false;
      shown = state.picture;
    }}
  }} catch (error) {{
    document.getElementById("state").textContent = "The virtual machine has ended.";
    pause = 5000;
  }}
  setTimeout(refresh, pause);
}}
refresh();
</script></body></html>
"""
_POLICY = (
    "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


@dataclass(frozen=True, slots=True)
class View:
    """State of the page at one moment. ``number`` grows with each new picture; 0 means none yet."""

    sentence: str = "The virtual machine starts."
    serial: str = ""
    picture: bytes = b""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to a browser; ``headers`` besides those that every answer has."""

    status: int
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class WatchPage:
    """The page's address, and its newest view. Made by :func:`watch_page`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._view = View()
        self._token: str | None = secrets.token_urlsafe(16)
        self._session = secrets.token_urlsafe(16)
        self.port = 0

    @property
    def address(self) -> str:
        """Address to be opened in a browser on this computer, once."""
        return f"http://127.0.0.1:{self.port}/?token={self._token or ''}"

    def show(self, sentence: str, serial: str, picture: bytes | None) -> None:
        """Show this from now on; None keeps the present picture."""
        with self._lock:
            old = self._view
            new = picture is not None and picture != old.picture
            self._view = View(sentence, serial, picture if new and picture else old.picture, old.number + new)

    def answer(self, target: str, host: str, cookies: str) -> Answer:
        """Return the answer to a request for ``target``; ``host`` and ``cookies`` are its Host and Cookie headers."""
        # A page elsewhere must not read this one through a name that it points at 127.0.0.1.
        if host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return _text(403, "Open the address that esxforge printed.")
        path, _, query = target.partition("?")
        if path == "/" and query.startswith("token="):
            return self._admit(query.removeprefix("token="))
        if not self._is_admitted(cookies):
            return _text(403, "The address that esxforge printed opens this page, once and in one browser.")
        return self._shown(path)

    def _shown(self, path: str) -> Answer:
        with self._lock:
            view = self._view
        match path:
            case "/":
                page = _PAGE.format(title=html.escape(self._title))
                return Answer(200, "text/html; charset=utf-8", page.encode())
            case "/state.json":
                state = {"sentence": view.sentence, "serial": view.serial, "picture": view.number}
                if not view.number:
                    state["picture"] = -1
                return Answer(200, "application/json", json.dumps(state).encode())
            case "/screen.png" if view.number:
                return Answer(200, "image/png", view.picture)
        return _text(404, "There is nothing here.")

    def _admit(self, token: str) -> Answer:
        """Exchange the token for a cookie. The browser is redirected to an address that gives nothing away."""
        with self._lock:
            right = self._token is not None and secrets.compare_digest(token.encode(), self._token.encode())
            if not right:
                return _text(403, "This address has been opened before, or is not the one that esxforge printed.")
            self._token = None
        cookie = f"{self._cookie}={self._session}; HttpOnly; SameSite=Lax; Path=/"
        return Answer(303, "text/plain; charset=utf-8", b"", (("Location", "/"), ("Set-Cookie", cookie)))

    def _is_admitted(self, cookies: str) -> bool:
        given = (part.strip().partition("=") for part in cookies.split(";"))
        return any(
            name == self._cookie and secrets.compare_digest(value.encode(), self._session.encode())
            for name, _, value in given
        )

    @property
    def _cookie(self) -> str:
        """Name of the cookie: cookies do not tell ports apart, so the name does."""
        return f"esxforge-{self.port}"


def _text(status: int, sentence: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())


@contextmanager
def watch_page(title: str, port: int = 0) -> Iterator[WatchPage]:
    """Serve the page while the block runs, on a free port unless one is given. Raises :class:`OSError` if taken."""
    page = WatchPage(title)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:  # the name is http.server's
            answer = page.answer(self.path, self.headers.get("Host", ""), self.headers.get("Cookie", ""))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Do nothing: stderr belongs to the user's progress display."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Do nothing: a browser that went away is not an error of ours."""

    with Server(("127.0.0.1", port), Handler) as server:
        page.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()
