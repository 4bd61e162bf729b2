"""The options of every verb that connects to MAAS, as one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from esxforge import events
from esxforge.cli.option_groups import OptionGroup

if TYPE_CHECKING:
    from esxforge.maas.connection import Connection
    from esxforge.maas.credentials import ConnectionOptions

_PANEL = "MAAS"
_TIMEOUT = 300.0

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for errors too.")]


@dataclass(frozen=True)
class MaasOptions(OptionGroup):
    """Which MAAS, whose key, and whether its certificate is checked."""

    profile: Annotated[
        str | None, typer.Option("--profile", help="Profile of the maas CLI to use.", rich_help_panel=_PANEL)
    ] = None
    maas_url: Annotated[
        str | None,
        typer.Option(
            "--maas-url",
            help="URL of MAAS, such as http://maas:5240/MAAS. [default: $MAAS_URL, or the maas CLI's only profile]",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            readable=False,
            help="File with the API key; keys are never passed on the command line. [default: $MAAS_API_KEY]",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            help="PEM file of the CA that signed MAAS's certificate.",
            readable=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Do not verify MAAS's certificate. Unsafe.", rich_help_panel=_PANEL)
    ] = False

    @property
    def seconds(self) -> float:
        """The longest wait for one answer."""
        return _TIMEOUT

    @property
    def given(self) -> dict[str, object]:
        """The options that were given, by name."""
        named = {
            "--profile": self.profile,
            "--maas-url": self.maas_url,
            "--api-key-file": self.api_key_file,
            "--ca-file": self.ca_file,
            "--insecure": self.insecure or None,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def words(self) -> list[str]:
        """The options that were given, for a command line."""
        return [
            str(word) for name, value in self.given.items() for word in ((name,) if value is True else (name, value))
        ]

    def connect(self, listener: events.Listener, *, seconds: float | None = None) -> Connection:
        """The connection that the options, the environment and the maas CLI's profiles give. Raises MaasError."""
        import os

        from esxforge.local.directories import home
        from esxforge.maas.credentials import find_connection, readable_by_others

        if self.api_key_file is not None and readable_by_others(self.api_key_file):
            listener(
                events.Notice(f"others can read the API key: chmod 600 {quote(str(self.api_key_file))}", warning=True)
            )
        return find_connection(self._options(seconds), os.environ, home())

    def names_one(self) -> bool:
        """True if the options, the environment or the maas CLI's only profile name a MAAS. Raises MaasError."""
        import os

        from esxforge.local.directories import home
        from esxforge.maas import credentials

        return credentials.names_one(self._options(None), os.environ, home())

    def _options(self, seconds: float | None) -> ConnectionOptions:
        from esxforge.maas.credentials import ConnectionOptions

        return ConnectionOptions(
            self.profile, self.maas_url, self.api_key_file, self.ca_file, self.insecure, seconds or self.seconds
        )


@dataclass(frozen=True)
class MaasOptionsWithTimeout(MaasOptions):
    """Those of the verbs that have no other ``--timeout``."""

    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=1.0, help="Maximum time to wait for one answer, in seconds.", rich_help_panel=_PANEL
        ),
    ] = _TIMEOUT

    @property
    def seconds(self) -> float:
        return self.timeout
