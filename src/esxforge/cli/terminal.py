"""The edge: whatever is written to stdout and stderr passes one filter, and only rich's own styles go round it.

Terminals obey what they are sent, and text here comes from ISOs, manifests, configurations, MAAS and guests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from esxforge_target.runtime.visible import visible


class FilteredStream:
    """A text stream on which control characters and escape sequences come out as escapes."""

    def __init__(self, stream: IO[str]) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Write ``text``, filtered."""
        self.unfiltered.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of ``lines``, filtered."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # typer writes past us to it where the locale is plain ASCII
            raise AttributeError(name)
        return getattr(self.unfiltered, name)


@contextmanager
def filtered_streams() -> Iterator[None]:
    """stdout and stderr are filtered inside the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("Any", FilteredStream(sys.stdout)), cast("Any", FilteredStream(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unfiltered(stream: IO[str]) -> IO[str]:
    """The stream below the filter, for a console that filters by itself."""
    return stream.unfiltered if isinstance(stream, FilteredStream) else stream
