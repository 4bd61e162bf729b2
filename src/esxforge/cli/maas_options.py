"""The options that every verb which talks to MAAS has, and the connection that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from esxforge import events

if TYPE_CHECKING:
    from esxforge.maas.connection import Connection

_PANEL = "MAAS"

ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Profile of the maas CLI to use.", rich_help_panel=_PANEL)
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--maas-url",
        help="Address of MAAS, like http://maas:5240/MAAS. Else MAAS_URL, or the maas CLI's only profile.",
        rich_help_panel=_PANEL,
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        readable=False,
        help="File that holds the API key. Else MAAS_API_KEY. A key is never taken as an argument.",
        rich_help_panel=_PANEL,
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", help="Authority that signed MAAS's certificate, as PEM.", readable=False, rich_help_panel=_PANEL
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Do not check MAAS's certificate. Unsafe.", rich_help_panel=_PANEL)
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=1.0, help="Longest wait for one answer of MAAS, in seconds.", rich_help_panel=_PANEL),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for errors too.")]


class MaasOptions(NamedTuple):
    """What these options say, in one thing."""

    profile: str | None
    maas_url: str | None
    api_key_file: Path | None
    ca_file: Path | None
    insecure: bool
    timeout: float


def connect(where: MaasOptions, listener: events.Listener) -> Connection:
    """The connection that the options, the environment and the maas CLI's profiles mean. Raises MaasError."""
    import os

    from esxforge.maas.credentials import ConnectionOptions, find_connection, readable_by_others

    if where.api_key_file is not None and readable_by_others(where.api_key_file):
        listener(events.Notice(f"others can read the API key: chmod 600 {where.api_key_file}", warning=True))
    return find_connection(ConnectionOptions(*where), os.environ, Path.home())


def names_one(where: MaasOptions) -> bool:
    """Whether the options, the environment or the maas CLI's only profile names a MAAS. Raises MaasError."""
    import os

    from esxforge.maas import credentials

    return credentials.names_one(credentials.ConnectionOptions(*where), os.environ, Path.home())
