"""Names that VMware and people use for a release of ESXi: 8.0.3, 8.0U3e, 8U3, ESXi 8.0 Update 3e, 8.0.3-24674464.

Facts: the names in VMware KB 2143832 (build numbers and versions). 7.0 and 8.0 count updates in the third place of the
version (8.0 U3 is 8.0.3); the version of 6.5 and 6.7 stays 6.5.0 and 6.7.0 through all updates.
"""

from __future__ import annotations

import re

from esxforge.errors import FormatError
from esxforge_target.runtime.documents import shown

_NAME = re.compile(
    r"(?:VMware[ _-]*)?(?:ESXi[ _-]*)?([0-9]{1,2})(?:\.([0-9]{1,2}))?(?:\.([0-9]{1,2}))?(?:\.[0-9]{1,2})?"
    r"[ _-]*(?:U(?:pdate)?[ _-]*([0-9]{1,2}))?[a-z]?(?:-[0-9][0-9.]{0,40})?(?:-(?:standard|no-tools))?\Z",
    re.IGNORECASE | re.ASCII,
)
_OLDEST = (6, 5)
_COUNT_UPDATES = ((7, 0), (8, 0))
_HINT = "Write it as 8.0, 8.0.3 or 8.0U3e; releases from 6.5 on are known."


def version_of(text: str) -> str:
    """Return the version that ``text`` names, as 8.0 or, with its update, 8.0.3. Raises FormatError for other text."""
    match = _NAME.match(text.strip())
    if match is None:
        raise FormatError(f"{shown(text)} is not a release of ESXi.", _HINT)
    major, minor, third, update = (int(part) if part is not None else None for part in match.groups())
    if major is None or (major, minor or 0) < _OLDEST:
        raise FormatError(f"{shown(text)} is not a release of ESXi from 6.5 on.", _HINT)
    if update is not None and third is None and (major, minor or 0) in _COUNT_UPDATES:
        third = update
    return ".".join(str(part) for part in (major, minor or 0, third) if part is not None)
