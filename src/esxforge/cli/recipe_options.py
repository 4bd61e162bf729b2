"""The options that lie over keys of the recipe, for every verb that makes an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A recipe, esxforge.toml.", show_default=False, readable=False)
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--root-password-file", help="File whose first line is root's password.", show_default=False, readable=False
    ),
]
PasswordHashOption = Annotated[
    str | None,
    typer.Option("--root-password-hash", help="Its crypt hash, $6$….", show_default=False, metavar="HASH"),
]
PasswordRandomOption = Annotated[
    bool, typer.Option("--root-password-random", help="A random one on each host; root is left to SSH keys.")
]
FormatOption = Annotated[
    Literal["ddgz", "raw"] | None,
    typer.Option("--format", help="ddgz (default) or raw, a sparse disk.", show_default=False),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the output.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Tell every decision.")]


def password_flags(file: Path | None, crypt_hash: str | None, random: bool) -> dict[str, Any]:
    """What was given of root's password, as the recipe's table has it."""
    return {"file": file, "hash": crypt_hash, "random": random or None}
