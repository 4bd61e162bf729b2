"""The options that lie over keys of the recipe, for every verb that makes an image."""

from __future__ import annotations

import re
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
ModeOption = Annotated[
    str,
    typer.Option("--mode", metavar="MODE", help="Permissions of the image, which holds a password hash; 0640, say."),
]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Tell every decision.")]


def password_flags(file: Path | None, crypt_hash: str | None, random: bool) -> dict[str, Any]:
    """What was given of root's password, as the recipe's table has it."""
    return {"file": file, "hash": crypt_hash, "random": random or None}


def image_mode(text: str) -> int:
    """The permissions that ``--mode`` gives; anything but reading and writing is a usage error."""
    if re.fullmatch(r"0?[0-7]{3}", text) and int(text, 8) & 0o600 == 0o600 and not int(text, 8) & 0o111:
        return int(text, 8)
    raise typer.BadParameter("give permissions that let the owner read and write, such as 0640", param_hint="--mode")
