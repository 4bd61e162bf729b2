"""MAAS's metadata service, as seen from the machine that MAAS deploys."""

from esxforge_target.metadata.client import MetadataClient, Patience, Probe
from esxforge_target.metadata.endpoint import Endpoint, parse_endpoint
from esxforge_target.metadata.errors import (
    ANSWERED,
    RIGHT,
    SILENCE,
    MetadataError,
    NotOursError,
    NotThereError,
    RefusedError,
    TooLargeError,
    UnreachableError,
)
from esxforge_target.metadata.public_keys import PublicKeys, parse_public_keys
from esxforge_target.metadata.token import Token
from esxforge_target.metadata.way import look_up

__all__ = [
    "ANSWERED",
    "RIGHT",
    "SILENCE",
    "Endpoint",
    "MetadataClient",
    "MetadataError",
    "NotOursError",
    "NotThereError",
    "Patience",
    "Probe",
    "PublicKeys",
    "RefusedError",
    "Token",
    "TooLargeError",
    "UnreachableError",
    "look_up",
    "parse_endpoint",
    "parse_public_keys",
]
