"""A CycloneDX bill of materials: the ESXi release, its VIBs as the ISO's image profile lists them, and those added."""

from __future__ import annotations

import json
import uuid
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.output.json import JsonV1Dot6

from esxforge import __version__
from esxforge.image.add_ons import AddOns
from esxforge.media.installer import InstallerMedia

_NAMESPACE = uuid.UUID("b3c2a5a4-98cf-5f0f-8a2e-5f1d7f2f6b11")


def sbom_json(media: InstallerMedia, add_ons: AddOns, image_sha256: str) -> bytes:
    """The document (CycloneDX 1.6, JSON). It carries no time, so that the same image has the same document."""
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, image_sha256))
    bom.metadata.component = Component(
        name="VMware ESXi",
        version=f"{media.release.version}-{media.release.build}" if media.release.build else media.release.version,
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="image",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image_sha256)],
    )
    bom.metadata.tools.components.add(
        Component(name="esxforge", version=__version__, type=ComponentType.APPLICATION, bom_ref="esxforge")
    )
    for vib in media.vibs:
        bom.components.add(
            Component(
                name=vib.name,
                version=vib.version,
                type=ComponentType.LIBRARY,
                bom_ref=vib.vib_id,
                supplier=OrganizationalEntity(name=vib.vendor) if vib.vendor else None,
            )
        )
    for added in add_ons.vibs:
        bom.components.add(
            Component(
                name=added.descriptor.name,
                version=added.descriptor.version,
                type=ComponentType.LIBRARY,
                bom_ref=added.descriptor.vib_id,
                supplier=OrganizationalEntity(name=added.descriptor.vendor),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=added.sha256)],
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
