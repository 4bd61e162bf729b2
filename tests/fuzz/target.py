"""A reader as a target: what starts it, where its inputs come from, and how they are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from esxforge_target.runtime.errors import ForgeError
from fuzz.mutate import Mutate

DATA = Path(__file__).parents[1] / "data"
CASES = DATA / "hostile"


def read_all(*readers: Callable[[], object]) -> None:
    """Start each, whatever the others make of it; what they say together is raised as one error."""
    said = []
    for reader in readers:
        try:
            reader()
        except ForgeError as error:  # noqa: PERF203
            said.append(error.message)
    if said:
        raise ForgeError(" | ".join(said))


@dataclass(frozen=True)
class Target:
    """``run`` raises ForgeError for what cannot be read, and nothing else. ``seeds`` are good inputs.

    ``modules`` are the files below src whose branches it is to reach, or of a file after a colon the functions, where
    others in it read nothing. ``suffix`` is that of a case's file.
    """

    name: str
    run: Callable[[bytes], str | None]
    seeds: Callable[[], list[bytes]]
    mutate: Mutate
    modules: tuple[str, ...]
    suffix: str = "bin"

    @property
    def cases(self) -> list[Path]:
        """Inputs that went wrong once."""
        return sorted(path for path in (CASES / self.name).glob("*") if path.is_file())
