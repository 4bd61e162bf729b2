"""Extra steps on a host from a golden image: root's password, and a system UUID of its own.

Both are done whatever the outcome, and a host without them is never called deployed: without the first nobody could log
in, and two hosts with one UUID can damage a shared datastore (Broadcom KB 84280).
"""

import os
import re
import time
import uuid
from typing import Optional, Tuple

from esxforge_target.agent.deployment import Deployment
from esxforge_target.agent.journal import Journal
from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System
from esxforge_target.cloud_data.actions import ActionPlan, SetPasswordHash
from esxforge_target.cloud_data.execution import apply_plan
from esxforge_target.runtime.errors import ForgeError

CONFIGURATION = "/etc/vmware/esx.conf"
_LINE = re.compile(r'^(/system/uuid\s*=\s*)"[^"\n]*"', re.MULTILINE)


def own_identity(system: System, deployment: Deployment, journal: Journal, log: Log) -> None:
    """Set root's password and renew the system UUID once in a deployment. Raises ForgeError if either fails."""
    if not deployment.record.is_golden:
        return
    problems = ()  # type: Tuple[str, ...]
    if deployment.secrets.root_hash:
        plan = ActionPlan((SetPasswordHash("root", deployment.secrets.root_hash),))
        problems = apply_plan(plan, system.host(log.say)).problems
    if journal.last("uuid") is None:
        _renew_uuid(system, log)
        journal.add("uuid")
    if problems:
        raise ForgeError(
            "The root password of this host could not be set: {}".format(" ".join(problems)),
            "The image may hold another system than ESXi's own: build it again from VMware's ISO.",
        )


def _renew_uuid(system: System, log: Log) -> None:
    """Facts: the UUID is in esx.conf under /system/uuid (6.x, 7.0); if it is not, ESXi makes one itself at
    its first boot, as the image was captured before that.
    """
    text = _read(system)
    if text is None or not _LINE.search(text):
        log.say("the system UUID is not in {}: ESXi makes one of its own".format(CONFIGURATION))
        return
    renewed = _LINE.sub(lambda match: '{}"{}"'.format(match.group(1), new_uuid()), text)
    try:
        system.files.write(CONFIGURATION, renewed.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ForgeError(
            "The system UUID could not be renewed: {}.".format(error.strerror),
            "Two hosts with one UUID can damage a datastore that they share: deploy the machine again.",
        )
    log.say("the system UUID was renewed; ESXi shows it after its next boot")


def _read(system: System) -> "Optional[str]":
    data = system.files.read(CONFIGURATION)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def new_uuid() -> str:
    """Return a UUID as ESXi writes them: eight digits of the time, then random ones, in five groups."""
    drawn = uuid.UUID(bytes=os.urandom(16)).hex
    text = "{:08x}{}".format(int(time.time()) & 0xFFFFFFFF, drawn[8:])
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
