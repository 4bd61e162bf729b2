"""Whole numbers in texts: ``isdigit`` also takes ², which ``int`` does not, and ``int`` stops at 4300 digits."""

import re

_WHOLE = re.compile(r"\A[0-9]{1,18}\Z")


def is_whole(text: str) -> bool:
    """Return whether this is a whole number of at most 18 ASCII digits: it fits into 64 bits."""
    return _WHOLE.match(text) is not None
