"""The deployment, phase by phase. failure.py handles a failed phase."""

from typing import List, Tuple

from esxforge_target.agent import cloud, deadlines
from esxforge_target.agent.added_modules import looked_for
from esxforge_target.agent.boot_order import restore_boot_order
from esxforge_target.agent.identity import Identity
from esxforge_target.agent.journal import Journal
from esxforge_target.agent.parts import Parts
from esxforge_target.agent.saving import save_configuration
from esxforge_target.agent.ssh import starts_with_host
from esxforge_target.agent.steps import StepError
from esxforge_target.agent.storage import boot_disk_doubts, datastore_figures
from esxforge_target.agent.undo import FALLBACK, IDENTITY, NETWORK, STORAGE
from esxforge_target.contract.image_settings import REQUIRE_ALL, REQUIRE_NONE
from esxforge_target.contract.names import AGENT_INVENTORY
from esxforge_target.esxi.esxcli import CommandError
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json
from esxforge_target.inventory.model import InstalledRelease, Inventory
from esxforge_target.metadata.errors import RIGHT
from esxforge_target.plan.differences import network_differences, storage_differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import STORAGE as STORAGE_PHASE
from esxforge_target.plan.steps import Plan
from esxforge_target.plan.working import not_working
from esxforge_target.runtime.errors import ForgeError

# DHCP may answer otherwise than the plan expected: then the remainder is planned again.
_ROUNDS = 3
_ROUND_PAUSE = 5.0
# Disks may come some time after the start, and a list may lag behind another: missing ones are looked for this long.
_LATE_SECONDS = 90.0
_LAG_SECONDS = 75.0
# How long to repeat a query whose answer cannot be read, or contradicts another one.
_READ_SECONDS = 20.0
# A DHCP server, a link or the check of an IPv6 address may take this long.
_WORKING_SECONDS = 40.0
_RESCAN = ("esxcli", "storage", "core", "adapter", "rescan", "--all")
_LEFT_DEPLOYED = "user-data: the machine stays Deployed. {}"


class RefusedPlanError(ForgeError):
    """This host cannot be what MAAS asks for; nothing was touched."""


