"""What the service may do instead of answering."""

from __future__ import annotations

import enum


class Fault(enum.Enum):
    """What the service may do instead of answering."""

    UNAVAILABLE = "503, without Retry-After"
    BUSY = "503 with Retry-After: 10"
    BAD_GATEWAY = "502, as a proxy in front of MAAS says it"
    RESET = "the connection is reset before any answer"
    HANG = "the connection is taken, then nothing is said"
    TRUNCATED = "half of the promised body, then the end"
    DRIP = "one byte now and then, without end"
    GARBAGE = "bytes that are no HTTP"
    REDIRECT = "302 to somewhere else"
    UNSIGNED = "a proxy in front drops the Authorization header"
