"""Differences between versions of MAAS: one table, from old to new.

A new version of MAAS is one more row here, and a new capability one more field. Source: canonical/maas, read at 2.5,
3.4.7, 3.5.3, 3.6.5, 3.7.3 and on the way to 3.8 (August 2026); each field names the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

OLDEST_SUPPORTED = (3, 2)
"""Deploying with an older version was never tried."""


@dataclass(frozen=True)
class Capabilities:
    """Behaviour of a version of MAAS where versions differ."""

    images_in_database: bool = False
    """Regions share one object for a sha256, so progress is not divided by their number
    (``src/maasserver/models/largefile.py``)."""

    complete_means_compared: bool = False
    """An upload is listed as complete only after MAAS compared its sha256 (``src/maasserver/utils/bootresource.py``,
    ``store``). Elsewhere the count is saved first, and complete alone proves nothing
    (``src/maasserver/api/boot_resources.py``)."""

    appends_to_shared_file: bool = False
    """Bytes are appended to one file on disk for each sha256, whatever MAAS's records say; so a second upload of bytes
    that are there destroys them (``src/maasservicelayer/utils/image_local_files.py``)."""

    permissions_by_group: bool = False
    """Users who are no administrators may have the permission to change images (``check_permission`` in
    ``src/maasserver/api/support.py``), and no answer to them says whether they have it."""

    whole_deployment_timeouts: int | None = None
    """How many times ``node_timeout`` a deployment gets from power-on to Deployed, whatever MAAS hears meanwhile
    (``_start`` and ``_temporal_deploy`` in ``src/maasserver/models/node.py``). None: ``node_timeout`` once, counted
    anew at every start from the network and at some events of curtin's (``src/metadataserver/api_twisted.py``)."""

    searches_without_dns: bool = False
    """A subnet whose ``allow_dns`` is off gets search domains all the same (``src/maasserver/preseed_network.py``)."""

    names_twin_disks_by_path: bool = False
    """Disks that share model and serial are given to curtin by their path, and none is deployed where the paths are no
    better (``src/maasserver/preseed_storage.py``)."""

    gateway_at_its_own_subnet: bool = False
    """A default gateway stands at the link of its subnet. Elsewhere it stands at the first link of its interface whose
    subnet has a gateway, and is that subnet's (``src/maasserver/preseed_network.py``)."""


_DATABASE = Capabilities(images_in_database=True, searches_without_dns=True)
_FILES = Capabilities(complete_means_compared=True)
_WORKFLOWS = replace(_FILES, whole_deployment_timeouts=2)  # 3.6.0 alone: 90 minutes, whatever is set
_GATEWAYS = replace(_WORKFLOWS, gateway_at_its_own_subnet=True)
_SHARED = replace(
    _GATEWAYS,
    complete_means_compared=False,
    appends_to_shared_file=True,
    permissions_by_group=True,
    names_twin_disks_by_path=True,
)
_TABLE: tuple[tuple[tuple[int, ...], Capabilities], ...] = (
    ((0, 0), _DATABASE),
    ((3, 4, 1), replace(_DATABASE, searches_without_dns=False)),
    ((3, 5), _FILES),
    ((3, 6), _WORKFLOWS),
    ((3, 6, 3), _GATEWAYS),
    ((3, 7), _WORKFLOWS),
    ((3, 7, 2), _GATEWAYS),
    ((3, 8), _SHARED),
)


def parse_version(text: str) -> tuple[int, int] | None:
    """Return major and minor number of MAAS's version text (“3.6.5”, “3.8.0~alpha1”); None for anything else."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def capabilities(version: str) -> Capabilities:
    """Return the capabilities of a version. One that cannot be read counts as the newest, which trusts MAAS least."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if match is None:
        return _TABLE[-1][1]
    numbers = tuple(int(number) for number in match.groups() if number is not None)
    return [row for since, row in _TABLE if since <= numbers][-1]
