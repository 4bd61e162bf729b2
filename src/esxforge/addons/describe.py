"""Describe a VIB or a bundle as one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from esxforge.addons.files import open_bundle
from esxforge.addons.source import of_file
from esxforge.addons.vib import Vib, read_vib


def describe_add_on(path: Path) -> dict[str, Any]:
    """Describe the file at ``path``; every VIB in it is read to its last byte. Raises as ``read_add_on``."""
    bundle = open_bundle(path)
    source = of_file(path)
    if bundle is None:
        vibs = [describe_vib(read_vib(source))]
    else:
        vibs = [describe_vib(bundle.read(one)) for one in bundle.vibs]
    return {"type": "vib" if bundle is None else "bundle", "path": str(path), "size": source.length, "vibs": vibs}


def describe_vib(vib: Vib) -> dict[str, Any]:
    """Describe one VIB. Fields that it does not state are null."""
    told = vib.descriptor
    return {
        "name": told.name,
        "version": told.version,
        "vendor": told.vendor,
        "type": told.kind,
        "summary": told.summary,
        "acceptance_level": told.acceptance_level,
        "signature": "present, not verified" if vib.signed else "none",
        "platforms": [f"{one.product_line} {one.version}".strip() for one in told.platforms],
        "hardware": list(told.hardware),
        "depends": [str(one) for one in told.depends],
        "conflicts": [str(one) for one in told.conflicts],
        "replaces": [str(one) for one in told.replaces],
        "provides": [str(one) for one in told.provides],
        "maintenance_mode": told.maintenance_mode,
        "live_install": told.live_install,
        "sha256": vib.sha256,
        "payloads": [
            {
                "name": one.name,
                "type": one.kind,
                "size": one.source.length,
                "unzipped_size": one.unzipped_size,
                "sha256": one.sha256,
                "unzipped_sha256": one.unzipped_sha256,
            }
            for one in vib.payloads
        ],
    }
