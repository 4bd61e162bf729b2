"""Errors in the documents that an owner or MAAS sends."""

from esxforge_target.runtime.errors import ForgeError


class CloudDataError(ForgeError):
    """vendor-data or user-data, or one entry of it, cannot be used."""
