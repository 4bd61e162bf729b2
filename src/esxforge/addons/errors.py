"""Errors of add-ons."""

from __future__ import annotations

from esxforge.errors import ForgeError

AGAIN = "Download or copy it again, and compare its checksum with the one on the download page."


class AddOnError(ForgeError):
    """A file is not a VIB or an offline bundle, or is damaged."""

    code = "add-on"
