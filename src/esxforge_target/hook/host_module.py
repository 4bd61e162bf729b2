"""The host module: a tar that ESXi unpacks into the RAM disk, in a slot of fixed length on the boot volume."""

from typing import Dict, List

from esxforge_target.contract.host_record import HostRecord, SecretsExtent
from esxforge_target.contract.names import DIRECTORY, HOST_RECORD, SECRETS
from esxforge_target.formats import tar_module
from esxforge_target.formats.manifest import FileRecord
from esxforge_target.formats.stored_gzip import member_extent, stored_gzip
from esxforge_target.runtime.errors import FormatError

_SECRETS = SECRETS.lstrip("/")


def host_module(
    slot: FileRecord, record: HostRecord, files: "Dict[str, bytes]", secrets: bytes, code: "List[tar_module.TarEntry]"
) -> bytes:
    """The slot's new content, exactly as long as it. ``files`` are absolute paths; the place of the secrets is added
    to ``record``.

    The secrets stand first, so that their place does not depend on what follows, the host record least of all.
    """
    extent = SecretsExtent(0, len(secrets))
    for _ in range(2):
        document = record.replace(secrets=extent)
        entries = [
            tar_module.directory(DIRECTORY.lstrip("/"), 0o755),
            tar_module.file(_SECRETS, secrets, 0o600),
        ]
        entries += [tar_module.file(path.lstrip("/"), files[path]) for path in sorted(files)]
        entries.append(tar_module.file(HOST_RECORD.lstrip("/"), document.to_json().encode("ascii")))
        module = stored_gzip(tar_module.build(entries + code), slot.length, align=_SECRETS)
        offset, length = member_extent(module, _SECRETS)
        extent = SecretsExtent(slot.offset + offset, length)
        if document.secrets == extent:
            return module
    raise FormatError(
        "The place of the secrets in the host module cannot be settled.", "Report this as a defect of esxforge."
    )
