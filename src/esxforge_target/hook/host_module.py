"""The host module: a tar that ESXi unpacks into the RAM disk, in a slot of fixed length on the boot volume."""

import io
import json
import zipfile
from typing import Any, Dict, List

from esxforge_target.formats import tar_module
from esxforge_target.formats.manifest import FileRecord
from esxforge_target.formats.stored_gzip import member_extent, stored_gzip
from esxforge_target.runtime.errors import FormatError

SECRETS = "esxforge/secrets.json"
_LIBRARY = "esxforge/lib/"
HOST_FIELDS = (
    "version",  # 1
    "release",  # "8.0.3"
    "disk_guids",  # {disk id of MAAS: GPT disk GUID}; that of the boot disk serves until the installer relabels it
    "boot_disk",  # disk id of MAAS
    "boot_mac",  # the NIC that booted from MAAS, or ""
    "endpoint",  # MAAS's URL for events
    "addresses",  # what the endpoint's host name resolved to here
    "boot_order",  # the firmware's BootOrder before the install, as four hexadecimal digits each
    "keep_boot_order",  # the recipe's wish
    "install_options",  # of the user's install line, for the one that %pre writes
    "ssh_keys",  # the recipe's
    "vcenter",  # the recipe's {"server", "datacenter", …} or null
    "encrypted_password",  # root's, drawn here, encrypted to the recipe's public key; or ""
    "kind",  # of image: "installer" or "golden"
    "secrets",  # [{"disk_guid", "offset", "length"}]: where secrets.json stands on the disk, in bytes
)
SECRET_FIELDS = ("maas", "rootpw")
_DEFECT = "Report this as a defect of esxforge."


def library(target_zip: bytes) -> "List[tar_module.TarEntry]":
    """The packages in target.zip as they go to ``/esxforge/lib``."""
    with zipfile.ZipFile(io.BytesIO(target_zip)) as archive:
        return [
            tar_module.file(_LIBRARY + name, archive.read(name))
            for name in sorted(archive.namelist())
            if name[-1:] != "/"
        ]


def host_module(
    slot: FileRecord,
    host: "Dict[str, Any]",
    files: "Dict[str, bytes]",
    secrets: bytes,
    code: "List[tar_module.TarEntry]",
) -> bytes:
    """The slot's new content, exactly as long as it. ``host`` lacks ``secrets`` only; its stamp must be in it.

    The secrets stand first, so that their place does not depend on what follows, host.json least of all.
    """
    missing = sorted((set(HOST_FIELDS) - {"secrets"}) ^ set(host))
    if missing:
        raise FormatError("host.json would lack, or not know: {}.".format(", ".join(missing)), _DEFECT)
    stamp = host["disk_guids"][host["boot_disk"]]
    extent = {"disk_guid": stamp, "offset": 0, "length": len(secrets)}
    for _ in range(2):
        document = dict(host, secrets=[extent])
        text = json.dumps(document, sort_keys=True, indent=1).encode("ascii") + b"\n"
        entries = [tar_module.directory("esxforge", 0o755), tar_module.file(SECRETS, secrets, 0o600)]
        entries += [tar_module.file("esxforge/" + name, files[name]) for name in sorted(files)]
        entries.append(tar_module.file("esxforge/host.json", text))
        module = stored_gzip(tar_module.build(entries + code), slot.length, align=SECRETS)
        offset, length = member_extent(module, SECRETS)
        extent = {"disk_guid": stamp, "offset": slot.offset + offset, "length": length}
        if document["secrets"] == [extent]:
            return module
    raise FormatError("The place of the secrets in the host module cannot be settled.", _DEFECT)
