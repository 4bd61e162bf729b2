"""vCenter's errors in plain words.

Both dialects' shapes: ``{"error_type": "NOT_FOUND", "messages": [...]}`` and
``{"type": "com.vmware.vapi.std.errors.not_found", "value": {"messages": [...]}}``. The reasons that matter most hide in
the messages as names of SOAP faults (``vim.fault.…``), so those are looked at first.
"""

from typing import Any, List, Tuple

from esxforge_target.runtime.visible import one_line
from esxforge_target.vcenter.errors import VcenterError

_LONGEST = 300
# (a word in vCenter's error, what it means, what to do), most telling first.
_REASONS = (
    ("license", "vCenter has no licence left for another host", "Add a licence in vCenter, or free one."),
    ("unabletoallocateresource", "vCenter has no licence left for another host", "Add a licence in vCenter."),
    (
        "nohost",
        "vCenter cannot reach this host by its name",
        "Give the host a DNS record that vCenter's name servers know, and open TCP 443 and 902 between them.",
    ),
    (
        "notsupportedhost",
        "this version of ESXi is newer than vCenter supports",
        "Update vCenter first: it must be at least of the host's version.",
    ),
    ("notsupportedversion", "vCenter does not support this version of ESXi", "Update vCenter first."),
    ("incompatibleversion", "vCenter does not support this version of ESXi", "Update vCenter first."),
    ("sslverifyfault", "vCenter saw another certificate than this host's", "Is the host's name another machine's?"),
    ("unverifiedpeer", "vCenter saw another certificate than this host's", "Is the host's name another machine's?"),
    ("alreadybeingmanaged", "another vCenter manages this host", "Remove the host there first."),
    ("alreadyconnected", "vCenter has this host already, in another place", "Move it, or remove it there."),
    ("duplicatename", "vCenter has a host of this name already", "Remove the old one in vCenter."),
    ("alreadyexists", "vCenter has a host of this name already", "Remove the old one in vCenter."),
    ("resourceinuse", "vCenter or another one holds this host already", "Remove the host there first."),
    (
        "invalidlogin",
        "vCenter could not log in to this host",
        "Is the host's name another machine's? Is it locked down?",
    ),
    ("unauthenticated", "vCenter does not accept the user name or the password", "Correct them in MAAS's settings."),
    (
        "unauthorized",
        "the vCenter user may not do this",
        "Give it the privileges Host > Inventory > Add standalone host, and Read-only on the datacenter.",
    ),
    ("notfound", "the place in vCenter is gone", "Check vcenter_datacenter."),
    ("serviceunavailable", "vCenter is not ready", "Wait until all services of vCenter run."),
)
_BY_STATUS = {401: "unauthenticated", 403: "unauthorized", 503: "serviceunavailable"}


def explain(status: int, document: Any, doing: str, where: str, secrets: "List[str]") -> VcenterError:
    """The error for an answer with ``status`` and the parsed ``document`` (None: it was not JSON)."""
    kind, messages = _parse(document)
    kind, text = _clean(kind, secrets), _clean(" ".join(messages), secrets)
    looked_at = _plain(kind + " " + text) + " " + _BY_STATUS.get(status, "")
    said = " vCenter says: {}".format(text) if text else ""
    for word, meaning, hint in _REASONS:
        if word in looked_at:
            return VcenterError("{} failed at {}: {}.{}".format(doing, where, meaning, said), hint, kind, status)
    unknown = "{} failed at {} with status {}{}.{}".format(
        doing, where, status, " (" + kind + ")" if kind else "", said
    )
    return VcenterError(unknown, "See the events of the host and its datacenter in vCenter.", kind, status)


def _clean(text: str, secrets: "List[str]") -> str:
    """One printable line of bounded length, without ``secrets``."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    line = one_line(" ".join(text.split()))
    # What else no terminal can show (a joiner, a character that nobody assigned) is not part of a sentence.
    return "".join(char for char in line if char.isprintable())[:_LONGEST]


def _parse(document: Any) -> "Tuple[str, List[str]]":
    if not isinstance(document, dict):
        return "", []
    value = document.get("value")
    inner = value if isinstance(value, dict) else document
    kind = document.get("error_type") or document.get("type") or ""
    kind = str(kind).rpartition(".")[2]
    messages = []  # type: List[str]
    listed = inner.get("messages")
    for message in listed if isinstance(listed, list) else []:
        if isinstance(message, dict):
            messages.append(str(message.get("default_message") or ""))
            messages.append("({})".format(message["id"]) if message.get("id") else "")
    return kind, [message for message in messages if message]


def _plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum() or char == " ")
