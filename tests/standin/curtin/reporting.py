"""Signed requests to MAAS, and curtin's events: a start and a finish for each stage, command and subcommand.

Facts from canonical/curtin 23.1.1 (``reporter/``, ``commands/install.py``) and from runs of it, recorded in
tests/data/curtin-runs.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Post = Callable[[Mapping[str, Any]], None]


def oauth_header(token: Mapping[str, str], nonce: str, now: float) -> str:
    """The Authorization header, PLAINTEXT (RFC 5849, 3.4.4)."""
    fields = {
        "oauth_nonce": nonce,
        "oauth_timestamp": str(int(now)),
        "oauth_version": "1.0",
        "oauth_signature_method": "PLAINTEXT",
        "oauth_consumer_key": token["consumer_key"],
        "oauth_token": token["token_key"],
        "oauth_signature": "%26" + token["token_secret"],
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def get(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
    """An answer's bytes. Proxies have no say. Raises OSError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data=body, headers=dict(headers or {})), timeout=60) as answer:
        data: bytes = answer.read()
        return data


class MaasClient:
    """Requests signed with one token."""

    def __init__(self, token: Mapping[str, str]) -> None:
        self._token = token
        self._count = 0

    def request(self, url: str, body: bytes | None = None) -> bytes:
        """The answer's bytes. Raises OSError."""
        self._count += 1
        headers = {"Authorization": oauth_header(self._token, f"{time.time()}-{self._count}", time.time())}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return get(url, headers, body)


class Reporter:
    """Posts an event when something starts and when it ends, with result FAIL and level ERROR where it raised."""

    def __init__(self, post: Post) -> None:
        self._post = post

    @contextmanager
    def event(
        self,
        name: str,
        description: str,
        level: str = "INFO",
        say: Callable[[str], None] = lambda line: None,
        files: Sequence[Path] = (),
    ) -> Iterator[None]:
        """Around some work. ``say`` gets a line for each event; ``files`` go with the last one, base64-coded."""
        told = {"origin": "curtin", "name": name, "description": description}
        self._send({**told, "event_type": "start", "level": level})
        say(f"start: {name}: {description}")
        result = "FAIL"
        try:
            yield
            result = "SUCCESS"
        finally:
            last: dict[str, Any] = {**told, "event_type": "finish", "result": result}
            last["level"] = "ERROR" if result == "FAIL" else level
            if files:
                last["files"] = [_packed(path) for path in files]
            self._send(last)
            say(f"finish: {name}: {result}: {description}")

    def _send(self, event: Mapping[str, Any]) -> None:
        self._post({**event, "timestamp": time.time()})


def poster(token: Mapping[str, str], endpoint: str) -> Post:
    """Posts events to MAAS's endpoint; one that does not get through is dropped, with a line on the console."""
    client = MaasClient(token)

    def post(event: Mapping[str, Any]) -> None:
        try:
            client.request(endpoint, json.dumps(event).encode("ascii"))
        except OSError as error:
            print(f"curtin: an event was not posted: {error}", flush=True)

    return post


def _packed(path: Path) -> dict[str, str | None]:
    # A file that is missing is sent without content.
    content = base64.b64encode(path.read_bytes()).decode("ascii") if path.is_file() else None
    return {"path": str(path), "content": content, "encoding": "base64"}
