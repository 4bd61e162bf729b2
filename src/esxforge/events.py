"""Progress as data. Layers below the command line tell what they do to whoever listens; they never print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins. ``total`` is its size in bytes where that is known, else None."""

    step: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class BytesDone:
    """So many bytes of the step are through, counted from its start."""

    step: str
    done: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """The step ended well."""

    step: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the person should know: a decision that changes what they gave, or (``warning``) a danger."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Why something is done as it is; shown with ``--verbose``."""

    text: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Something that only a log has room for, such as each request to MAAS. Holds no secrets."""

    text: str


Event: TypeAlias = StepStarted | BytesDone | StepFinished | Notice | Decision | Detail
Listener: TypeAlias = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""


@contextmanager
def step(listener: Listener, name: str, total: int | None = None) -> Iterator[None]:
    """Tell that a step starts and, unless it raises, that it finished."""
    listener(StepStarted(name, total))
    yield
    listener(StepFinished(name))
