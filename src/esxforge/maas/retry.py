"""When and how long to wait before a request is repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

_LONGEST_RETRY_AFTER = 300.0


@dataclass(frozen=True)
class Backoff:
    """Waits double from ``first`` to ``longest`` seconds; after ``attempts`` failures in a row it is given up."""

    attempts: int = 8
    first: float = 1.0
    longest: float = 60.0

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures in a row (from 1), and not less than the server asked for."""
        own = min(self.longest, self.first * 2.0 ** (failures - 1))
        return max(own, retry_after or 0.0)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110 10.2.3: a number, or a date), at most 300; else None."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        seconds = moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp() - now
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)
