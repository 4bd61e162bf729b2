"""The options about the files of an image, and of ``--verbose``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Log every decision.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite existing output files.")]
ModeOption = Annotated[
    str,
    typer.Option(
        "--mode", metavar="MODE", help="File permissions of the image, such as 0640. It holds a password hash."
    ),
]


def image_mode(text: str) -> int:
    """The permissions that ``--mode`` gives; anything but reading and writing is a usage error."""
    if re.fullmatch(r"0?[0-7]{3}", text) and int(text, 8) & 0o600 == 0o600 and not int(text, 8) & 0o111:
        return int(text, 8)
    raise typer.BadParameter("give permissions that let the owner read and write, such as 0640", param_hint="--mode")
