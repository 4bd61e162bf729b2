"""``#cloud-config`` as far as it applies to ESXi: an allow-list; every other key is reported and skipped.

Keys and their forms: cloud-init's documentation, "Module reference".
"""

import re
from typing import Any, Callable, Dict, List, Tuple

from esxforge_target.cloud_data.actions import Action, ActionPlan, AddKeys, RunCommand, SetPasswordHash, WriteFile
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.scripts import plan_runcmd
from esxforge_target.cloud_data.write_files import plan_write_files
from esxforge_target.metadata.public_keys import parse_public_keys

Release = Tuple[int, ...]

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(r"\A{0}(\.{0})*\Z".format(_LABEL))
_SERVER = re.compile(r"\A({0}(\.{0})*\.?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)\Z".format(_LABEL))
_HASH = re.compile(r"\A\$[156]\$(rounds=[0-9]{1,9}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{22,86}\Z")
_USER = re.compile(r"\A[a-z_][a-z0-9_-]{0,31}\Z")
_MOST_SERVERS = 8

_NTP_CONF = """restrict default nomodify notrap nopeer noquery
restrict 127.0.0.1
restrict -6 ::1
driftfile /etc/ntp.drift
"""

VENDOR_KEYS = ("ntp", "write_files")
# MAAS sends these to every machine, whatever its system (canonical/maas, src/metadataserver/vendor_data.py): its own
# proxy for snapd, the name of Ubuntu's default user. No user requested them, so they are skipped without a notice.
_FOR_UBUNTU = ("snap", "system_info")
USER_KEYS = ("hostname", "fqdn", "ssh_authorized_keys", "chpasswd", "ntp", "write_files", "runcmd")


def plan_cloud_config(config: Any, allowed: "Tuple[str, ...]", release: Release, what: str) -> ActionPlan:
    """Return the actions for ``config`` (the parsed document) on ESXi ``release`` (major, minor).

    A key that cannot be used becomes a problem and is skipped entirely; others remain. The order of actions is that of
    ``allowed``: identity first, then files, then commands.
    """
    if config is None:
        return ActionPlan()
    if not isinstance(config, dict):
        raise CloudDataError("{} is not a mapping of keys.".format(what))
    known = allowed + _FOR_UBUNTU if allowed == VENDOR_KEYS else allowed
    plan = ActionPlan(notices=_unknown(config, known, what))
    for key in allowed:
        if config.get(key) is None or (key == "hostname" and config.get("fqdn") is not None):
            continue
        try:
            plan += _PLANNERS[key](config[key], release)
        except CloudDataError as error:
            plan += ActionPlan(problems=("{} in {} was left: {}".format(key, what, error),))
    return plan


def _unknown(config: "Dict[Any, Any]", allowed: "Tuple[str, ...]", what: str) -> "Tuple[str, ...]":
    names = sorted(repr(key)[:60] for key in config if key not in allowed)
    if not names:
        return ()
    return ("{} has keys that mean nothing on ESXi and were left: {}.".format(what, ", ".join(names[:40])),)


def _ntp(value: Any, release: Release) -> ActionPlan:
    if not isinstance(value, dict):
        raise CloudDataError("it is not a mapping.")
    if value.get("enabled") is False:
        return ActionPlan(notices=("ntp is switched off in the document: left as it is.",))
    servers = []  # type: List[str]
    for name in ("servers", "pools"):
        given = value.get(name) or []
        if not isinstance(given, list) or not all(isinstance(server, str) for server in given):
            raise CloudDataError("{} is not a list of names.".format(name))
        servers.extend(server for server in given if server not in servers)
    for server in servers:
        if len(server) > 253 or not _SERVER.match(server):
            raise CloudDataError("{!r} is neither a host name nor an address.".format(server[:80]))
    if not servers:
        return ActionPlan(notices=("ntp names no server: left as it is.",))
    notices = ()  # type: Tuple[str, ...]
    if len(servers) > _MOST_SERVERS:
        notices = ("ntp names {} servers: the first {} are used.".format(len(servers), _MOST_SERVERS),)
    return ActionPlan(_ntp_actions(servers[:_MOST_SERVERS], release), notices)


def _ntp_actions(servers: "List[str]", release: Release) -> "Tuple[Action, ...]":
    firewall = RunCommand(("esxcli", "network", "firewall", "ruleset", "set", "-r", "ntpClient", "-e", "true"))
    if release >= (7, 0):
        named = tuple("--server={}".format(server) for server in servers)
        return (firewall, RunCommand(("esxcli", "system", "ntp", "set") + named + ("--enabled=true",)))
    lines = "".join("server {}\n".format(server) for server in servers)
    return (
        WriteFile("/etc/ntp.conf", (_NTP_CONF + lines).encode("ascii")),
        firewall,
        RunCommand(("chkconfig", "ntpd", "on")),
        RunCommand(("/etc/init.d/ntpd", "restart")),
    )


def _hostname(value: Any, release: Release) -> ActionPlan:
    name = value.rstrip(".") if isinstance(value, str) else ""
    if len(name) > 253 or not _HOST_NAME.match(name):
        raise CloudDataError("it is not a host name.")
    option = "--fqdn={}" if "." in name else "--host={}"
    return ActionPlan((RunCommand(("esxcli", "system", "hostname", "set", option.format(name))),))


def _keys(value: Any, release: Release) -> ActionPlan:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise CloudDataError("it is not a list of keys.")
    found = parse_public_keys("\n".join(lines))
    problems = tuple("ssh_authorized_keys: {}.".format(reason) for reason in found.dropped)
    return ActionPlan((AddKeys(found.keys),) if found.keys else (), (), problems)


def _chpasswd(value: Any, release: Release) -> ActionPlan:
    if not isinstance(value, dict):
        raise CloudDataError("it is not a mapping.")
    pairs = _listed(value.get("list")) + _users(value.get("users"))
    if not pairs:
        raise CloudDataError("it names no account.")
    actions = []  # type: List[Action]
    for user, hashed in pairs:
        if not _USER.match(user):
            raise CloudDataError("an account in it has no usable name.")
        if not _HASH.match(hashed):
            raise CloudDataError("the password of {} is not a hash ($6$…); nothing else is taken.".format(user))
        actions.append(SetPasswordHash(user, hashed))
    notices = ("chpasswd: expire is ignored, ESXi has no forced change at login.",) if value.get("expire") else ()
    return ActionPlan(tuple(actions), notices)


def _listed(value: Any) -> "List[Tuple[str, str]]":
    lines = value.split("\n") if isinstance(value, str) else (value or [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise CloudDataError("list is neither text nor a list of text.")
    return [(user, rest) for user, _, rest in (line.strip().partition(":") for line in lines if line.strip())]


def _users(value: Any) -> "List[Tuple[str, str]]":
    pairs = []  # type: List[Tuple[str, str]]
    for entry in value if isinstance(value, list) else [value] if value else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise CloudDataError("an entry of users has no name.")
        password = entry.get("password")
        if entry.get("type", "hash") != "hash" or not isinstance(password, str):
            raise CloudDataError("the password of {} is not given as a hash.".format(entry["name"][:32]))
        pairs.append((entry["name"], password))
    return pairs


_PLANNERS = {
    "ntp": _ntp,
    "write_files": lambda value, release: plan_write_files(value),
    "hostname": _hostname,
    "fqdn": _hostname,
    "ssh_authorized_keys": _keys,
    "chpasswd": _chpasswd,
    "runcmd": lambda value, release: plan_runcmd(value),
}  # type: Dict[str, Callable[[Any, Release], ActionPlan]]
