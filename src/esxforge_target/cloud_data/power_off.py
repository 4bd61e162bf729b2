"""MAAS's answer to who asks for user-data though MAAS is not deploying that machine: a script that switches it off.

Source: canonical/maas 3.2 to 3.8, ``UserDataHandler`` in ``src/metadataserver/api.py`` (for a deployment that failed or
was aborted, the status stays) and ``src/metadataserver/user_data``: multipart with one shell script, ``user_data.sh``.
"""

import email
import email.policy

_NAME = "user_data.sh"
# Owners may call a script of their own by that name.
_MARK = b"Powering node off"
_LONGEST = 16 * 1024


def is_power_off(data: bytes) -> bool:
    """Return whether this is that answer, and not the owner's user-data."""
    if len(data) > _LONGEST:
        return False
    message = email.message_from_bytes(data.lstrip(), policy=email.policy.compat32)
    parts = [part for part in message.walk() if not part.is_multipart()]
    if not message.is_multipart() or len(parts) != 1 or parts[0].get_filename() != _NAME:
        return False
    content = parts[0].get_payload(decode=True)
    return isinstance(content, bytes) and _MARK in content
