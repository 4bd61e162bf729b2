"""From the bytes that MAAS serves to what is to be done. Pure; nothing raises: what cannot be used is a problem."""

import email
import email.message
import email.policy
from typing import Any, List, Tuple

from esxforge_target.cloud_data.actions import ActionPlan
from esxforge_target.cloud_data.cloud_config import USER_KEYS, VENDOR_KEYS, Release, plan_cloud_config
from esxforge_target.cloud_data.documents import load_yaml
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.limits import CONTENT_BYTES, GZIP_MAGIC, PARTS, gunzip
from esxforge_target.cloud_data.scripts import is_script, plan_script

_CLOUD_CONFIG = b"#cloud-config"
_MIME_STARTS = (b"content-type:", b"mime-version:")
# What cloud-init knows by its first line and this host does not.
_FOREIGN = (
    b"#include",
    b"#cloud-boothook",
    b"#part-handler",
    b"#upstart-job",
    b"## template:",
    b"#cloud-config-archive",
)


def plan_vendor_data(data: bytes, release: Release) -> ActionPlan:
    """MAAS's vendor-data: YAML whose key ``cloud-init`` holds a #cloud-config as text (or a list of them)."""
    try:
        return _vendor_plan(load_yaml(data, "vendor-data"), release)
    except CloudDataError as error:
        return ActionPlan(problems=(error.message,))


def _vendor_plan(outer: Any, release: Release) -> ActionPlan:
    if outer is None:
        return ActionPlan()
    if not isinstance(outer, dict):
        raise CloudDataError("vendor-data is not a mapping.")
    others = sorted(repr(key)[:60] for key in outer if key != "cloud-init")
    plan = ActionPlan(notices=("vendor-data has unknown keys: {}.".format(", ".join(others[:40])),) if others else ())
    inner = outer.get("cloud-init") or []
    for text in inner if isinstance(inner, list) else [inner]:
        if not isinstance(text, str):
            raise CloudDataError("cloud-init in vendor-data is not text.")
        config = load_yaml(text.encode("utf-8"), "cloud-init in vendor-data")
        plan += plan_cloud_config(config, VENDOR_KEYS, release, "vendor-data")
    return plan


def plan_user_data(data: bytes, release: Release) -> ActionPlan:
    """The owner's user-data in any of its forms: configuration first, then commands, then scripts in their order."""
    try:
        parts = _parts(data)
    except CloudDataError as error:
        return ActionPlan(problems=(error.message,))
    configurations, scripts = ActionPlan(), ActionPlan()
    for name, content in parts:
        if is_script(content):
            scripts += _part_plan(name, content, release)
        else:
            configurations += _part_plan(name, content, release)
    return configurations + scripts


def _part_plan(name: str, content: bytes, release: Release) -> ActionPlan:
    try:
        if is_script(content):
            return ActionPlan((plan_script(content, name),))
        if _first_line(content) == _CLOUD_CONFIG:
            return plan_cloud_config(load_yaml(content, name), USER_KEYS, release, name)
        return ActionPlan(problems=(_unusable(name, content),))
    except CloudDataError as error:
        return ActionPlan(problems=(error.message,))


def _first_line(content: bytes) -> bytes:
    return content.split(b"\n", 1)[0].rstrip()


def _unusable(name: str, content: bytes) -> str:
    start = _first_line(content)
    for known in _FOREIGN:
        if start.startswith(known):
            return "{} is of a kind that only cloud-init knows ({}); it was left.".format(name, known.decode("ascii"))
    return "{} is neither a script (#!) nor a #cloud-config nor multipart; it was left.".format(name)


def _parts(data: bytes) -> "List[Tuple[str, bytes]]":
    """Name and content of each part; one for user-data that is not multipart."""
    if data[:2] == GZIP_MAGIC:
        data = gunzip(data, "user-data")
    if len(data) > CONTENT_BYTES:
        raise CloudDataError("user-data is {} bytes long; at most {} are taken.".format(len(data), CONTENT_BYTES))
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if not data.strip():
        return []
    if not data.lstrip()[:13].lower().startswith(_MIME_STARTS):
        return [("user-data", data)]
    try:
        message = email.message_from_bytes(data.lstrip(), policy=email.policy.compat32)
        return _leaves(message)
    except RecursionError:
        raise CloudDataError("user-data is nested too deeply.")


def _leaves(message: "email.message.Message") -> "List[Tuple[str, bytes]]":
    found = []  # type: List[Tuple[str, bytes]]
    for part in message.walk():
        if part.is_multipart():
            continue
        if part.get_content_maintype() == "multipart":
            raise CloudDataError("user-data says that it is multipart, but its parts cannot be separated.")
        if len(found) >= PARTS:
            raise CloudDataError("user-data has more than {} parts.".format(PARTS))
        name = "part {} of user-data".format(len(found) + 1)
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        if content[:2] == GZIP_MAGIC:
            content = gunzip(content, name)
        kind = part.get_content_type()
        if kind == "text/cloud-config" and _first_line(content) != _CLOUD_CONFIG:
            content = _CLOUD_CONFIG + b"\n" + content
        found.append((name, content))
    return found
