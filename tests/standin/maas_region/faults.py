"""Faults on order: which request is hit, and what happens to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "drop-unread",  # the connection is closed before the request's body is read
    "drop-before",  # the request is read, then the connection is closed: nothing was done
    "drop-after",  # the request is done, then the connection is closed: the answer is lost
    "cut",  # done; the answer ends in the middle of its announced length
    "cut-json",  # done; the answer's text is half of what it should be, announced so
    "busy",  # 503 with Retry-After: 10, nothing done
    "conflict",  # 409 with Retry-After: 5, nothing done
    "gateway",  # 502 and a page of HTML, nothing done
    "html",  # 200 and a page of HTML, nothing done
    "full",  # no space: as the version says it
    "missing",  # 500: the partial file on disk is gone
    "damage",  # one byte of the chunk is flipped on the way
    "forget",  # OK, but nothing is counted
    "too-large",  # 413 from a proxy
    "hang",  # no answer until the server stops
    "sync-fails",  # a PUT that completes the file is done, then 500: synchronizing the regions failed
]


@dataclass
class Fault:
    """Hits requests of ``method`` from the ``at``-th (from 0) since it was set, ``times`` times."""

    method: str
    kind: Kind
    at: int = 0
    times: int = 1
    path: str = ""
    seen: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Count this request, and tell whether it is hit."""
        if method != self.method or self.path not in path:
            return False
        self.seen += 1
        return self.at < self.seen <= self.at + self.times
