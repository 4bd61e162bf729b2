"""Errors between this host and MAAS's metadata service.

::

    MetadataError            root
    ├── UnreachableError     no usable answer; ``connectivity`` says what that proves about the network
    ├── RejectedError        MAAS answered, but not with what was asked for (401, 403, 4xx, redirects, wrong content)
    │   ├── NotThereError    404
    │   └── NotOursError     the answer is about another machine (such as an enlistment answer)
    └── TooLargeError        the answer is longer than this host is willing to read
"""

from esxforge_target.runtime.errors import ForgeError

SILENCE = "silence"
ANSWERED = "answered"
RIGHT = "right"


class MetadataError(ForgeError):
    """MAAS's metadata service could not be used."""


class UnreachableError(MetadataError):
    """No complete HTTP answer came back.

    ``connectivity`` is ``SILENCE`` when nothing at all was heard (no connection, no route, no name) and ``ANSWERED``
    when something was: a refused or reset connection, an accepted one, half an answer, a TLS failure.
    """

    def __init__(self, message: str, connectivity: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.connectivity = connectivity


class RejectedError(MetadataError):
    """MAAS answered, but not with what was asked for. ``status`` is the HTTP status."""

    def __init__(self, message: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status


class NotThereError(RejectedError):
    """MAAS has nothing under that path (404)."""


class NotOursError(RejectedError):
    """The answer is meant for another machine."""


class TooLargeError(MetadataError):
    """The answer is longer than this host is willing to read."""