class Work:
    """Runs the phases. ``proved``: MAAS answered over the desired network; ``saved``: the desired host will stay."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._identity = Identity(parts.system, parts.undo, parts.log)
        self._name = ""
        self._keys = ()  # type: Tuple[str, ...]
        self.proved = False
        # An earlier start may have come that far.
        self.saved = parts.journal.last("saved") is not None or asked_for_user_data(parts.journal)

    def run(self) -> List[str]:
        """Run all phases; MAAS has marked the machine Deployed when this returns. Return later failures, in sentences.

        Raises ForgeError if the deployment failed.
        """
        inventory, plan = self._plan(self._take_inventory())
        now = self._verify(self._set_up(plan, inventory))
        now = self._with_default(plan, self._check_working(now))
        self._save(now)
        problems = self._vendor_data(now)
        return problems + self._user_data(now.release)

    def resume(self) -> List[str]:
        """Finish after an earlier start that had asked for user-data: the host is the owner's by then.

        Nothing is set up again, as user-data may have changed it; but before it runs, the default route is claimed,
        which the boot may have given to another lease. Returns and raises as ``run``.
        """
        parts = self._parts
        deployed = parts.journal.last("deployed")
        if deployed is None:
            found = parts.journal.last("found")
            inventory = inventory_from_json(found["inventory"]) if found else parts.network.inventory()
            try:
                parts.default_route.claim(parts.network.current(inventory, True, False, _READ_SECONDS), None)
            except ForgeError as error:
                parts.log.warn(error.message)  # MAAS may know the machine as Deployed
            return self._user_data(inventory.release)
        if not deployed.get("runs", True):
            return []
        problem = (
            "The host was restarted while it did user-data, by user-data itself or by a power cut; it is not run a "
            "second time."
        )
        parts.reporter.failed_phase("user-data", _LEFT_DEPLOYED.format(problem))
        return [problem]

    def _take_inventory(self) -> Inventory:
        parts = self._parts
        # If hostd came late, it is slow, too: time that the ladder of fall-backs may not need is lent.
        parts.until(deadlines.CONNECTIVITY)
        for notice in parts.deployment.notices:
            parts.reporter.start("kickstart", notice)
        parts.reporter.start("inventory", "ESXi runs; reading its NICs, disks and present settings")
        inventory = parts.network.inventory(parts.ends.left(deadlines.INVENTORY))
        if parts.journal.last("found") is None:
            text = inventory_to_json(inventory)
            parts.journal.add("found", inventory=text, ssh=starts_with_host(parts.system))
            self._keep(inventory)
        parts.reporter.done(
            "inventory",
            "ESXi {} build {}: {} NICs, {} disks.".format(
                inventory.release.version, inventory.release.build, len(inventory.nics), len(inventory.devices)
            ),
        )
        self._look_for_modules()
        return inventory

    def _look_for_modules(self) -> None:
        """Report whether the modules that the image added are loaded: if not, hardware may be missing."""
        parts = self._parts
        loaded, missing = looked_for(parts.system, parts.deployment.record.modules)
        if loaded:
            parts.reporter.start("drivers", loaded)
        if missing:
            parts.reporter.failed_phase("drivers", missing)

    def _keep(self, inventory: Inventory) -> None:
        """Save the inventory for people, and for the desk, which cannot otherwise map MAAS's disks to the host's."""
        parts = self._parts
        guids = {disk.id: disk.disk_guid for disk in parts.desired.disks if disk.disk_guid}
        text = inventory_to_json(inventory, guids)
        try:
            parts.system.bank_files.write("{}/{}".format(parts.bank, AGENT_INVENTORY), text.encode("ascii"))
        except ForgeError as error:
            parts.log.warn("the inventory is not kept: {}".format(error.message))

    def _plan(self, inventory: Inventory) -> "Tuple[Inventory, Plan]":
        """Return the plan, and the inventory that it is for. Raises RefusedPlanError before anything is touched."""
        parts = self._parts
        clock = parts.system.clock
        end = min(clock.monotonic() + _LATE_SECONDS, parts.ends.end(deadlines.INVENTORY))
        first = inventory
        while True:
            plan = make_plan(parts.desired, inventory)
            errors = list(plan.errors)
            doubts = boot_disk_doubts(parts.deployment, inventory)
            if parts.desired.datastores:
                errors += [doubt for doubt in doubts if doubt not in errors]
            if not errors or clock.monotonic() + _ROUND_PAUSE >= end:
                break
            parts.log.warn("{} Looked for again.".format(" ".join(errors)))
            clock.sleep(_ROUND_PAUSE)
            parts.system.run(_RESCAN)
            inventory = parts.network.inventory(end - clock.monotonic())
        for notice in plan.notices:
            parts.log.say("notice: " + notice)
        if errors:
            raise RefusedPlanError(
                "This host cannot be what MAAS asks for, and nothing was changed: {}".format(" ".join(errors)),
                "Correct the machine in MAAS, or the hardware, and deploy it again.",
            )
        for doubt in doubts:
            parts.log.warn(doubt)
        if inventory is not first:
            self._keep(inventory)
        return inventory, plan

    def _set_up(self, plan: Plan, inventory: Inventory) -> Inventory:
        """Set up network, storage and identity; the first two in some rounds if DHCP needs them. Raises ForgeError.

        The returned inventory was read after the last change: each command costs a second, so one reading
        says what remains and is what is verified.
        """
        parts = self._parts
        count, done = len(plan.steps), plan.replace(steps=())
        parts.reporter.start("network", "Setting up the network: {} steps in all".format(count))
        for number in range(_ROUNDS):
            parts.until(deadlines.CONNECTIVITY)
            parts.network.make(plan, inventory, self._heard)
            storage = [step for step in plan.steps if step.phase == STORAGE_PHASE]
            if not number:
                parts.reporter.done("network", "MAAS answers over the desired network.")
                parts.reporter.start("storage", "Setting up {}".format(self._datastores()))
            parts.until(deadlines.STORAGE)
            parts.steps.run(storage, STORAGE, inventory)
            if not number:
                parts.reporter.done("storage")
                self._make_identity()
                parts.reporter.start("verify", "Reading everything back")
            done = done.replace(steps=done.steps + plan.steps)
            inventory, plan = self._plan_again(inventory)
            asked = not plan.steps and parts.network.ask_for_default(done, inventory)
            if asked or parts.default_route.claim(inventory, done):
                inventory, plan = self._plan_again(inventory)
            if not plan.steps:
                break
            parts.log.say("{} steps remain; planned again".format(len(plan.steps)))
        return inventory

    def _with_default(self, done: Plan, inventory: Inventory) -> Inventory:
        """Return the inventory once management's lease, which may have come late, has the default route."""
        parts = self._parts
        if not parts.default_route.claim(inventory, done):
            return inventory
        inventory, plan = self._plan_again(inventory)
        if plan.steps:  # routes through networks whose lease was away for a moment
            parts.network.make(plan, inventory, self._heard)
            inventory = parts.network.current(inventory, True, False, _READ_SECONDS)
        return self._verify(inventory)

    def _may_read_again(self, began: float, end: float) -> bool:
        """Pause before another reading, which begins before ``end``. Return False, at once, if that is over, or if a
        reading as long as the last, which began at ``began``, would be cut off by the end of the phase: known facts
        are worth more than that.
        """
        system = self._parts.system
        clock = system.clock
        now = clock.monotonic()
        next_began = now + _ROUND_PAUSE
        if next_began >= end or (system.end is not None and next_began + now - began >= system.end):
            return False
        clock.sleep(_ROUND_PAUSE)
        return True

    def _plan_again(self, before: Inventory) -> "Tuple[Inventory, Plan]":
        """Return what remains, from an inventory that may lag behind at first. Raises StepError if planning fails."""
        parts = self._parts
        parts.until(deadlines.VERIFY)
        clock = parts.system.clock
        end = min(clock.monotonic() + _LAG_SECONDS, parts.ends.end(deadlines.VERIFY))
        settled = clock.monotonic() + 2 * _ROUND_PAUSE
        while True:
            began = clock.monotonic()
            inventory = parts.network.current(before, True, bool(parts.desired.datastores), _READ_SECONDS)
            plan = make_plan(parts.desired, inventory)
            # Remaining steps may come from a list that lags; an impossible plan from one that lags for longer.
            if not plan.errors and (not plan.steps or clock.monotonic() >= settled):
                return inventory, plan
            if not self._may_read_again(began, end):
                break
        if not plan.errors:
            return inventory, plan
        raise StepError(
            "After the steps of the plan ESXi shows what cannot be planned: {}".format(" ".join(plan.errors)),
            "The log in the boot bank has each command and ESXi's answer.",
        )

    def _heard(self) -> None:
        self.proved = True
        self._parts.reporter.heard()

    def _datastores(self) -> str:
        names = [datastore.name for datastore in self._parts.desired.datastores]
        return "the datastores {}".format(", ".join(names)) if names else "storage: VMware's own layout stays"

    def _make_identity(self) -> None:
        parts, record = self._parts, self._parts.deployment.record
        parts.until(deadlines.IDENTITY)
        parts.reporter.start("identity", "Setting host name, SSH keys and certificate")
        self._name = self._identity.name(parts.client)
        self._keys = self._identity.keys(parts.client, list(record.ssh_keys))
        if self._keys:
            self._identity.ssh()
        problem = self._identity.certificate(self._name, lambda: parts.ends.left(deadlines.IDENTITY))
        if not record.keep_boot_order:
            restore_boot_order(parts.system, list(record.boot_order), parts.log)
        if problem:
            parts.reporter.failed_phase("identity", problem)
        if record.encrypted_password:
            text = "Root's password, encrypted to the key of the recipe: {}".format(record.encrypted_password)
            parts.reporter.start("password", text)
        if not problem:
            parts.reporter.done("identity", "This host is {}.".format(self._name))

    def _verify(self, before: Inventory) -> Inventory:
        """Check that all that MAAS asks for is there, and that MAAS knows the host; ``before`` is from after the
        last change. Missing items are read again, as a list may lag behind. Raises StepError.
        """
        parts = self._parts
        parts.until(deadlines.VERIFY)
        clock = parts.system.clock
        end = min(clock.monotonic() + _LAG_SECONDS, parts.ends.end(deadlines.VERIFY))
        inventory, network, storage = before, False, False
        while True:
            began = clock.monotonic()
            inventory = parts.network.current(inventory, network, storage, end - began)
            of_network = network_differences(parts.desired, inventory)
            of_storage = storage_differences(parts.desired, inventory)
            found = of_network + of_storage + self._identity.differences(self._name, self._keys)
            network, storage = bool(of_network), bool(of_storage)
            if not found or not self._may_read_again(began, end):
                break
            parts.log.warn("{} Looked at again.".format(" ".join(found)))
        if found:
            raise StepError(
                "The host is not as MAAS asked: {}".format(" ".join(found)),
                "The log in the boot bank has each command and ESXi's answer. If all look right: a defect of esxforge.",
            )
        if parts.connectivity.listen(parts.ends.end(deadlines.VERIFY)) != RIGHT:
            raise StepError(
                "MAAS does not answer for this machine any more: {}".format(parts.connectivity.detail),
                "See whether MAAS's services run, and whether the network to them is steady; then deploy again.",
            )
        parts.reporter.heard()
        figures = "; ".join(datastore_figures(parts.desired, inventory))
        parts.reporter.done("verify", "The host is as MAAS asked. {}".format(figures + "." if figures else "").strip())
        return inventory

    def _check_working(self, inventory: Inventory) -> Inventory:
        """Name each interface that is set and does not work; return the last inventory.

        Raises StepError if the recipe requires it to work.
        """
        parts = self._parts
        clock = parts.system.clock
        end = min(clock.monotonic() + _WORKING_SECONDS, parts.ends.end(deadlines.VERIFY))
        troubles = not_working(parts.desired, inventory)
        began = clock.monotonic()
        while troubles and self._may_read_again(began, end):
            began = clock.monotonic()
            try:
                inventory = parts.network.current(inventory, True, False, end - began)
            except CommandError as error:
                parts.log.warn("what was seen before counts: {}".format(error.message))
                break
            troubles = not_working(parts.desired, inventory)
        if not troubles:
            return inventory
        text = " ".join(str(trouble) for trouble in troubles)
        parts.reporter.failed_phase("interfaces", "set, but not working: {}".format(text))
        required = parts.deployment.record.require_working
        fatal = [one for one in troubles if required == REQUIRE_ALL or (one.management and required != REQUIRE_NONE)]
        if fatal:
            raise StepError(
                "The network does not work: {}".format(" ".join(str(trouble) for trouble in fatal)),
                "Look at cables, switch ports, VLANs, DHCP servers and who else has the address; or let the recipe's "
                "install.require_working say that this is not a failure.",
            )
        return inventory

    def _save(self, inventory: Inventory) -> None:
        parts = self._parts
        parts.until(deadlines.PERSIST)
        parts.reporter.start("persist", "Saving ESXi's configuration")
        problem = save_configuration(parts.system)
        if problem:
            raise StepError(
                "ESXi did not save its configuration: {}.".format(problem),
                "Is the boot disk failing, or its boot bank full? Redeploy once it is repaired.",
            )
        self.saved = True
        parts.undo.commit(NETWORK, FALLBACK, STORAGE, IDENTITY)
        parts.note("saved")
        parts.reporter.done("persist", "Saved: from now on the host stays like this.")

    def _vendor_data(self, inventory: Inventory) -> List[str]:
        parts = self._parts
        parts.until(deadlines.VENDOR_DATA)
        parts.reporter.start("vendor-data", "Doing what MAAS itself asks for (time servers, vCenter)")

        def left() -> float:
            return parts.ends.left(deadlines.VENDOR_DATA)

        problems, document = cloud.vendor_data(parts.system, parts.client, inventory.release, parts.log, left)
        problem = cloud.join_vcenter(
            parts.system, parts.deployment, document, self._name, parts.firewall, parts.log, left
        )
        problems += [problem] if problem else []
        if problems:
            parts.reporter.failed_phase("vendor-data", " ".join(problems))
        else:
            parts.reporter.done("vendor-data")
        return problems

    def _deliver_events(self) -> None:
        """Send what waits before the machine is Deployed, as user-data may restart the host.

        Raises ForgeError if MAAS does not accept root's password: nobody could log in to that host.
        """
        parts = self._parts
        if not parts.deployment.record.encrypted_password:
            parts.reporter.heard()
            return
        parts.reporter.deliver(max(parts.ends.left(deadlines.DEPLOYED), deadlines.CLOSING))
        if not parts.reporter.was_told("password"):
            raise StepError(
                "MAAS did not take the event that holds root's encrypted password.",
                "The host is set up and saved. See whether MAAS's services run; then deploy again.",
            )

    def _user_data(self, release: InstalledRelease) -> List[str]:
        """Fetch user-data, which marks the machine Deployed. It is noted before it is run, so it is never run twice."""
        parts = self._parts
        parts.system.until(None)
        parts.reporter.start("user-data", "The host is ready; fetching user-data")
        self._deliver_events()
        parts.note("user-data")
        data, problem = cloud.fetch_user_data(parts.system, parts.client, parts.ends.end(deadlines.DEPLOYED))
        unnoted = parts.journal.note_alone("deployed", runs=data is not None)
        problems = [problem] if problem else []
        if data is not None and unnoted:
            problems.append("It was not run, as a restart could run it twice: {}".format(unnoted))
        elif data is not None:
            outcome = cloud.do_user_data(parts.system, data, release, parts.log)
            problems += list(outcome.problems)
        if problems:
            parts.reporter.failed_phase("user-data", _LEFT_DEPLOYED.format(" ".join(problems)))
        else:
            parts.reporter.done("user-data")
        parts.reporter.deliver(deadlines.CLOSING)
        return problems


def asked_for_user_data(journal: Journal) -> bool:
    """Return whether an earlier start may have marked the machine Deployed."""
    return journal.last("user-data") is not None or journal.last("deployed") is not None
