"""Joining vCenter: find the place, make the temporary account, let vCenter add this host, remove the account."""

import binascii
import hashlib
import ssl
from typing import Any, Callable, Dict, List, Tuple

from esxforge_target.cloud_data.execution import Host
from esxforge_target.runtime.values import Value
from esxforge_target.vcenter.account import NAME, create_account, remove_account
from esxforge_target.vcenter.desired import DesiredVcenter
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.session import Session
from esxforge_target.vcenter.tls import Trust

_CERTIFICATE = "/etc/vmware/ssl/rui.crt"
_ADDING_SECONDS = 240.0
_MOST_SECONDS = 600.0
_WAITS = 6
_WAIT_SECONDS = 10.0


class Joined(Value):
    """``host_id``: what vCenter calls this host. ``already``: it was there before."""

    __slots__ = ("host_id", "already")

    def __init__(self, host_id: str, already: bool) -> None:
        self.host_id = host_id
        self.already = already


def join(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    desired: DesiredVcenter,
    trust: Trust,
    address: str,
    host: Host,
    seconds: float = _MOST_SECONDS,
    cleaning: "Callable[[], None]" = lambda: None,
) -> Joined:
    """Make this host, known to vCenter as ``address`` (full name, or an IP address), a standalone host of vCenter,
    within about ``seconds``.

    A host that is there already, connected and managed from there, is left alone. The temporary account is gone
    afterwards, whatever the outcome; ``cleaning`` is called before it is removed. Raises VcenterError in plain words.
    """
    remove_account(host)
    end = host.clock.monotonic() + seconds
    with Session(desired, trust, clock=host.clock, end=end) as session:
        there = _record(session, address)
        if there is not None:
            return _already(there, address, host)
        folder = find_folder(session, desired)
        thumbprint = own_thumbprint(host)
        host.log("vCenter speaks /{}; adding {} to folder {}".format(session.dialect, address, folder))
        spec = {
            "hostname": address,
            "folder": folder,
            "thumbprint_verification": "THUMBPRINT",
            "thumbprint": thumbprint,
            "force_add": False,
        }  # type: Dict[str, Any]
        return Joined(_add_with_account(session, spec, host, cleaning), False)


def _add_with_account(session: Session, spec: "Dict[str, Any]", host: Host, cleaning: "Callable[[], None]") -> str:
    """Add this host through the temporary account, which is gone afterwards in any case."""
    problem = ""
    try:
        password = create_account(host)
        return _add(session, dict(spec, user_name=NAME, password=password.reveal()), host)
    except VcenterError as error:
        problem = error.message
        raise
    finally:
        cleaning()
        _clean(host, problem)


def _clean(host: Host, problem: str) -> None:
    try:
        remove_account(host)
    except VcenterError as error:
        raise VcenterError((problem + " Besides: " if problem else "") + error.message, error.hint)


def _record(session: Session, address: str) -> Any:
    found = session.find("host", names=[address])
    return found[0] if found else None


def _already(there: "Dict[str, Any]", address: str, host: Host) -> Joined:
    """This very host, or the record of what was installed on it before? vCenter's account tells."""
    accounts = (host.files.read("/etc/passwd") or b"").split(b"\n")
    managed = any(line.startswith(b"vpxuser:") for line in accounts)
    if managed and there.get("connection_state") == "CONNECTED":
        return Joined(str(there.get("host")), True)
    raise VcenterError(
        "vCenter has a record of {} from before this installation ({}).".format(
            address, str(there.get("connection_state"))[:40]
        ),
        "Remove the old host in vCenter (its virtual machines and permissions go with it), then join it by hand or "
        "deploy again.",
    )


def _add(session: Session, spec: "Dict[str, Any]", host: Host) -> str:
    try:
        return session.add_host(spec, _ADDING_SECONDS)
    except VcenterError as error:
        if error.kind != "TIMEOUT":
            raise
        # The answer is lost; what vCenter does with the request is not.
        host.log("no answer to adding the host; looking whether vCenter has it")
        for _ in range(_WAITS):
            there = _record(session, spec["hostname"])
            if there is not None and there.get("connection_state") == "CONNECTED":
                return str(there.get("host"))
            host.clock.sleep(_WAIT_SECONDS)
        raise


def own_thumbprint(host: Host) -> str:
    """SHA-1 of this host's certificate, as vCenter's API wants it: ``AA:BB:…``. VcenterError without a certificate."""
    pem = (host.files.read(_CERTIFICATE) or b"").decode("ascii", "replace")
    start, end = pem.find(ssl.PEM_HEADER), pem.find(ssl.PEM_FOOTER)
    try:
        der = ssl.PEM_cert_to_DER_cert(pem[max(start, 0) : max(end, 0) + len(ssl.PEM_FOOTER)])
    except ValueError:
        raise VcenterError(
            "This host's certificate ({}) cannot be read.".format(_CERTIFICATE),
            "Generate a new one on the host: /sbin/generate-certificates",
        )
    # The API defines this field as SHA-1. It only names a certificate to vCenter, over a verified connection.
    digest = binascii.hexlify(hashlib.sha1(der).digest()).decode("ascii").upper()  # noqa: S324
    return ":".join(digest[place : place + 2] for place in range(0, 40, 2))


def find_folder(session: Session, desired: DesiredVcenter) -> str:
    """The identifier of the host folder that ``desired.location`` names. VcenterError says which part is unknown."""
    datacenter = _datacenter(session, desired.location[:1])
    roots = _host_roots(session, datacenter)
    if len(roots) != 1:
        raise VcenterError(
            "vCenter shows no host folder in the datacenter.", "Give its user Read-only there, at least."
        )
    folder = roots[0]
    for depth, name in enumerate(desired.location[1:], 2):
        found = session.find("folder", names=[name], parent_folders=[folder], type="HOST")
        if len(found) != 1:
            raise VcenterError(
                "vCenter has no host folder {!r}, or its user may not see it.".format(
                    "/".join(desired.location[:depth])
                ),
                "Make it in vCenter, or correct vcenter_datacenter.",
            )
        folder = str(found[0]["folder"])
    return folder


def _datacenter(session: Session, names: "Tuple[str, ...]") -> str:
    filters = {"names": list(names)} if names else {}  # type: Dict[str, List[str]]
    found = session.find("datacenter", **filters)
    if len(found) == 1:
        return str(found[0]["datacenter"])
    if not names:
        raise VcenterError(
            "vCenter shows {} datacenters, and none was named.".format(len(found)), "Name one as vcenter_datacenter."
        )
    if found:
        raise VcenterError(
            "vCenter has {} datacenters named {!r}.".format(len(found), names[0]), "Rename one of them in vCenter."
        )
    raise VcenterError(
        "vCenter has no datacenter {!r}, or its user may not see it.".format(names[0]),
        "Make it in vCenter, or correct vcenter_datacenter. Capitals matter.",
    )


def _host_roots(session: Session, datacenter: str) -> "List[str]":
    """The datacenter's own folder for hosts. It is called "host", and so may be folders inside it."""
    called = [
        str(each["folder"]) for each in session.find("folder", datacenters=[datacenter], names=["host"], type="HOST")
    ]
    if len(called) < 2:
        return called
    every = [str(each["folder"]) for each in session.find("folder", datacenters=[datacenter], type="HOST")]
    inside = [str(each["folder"]) for each in session.find("folder", folders=called, parent_folders=every, type="HOST")]
    return [folder for folder in called if folder not in inside]
