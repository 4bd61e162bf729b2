"""The local administrator that exists only while vCenter adds this host.

vCenter logs in once, makes its own account (``vpxuser``) and never needs this one again. Commands: ESXCLI reference,
``esxcli system account`` and ``esxcli system permission`` (6.0 and later).

``esxcli`` takes a password only as an argument, where any process may read it. So the account is born with a password
that is good for nothing (it has no role yet), gets the real one as a hash in ``/etc/shadow``, and its role after that.
"""

from typing import List

from esxforge_target.cloud_data.actions import ActionPlan, SetPasswordHash
from esxforge_target.cloud_data.execution import Host, apply_plan
from esxforge_target.runtime.passwords import Password, draw_password, hash_password
from esxforge_target.vcenter.errors import VcenterError

NAME = "esxforge-join"
_LOCKED = "*"


def create_account(host: Host) -> Password:
    """Make the account, removing one that a power cut left behind. Raises VcenterError; none is left then."""
    remove_account(host)
    born_with = draw_password().reveal()
    password = draw_password()
    try:
        _run(
            host,
            ["account", "add", "--id=" + NAME, "--description=Removed when vCenter has this host",
             "--password=" + born_with, "--password-confirmation=" + born_with],
            "made",
        )  # fmt: skip
        _set_hash(host, hash_password(password))
        _run(host, ["permission", "set", "--id=" + NAME, "--role=Admin"], "given its role")
    except BaseException:
        remove_account(host)
        raise
    return password


def _set_hash(host: Host, hashed: str) -> None:
    problems = apply_plan(ActionPlan((SetPasswordHash(NAME, hashed),)), host).problems
    if problems:
        raise VcenterError(
            "The temporary account for vCenter got no password: {}".format(problems[0]), "Join the host by hand."
        )


def remove_account(host: Host) -> None:
    """Remove the account if it is there. When ESXi will not, lock it, and raise VcenterError."""
    if not _exists(host):
        return
    for _ in range(3):
        _esxcli(host, ["permission", "unset", "--id=" + NAME])
        _esxcli(host, ["account", "remove", "--id=" + NAME])
        if not _exists(host):
            return
        host.clock.sleep(2)
    outcome = apply_plan(ActionPlan((SetPasswordHash(NAME, _LOCKED),)), host)
    raise VcenterError(
        "ESXi did not remove the temporary account {}; {}.".format(
            NAME, "locking it failed too" if outcome.problems else "it was locked"
        ),
        "Remove it by hand: esxcli system account remove --id={}".format(NAME),
    )


def _exists(host: Host) -> bool:
    """By what ESXi lists, and by what the files say: a list that cannot be had must not hide an account."""
    listed = _esxcli(host, ["account", "list"])
    in_file = any(
        line.startswith((NAME + ":").encode("ascii")) for line in (host.files.read("/etc/passwd") or b"").split(b"\n")
    )
    return in_file or any(line.split()[:1] == [NAME] for line in listed)


def _run(host: Host, arguments: "List[str]", done: str) -> None:
    result = host.runner.run(["esxcli", "system"] + arguments)
    if result.status != 0:
        said = " ".join((result.stderr or result.stdout).split())
        for argument in arguments:
            if argument.startswith("--password"):
                said = said.replace(argument.partition("=")[2], "***")
        raise VcenterError(
            "The temporary account for vCenter was not {}: {}".format(done, said[-200:] or "esxcli said nothing."),
            "Is the host in lockdown mode, or a password rule of its own in force? Join it to vCenter by hand.",
        )


def _esxcli(host: Host, arguments: "List[str]") -> "List[str]":
    result = host.runner.run(["esxcli", "system"] + arguments)
    return result.stdout.splitlines() if result.status == 0 else []
