"""``write_files`` of cloud-config (cloud-init's documentation, module "Write Files")."""

import base64
import binascii
import posixpath
from typing import Any, Dict, List, Tuple

from esxforge_target.cloud_data.actions import Action, ActionPlan, WriteFile
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.limits import CONTENT_BYTES, gunzip

VCENTER_DOCUMENT = "/altbootbank/maas/vcenter.yaml"
_KNOWN = ("path", "content", "encoding", "permissions", "owner", "append", "defer")
# Devices, not files: a write there can destroy a disk.
_FORBIDDEN = ("/dev", "/proc", "/vmfs/devices", "/tardisks", "/tardisks.noauto")
_PERSISTENT = ("/bootbank", "/altbootbank", "/vmfs/volumes", "/scratch", "/store", "/locker")
# encoding → (base64, gzip)
_ENCODINGS = {"": (False, False), "text/plain": (False, False), "b64": (True, False), "base64": (True, False)}
for _gzip in ("gz", "gzip"):
    _ENCODINGS[_gzip] = (False, True)
    for _base64 in ("b64", "base64"):
        _ENCODINGS[_gzip + "+" + _base64] = (True, True)


def persists(path: str, sticky: bool) -> bool:
    """Return whether ESXi keeps what is written to ``path`` over a reboot.

    The root of an ESXi host is in memory. Volumes are on disk, and of ``/etc`` the backup keeps the files that ESXi
    itself ships with the sticky bit (Broadcom KB 342062, formerly VMware KB 2043048): a new file is not among them.
    """
    on_disk = any(path == place or path.startswith(place + "/") for place in _PERSISTENT)
    return on_disk or (sticky and path.startswith("/etc/"))


def plan_write_files(value: Any) -> ActionPlan:
    """Return the files to write; unusable entries are reported and skipped. Raises CloudDataError for a non-list."""
    if not isinstance(value, list):
        raise CloudDataError("write_files is not a list.")
    actions = []  # type: List[Action]
    notices = []  # type: List[str]
    problems = []  # type: List[str]
    vcenter = b""
    for number, entry in enumerate(value, 1):
        try:
            action, said = _entry(entry)
        except CloudDataError as error:
            problems.append("write_files entry {} was left: {}".format(number, error))
            continue
        if action.path == VCENTER_DOCUMENT:
            # It holds a password. It is used from memory and never written to a disk.
            vcenter = action.content
            continue
        actions.append(action)
        notices.extend("write_files entry {}: {}".format(number, text) for text in said)
    return ActionPlan(tuple(actions), tuple(notices), tuple(problems), vcenter)


def _entry(entry: Any) -> "Tuple[WriteFile, List[str]]":
    if not isinstance(entry, dict):
        raise CloudDataError("it is not a mapping.")
    said = []  # type: List[str]
    path = _path(entry.get("path"))
    content = _content(entry)
    append = entry.get("append", False)
    if not isinstance(append, bool):
        raise CloudDataError("append is neither true nor false.")
    mode = _mode(entry.get("permissions"), append)
    if mode > 0 and mode & 0o6000:
        mode &= ~0o6000
        said.append("set-user-ID and set-group-ID bits are dropped")
    if entry.get("owner", "root:root") not in ("root", "root:root"):
        said.append("owner is ignored: files on ESXi belong to root")
    unknown = sorted(str(name) for name in entry if name not in _KNOWN)
    if unknown:
        said.append("ignored: {}".format(", ".join(unknown)[:200]))
    return WriteFile(path, content, mode, append), said


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise CloudDataError("it has no path.")
    if not value.isprintable() or len(value) > 1024:
        raise CloudDataError("its path holds control characters, or is too long.")
    if not value.startswith("/") or ".." in value.split("/"):
        raise CloudDataError("its path {!r} is not absolute, or goes through '..'.".format(value[:100]))
    path = posixpath.normpath("/" + value.lstrip("/"))
    if value.endswith("/") or path == "/":
        raise CloudDataError("its path {!r} is a directory.".format(value[:100]))
    if any(path == place or path.startswith(place + "/") for place in _FORBIDDEN):
        raise CloudDataError("its path {!r} is a device, not a file.".format(value[:100]))
    return path


def _content(entry: "Dict[str, Any]") -> bytes:
    value = entry.get("content", "")
    encoding = entry.get("encoding") or ""
    if not isinstance(encoding, str) or encoding.lower() not in _ENCODINGS:
        raise CloudDataError("its encoding {!r} is unknown.".format(str(encoding)[:40]))
    if isinstance(value, bytes):  # YAML's !!binary
        content = value
    elif isinstance(value, str):
        content = value.encode("utf-8")
    else:
        raise CloudDataError("its content is neither text nor binary.")
    packed, zipped = _ENCODINGS[encoding.lower()]
    if packed:
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except (binascii.Error, ValueError):
            raise CloudDataError("its content is not base64.")
    if zipped:
        content = gunzip(content, "its content")
    if len(content) > CONTENT_BYTES:
        raise CloudDataError("its content is longer than {} bytes.".format(CONTENT_BYTES))
    return content


def _mode(value: Any, append: bool) -> int:
    if value is None:
        return -1 if append else 0o644
    try:
        # YAML reads 0644 as an octal number already, and '0644' as text.
        mode = int(value, 8) if isinstance(value, str) else value
    except ValueError:
        mode = None
    if isinstance(mode, bool) or not isinstance(mode, int) or not 0 <= mode <= 0o7777:
        raise CloudDataError("its permissions {!r} are not an octal mode such as '0644'.".format(str(value)[:20]))
    return mode
