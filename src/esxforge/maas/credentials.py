"""Sources of the API key: a file, the environment, or a profile of the ``maas`` CLI. Never an argument."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esxforge.errors import FormatError, InputError, MaasError
from esxforge.local.reading import read_file
from esxforge.maas.auth import KEY_HINT, ApiKey
from esxforge.maas.connection import Connection, base_url
from esxforge_target.runtime.strict_json import load_json

_WAYS = (
    "Give --maas-url and --api-key-file, set MAAS_URL and MAAS_API_KEY, or log in with the maas CLI "
    "(maas login PROFILE URL) and give --profile."
)
_LONGEST_KEY_FILE = 4096


@dataclass(frozen=True)
class ConnectionOptions:
    """Connection options of the command line; None if not given."""

    profile: str | None = None
    maas_url: str | None = None
    api_key_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False
    timeout: float = 300.0


def find_connection(desired: ConnectionOptions, environment: Mapping[str, str], home: Path) -> Connection:
    """Return the connection that the command line, the environment and the profiles in ``home`` give, in this order.

    A profile that is named wins over the environment; the only profile is used if nothing else is given.
    Raises MaasError saying what is missing.
    """
    url, key_text = desired.maas_url or environment.get("MAAS_URL"), environment.get("MAAS_API_KEY")
    if desired.profile is not None:
        if desired.maas_url or desired.api_key_file:
            raise MaasError("--profile and --maas-url or --api-key-file say two different things.", "Leave one out.")
        return _from_profile(desired, desired.profile, home)
    if not url and not desired.api_key_file and not key_text:
        return _from_profile(desired, None, home)
    if not url:
        raise MaasError("There is an API key, but the address of MAAS is missing.", "Give --maas-url or set MAAS_URL.")
    if desired.api_key_file is not None:
        key = ApiKey.parse(_read_key_file(desired.api_key_file), f"the file {desired.api_key_file}")
    elif key_text:
        key = ApiKey.parse(key_text, "the variable MAAS_API_KEY")
    else:
        raise MaasError("The address of MAAS is known, but there is no API key.", _WAYS)
    return Connection(base_url(url), key, ca_file=desired.ca_file, insecure=desired.insecure, timeout=desired.timeout)


def names_one(desired: ConnectionOptions, environment: Mapping[str, str], home: Path) -> bool:
    """Return whether the command line, the environment or the only profile names a MAAS, even if incompletely.

    Raises MaasError for profiles that cannot be read.
    """
    said = desired.profile or desired.maas_url or desired.api_key_file
    said = said or environment.get("MAAS_URL") or environment.get("MAAS_API_KEY")
    return bool(said) or len(_profiles(home)) == 1


def readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine can read the key file."""
    try:
        status = path.stat()
    except OSError:
        return False
    return path.is_file() and bool(status.st_mode & 0o044)


def _read_key_file(path: Path) -> str:
    try:
        return read_file(path, largest=_LONGEST_KEY_FILE, pipes=True).decode("ascii")
    except InputError as error:
        raise MaasError(f"The API key cannot be read: {error.message}", KEY_HINT, error.place) from error
    except UnicodeDecodeError:
        return ""  # which is no key: the caller says so


def profile_databases(home: Path) -> list[Path]:
    """Return where the maas CLI keeps its profiles: Debian package, or the home directory that the snap sees."""
    return [home / ".maascli.db", home / "snap" / "maas" / "current" / ".maascli.db"]


def _from_profile(desired: ConnectionOptions, name: str | None, home: Path) -> Connection:
    profiles = _profiles(home)
    if name is None:
        if len(profiles) != 1:
            known = f" The maas CLI has several profiles: {', '.join(sorted(profiles))}." if profiles else ""
            raise MaasError(f"Which MAAS, and with which API key?{known}", _WAYS)
        name = next(iter(profiles))
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise MaasError(
            f"The maas CLI has no profile “{name}” here; there are: {known}.",
            "Name one of these, or log in: maas login PROFILE URL",
        )
    profile = profiles[name]
    url, parts, certificates = profile.get("url"), profile.get("credentials"), profile.get("cacerts")
    if not isinstance(url, str):
        raise MaasError(
            f"The profile “{name}” of the maas CLI holds no address.", f"Log in again: maas login {name} URL"
        )
    if not parts:
        raise MaasError(
            f"The profile “{name}” of the maas CLI is logged in without a key.",
            f"Log in with a key: maas login {name} {url}",
        )
    text = ":".join(map(str, parts)) if isinstance(parts, list) else str(parts)
    return Connection(
        base_url(url),
        ApiKey.parse(text, f"the profile “{name}”"),
        ca_file=desired.ca_file,
        ca_certificates=certificates if isinstance(certificates, str) and certificates else None,
        insecure=desired.insecure,
        timeout=desired.timeout,
        profile=name,
    )


def _profiles(home: Path) -> dict[str, Mapping[str, Any]]:
    profiles: dict[str, Mapping[str, Any]] = {}
    for database in reversed(profile_databases(home)):
        profiles.update(_read_profiles(database))
    return profiles


def _read_profiles(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the profiles by name, read without writing or long locks. Source: canonical/maas src/maascli/config.py."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            rows = database.execute("SELECT name, data FROM profiles").fetchall()
        profiles = {str(name): load_json(str(data), "An entry") for name, data in rows}
    except (sqlite3.Error, UnicodeError, FormatError) as error:  # a damaged file may name a table that is not UTF-8
        kind = str(error).rstrip(".")
        raise MaasError(f"The profiles of the maas CLI in {path} cannot be read: {kind}.", _WAYS) from None
    return {name: profile for name, profile in profiles.items() if isinstance(profile, dict)}
