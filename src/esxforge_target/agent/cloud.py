"""The last two phases: what MAAS itself asks for (vendor-data, vCenter), and what the owner asks for (user-data)."""

from typing import Callable, List, Optional, Tuple

from esxforge_target.agent import deadlines
from esxforge_target.agent.deployment import Deployment
from esxforge_target.agent.firewall import Firewall, addresses_of
from esxforge_target.agent.log import Log, mask
from esxforge_target.agent.system import System
from esxforge_target.cloud_data.execution import Outcome, apply_plan
from esxforge_target.cloud_data.plans import plan_user_data, plan_vendor_data
from esxforge_target.cloud_data.power_off import is_power_off
from esxforge_target.contract.host_record import VcenterOptions
from esxforge_target.inventory.model import InstalledRelease
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import MetadataError, RejectedError, TooLargeError
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.numbers import is_whole
from esxforge_target.vcenter.desired import parse_document
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.join import join
from esxforge_target.vcenter.tls import Trust

_PAUSE = 5.0


class NotDeployingError(ForgeError):
    """MAAS is not deploying this machine any more."""


def version(release: InstalledRelease) -> "Tuple[int, ...]":
    """(8, 0) of 8.0.3."""
    return tuple(int(part) for part in release.version.split(".")[:2] if is_whole(part))


def vendor_data(
    system: System, client: MetadataClient, release: InstalledRelease, log: Log, left: "Callable[[], float]"
) -> "Tuple[List[str], bytes]":
    """Do what vendor-data asks for: problems, and the vCenter document that was among it."""
    try:
        data = client.vendor_data()
    except MetadataError as error:
        return ["vendor-data could not be read: {}".format(error.message)], b""
    plan = plan_vendor_data(data, version(release))
    outcome = apply_plan(plan, system.host(log.say), max(left(), 1.0))
    return list(outcome.problems), plan.vcenter


def join_vcenter(  # noqa: PLR0917  # one for each part that it uses
    system: System,
    deployment: Deployment,
    document: bytes,
    name: str,
    firewall: Firewall,
    log: Log,
    left: "Callable[[], float]",
) -> str:
    """Join vCenter as ``name`` where it was asked for; a sentence where that failed."""
    recipe = deployment.record.vcenter

    def cleaning() -> None:
        """An administrator must not stay because vCenter took all the time."""
        system.until(system.clock.monotonic() + deadlines.CLOSING)

    if not document:
        if recipe is not None:
            log.warn("the recipe names a vCenter, but MAAS sent no credentials for it: registration is a choice there")
        return ""
    recipe = recipe or VcenterOptions()
    try:
        desired = parse_document(document, recipe.server, recipe.datacenter)
        log.hide(mask(desired.password.reveal()))
        trust = Trust(recipe.ca, recipe.thumbprint)
        firewall.open(desired.port, addresses_of(desired.server, desired.port))
        joined = join(desired, trust, name, system.host(log.say), max(left(), 30.0), cleaning)
    except VcenterError as error:
        return "vCenter was not joined: {} {}".format(error.message, error.hint).strip()
    log.say("vCenter {} {} this host".format(desired.server, "already has" if joined.already else "has taken"))
    return ""


def fetch_user_data(system: System, client: MetadataClient, end: float) -> "Tuple[Optional[bytes], str]":
    """user-data, which marks the machine Deployed, and a sentence where its content could not be had all the same.

    Raises MetadataError where MAAS did not answer: the machine is then not known to be Deployed. Raises
    NotDeployingError where MAAS answers with its script that switches a machine off: it is not, and never will be.
    """
    while True:
        try:
            data = client.user_data()
        except TooLargeError as error:
            return None, error.message  # MAAS marks the machine before it sends anything
        except MetadataError as error:
            final = isinstance(error, RejectedError) and error.status < 500
            if final or system.clock.monotonic() + _PAUSE >= end:
                raise
            system.clock.sleep(_PAUSE)
            continue
        if data is not None and is_power_off(data):
            raise NotDeployingError(
                "MAAS is not deploying this machine any more: for user-data it sent the script that switches a machine "
                "off, which was not run.",
                "The deployment took longer than MAAS waits (node_timeout), or somebody aborted it: MAAS's event log "
                "says which. The host is set up, but MAAS will not call it Deployed: release the machine and deploy it "
                "again.",
            )
        return data, ""


def do_user_data(system: System, data: bytes, release: InstalledRelease, log: Log) -> Outcome:
    """Do what the owner asks for, within its time limit."""
    return apply_plan(plan_user_data(data, version(release)), system.host(log.say), deadlines.USER_DATA)
