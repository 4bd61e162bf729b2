"""rich's console, with the filter between what is shown and how: its own styles and cursor movements pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from esxforge.cli.terminal import unfiltered
from esxforge_target.runtime.visible import visible


class FilteredConsole(Console):
    """Writes to ``stream``; text is filtered as everywhere else."""

    def __init__(self, stream: IO[str], **options: Any) -> None:
        super().__init__(file=unfiltered(stream), highlight=False, markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's; a plain text is filtered before rich measures it, or drops what it does not know."""
        super().print(*(visible(part) if isinstance(part, str) else part for part in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every text that is shown comes by here, those within tables too."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
