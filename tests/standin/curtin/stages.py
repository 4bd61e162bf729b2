"""Signed requests to MAAS, and the stages of an installation as curtin's webhook reporter tells them."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Files = Iterable[tuple[str, bytes]]


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


class Stages:
    """Tells MAAS's endpoint for events when a stage starts and how it ends."""

    def __init__(self, client: MaasClient, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint

    def run(
        self, name: str, description: str, work: Callable[[], None], last_files: Callable[[], Files] = lambda: ()
    ) -> None:
        """Do ``work`` as a stage; ``last_files`` (path, content) go with its last event. Raises what ``work`` does."""
        told: dict[str, Any] = {"origin": "curtin", "name": name, "description": description}
        self._post({**told, "event_type": "start"})
        result = "FAIL"
        try:
            work()
            result = "SUCCESS"
        finally:
            files = [
                {"path": path, "encoding": "base64", "content": base64.b64encode(data).decode("ascii")}
                for path, data in last_files()
            ]
            more = {"files": files} if files else {}
            self._post({**told, "event_type": "finish", "result": result, **more})

    def _post(self, event: Mapping[str, Any]) -> None:
        self._client.request(self._endpoint, json.dumps({**event, "timestamp": time.time()}).encode("ascii"))
