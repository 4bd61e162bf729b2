"""A local web page that shows the machine's screen while it works: on 127.0.0.1 alone, nothing from outside."""

from __future__ import annotations

import html
import json
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
    """What the page shows at one moment. ``number`` grows with each new picture; 0 means none yet."""

    sentence: str = "The virtual machine starts."
    serial: str = ""
    picture: bytes = b""
    number: int = 0


class WatchPage:
    """The page's address, and the place where the newest view is put. Made by :func:`watch_page`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._view = View()
        self.port = 0

    @property
    def address(self) -> str:
        """To be opened in a browser on this computer."""
        return f"http://127.0.0.1:{self.port}/"

    def show(self, sentence: str, serial: str, picture: bytes | None) -> None:
        """Show this from now on; None keeps the picture that is there."""
        with self._lock:
            old = self._view
            new = picture is not None and picture != old.picture
            self._view = View(sentence, serial, picture if new and picture else old.picture, old.number + new)

    def answer(self, path: str, host: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a request; ``host`` is its Host header."""
        with self._lock:
            view = self._view
        # A page elsewhere must not read this one through a name that it points at 127.0.0.1.
        if host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return 403, "text/plain; charset=utf-8", b"Open the address that esxforge printed.\n"
        match path.partition("?")[0]:
            case "/":
                return 200, "text/html; charset=utf-8", _PAGE.format(title=html.escape(self._title)).encode()
            case "/state.json":
                state = {"sentence": view.sentence, "serial": view.serial, "picture": view.number}
                if not view.number:
                    state["picture"] = -1
                return 200, "application/json", json.dumps(state).encode()
            case "/screen.png" if view.number:
                return 200, "image/png", view.picture
        return 404, "text/plain; charset=utf-8", b"There is nothing here.\n"


@contextmanager
def watch_page(title: str, port: int = 0) -> Iterator[WatchPage]:
    """Serve the page while the block runs, on a free port unless one is given. Raises :class:`OSError` if taken."""
    page = WatchPage(title)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:  # the name is http.server's
            status, kind, body = page.answer(self.path, self.headers.get("Host", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: stderr belongs to the person's progress display."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A browser that went away is no error of ours."""

    with Server(("127.0.0.1", port), Handler) as server:
        page.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()
