"""The entire run: build, start as built, personalise, install, cut the power, deploy, start once more; look each time.

A failed stage ends the run, not the report: everything seen up to then is evidence too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from passlib.hash import sha512_crypt

from esxforge.errors import ForgeError, ImageError
from esxforge.events import Listener, Notice, step
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.golden import GoldenOptions, build_golden_image
from esxforge.media.installer import open_installer
from esxforge.recipe.load import load_recipe
from esxforge.recipe.model import Recipe
from esxforge.selftest.boots import BootPlan, Finish, Progress, run_boot
from esxforge.selftest.connectivity import Connectivity
from esxforge.selftest.evidence import Asked, Boot, Evidence, Snapshot, Stage, Stop
from esxforge.selftest.judge_bios import GPTMBR
from esxforge.selftest.order import GuestToken, Order, smallest_disks
from esxforge.selftest.service import Service
from esxforge.selftest.snapshots import take_snapshot
from esxforge.selftest.subject import subject_of
from esxforge.selftest.virtual_host import VirtualHost
from esxforge.vm.deployed import Changes
from esxforge.vm.disks import create_overlay
from esxforge.vm.hardware import Accelerator, SeaBios
from esxforge.vm.phases import Phase
from esxforge.vm.watch import WatchPage

# The installer's and the kernel's logs go to the first serial port (VMware's documents on installer logs); the others
# keep ESXi from refusing processors that QEMU shows.
KERNEL_OPTIONS = ("logPort=com1", "debugLogToSerial=1", "allowLegacyCPU=true", "cpuUniformityHardCheckPanic=FALSE")
# It says so on the host's consoles, of which the serial port may be one.
AGENT_IS_DONE = "esxforge: the agent is done: "
_GIB = 1 << 30
# Half an hour for an install on slow disks, with a margin.
_LIMIT = 2400.0
# Silence after the agent's last line, in seconds: it cleans up when MAAS has its answer.
_QUIET = 45.0
# How long after its management service a host's agent may be silent, in seconds.
_AGENT_WAIT = 240.0
# The host answers pings long before its management service is up.
_MANAGEMENT_WAIT = {Accelerator.KVM: 180.0, Accelerator.TCG: 30.0}


@dataclass(frozen=True, slots=True)
class SelftestSettings:
    """Settings of a run. ``limit``: the longest that one start may take, in seconds.

    ``add``: VIBs and bundles for the installer image.
    ``boot_gib`` 0 is for the smallest disk that leaves a datastore. ``patience`` stretches short waits: 1 with KVM.
    """

    iso: Path
    accelerator: Accelerator
    limit: float
    changes: Changes = field(default_factory=Changes)
    boot_gib: int = 0
    kernel_options: tuple[str, ...] = ()
    patience: float = 1.0
    asked: Asked = field(default_factory=Asked)
    add: tuple[Path, ...] = ()

    @property
    def all_kernel_options(self) -> tuple[str, ...]:
        """Kernel options: ours and the user's."""
        return (*KERNEL_OPTIONS, *self.kernel_options)


def default_limit(accelerator: Accelerator) -> float:
    """Return the seconds that one start may take."""
    return _LIMIT * default_patience(accelerator)


def default_patience(accelerator: Accelerator) -> float:
    """Return the factor by which everything may take longer than with KVM."""
    return 1.0 if accelerator is Accelerator.KVM else 4.0


class _Stopped(Exception):  # noqa: N818  no error: the run ends here, and what was seen is judged
    """The run cannot go on."""


def run_selftest(
    settings: SelftestSettings, directory: Path, token: GuestToken, listener: Listener, page: WatchPage | None = None
) -> Evidence:
    """Run in ``directory``, an empty work directory. Raises a ForgeError only for failures before the first
    start."""
    media = open_installer(settings.iso)
    boot_bytes, data_bytes = smallest_disks(media.release.version)
    boot_bytes = settings.boot_gib * _GIB or boot_bytes
    order = Order(media.release.version, boot_bytes, data_bytes)
    host = VirtualHost(directory / "host-1", order, settings.accelerator, settings.changes)
    began = time.monotonic()
    result = build_installer_image(settings.iso, _recipe(settings, "installer"), BuildOptions(host.boot_disk), listener)
    iso_sha256 = str(result.document["details"]["iso"]["sha256"])
    subject = subject_of(media, iso_sha256, result.sha256, settings.accelerator, settings.changes)
    gptmbr = media.find(GPTMBR)
    evidence = Evidence(
        subject,
        settings.asked,
        image_bytes=result.size,
        build_seconds=time.monotonic() - began,
        boot_datastore_desired=bool(order.boot_datastore_bytes),
        added_modules=tuple(
            str(module["path"]).lower()
            for added in result.document["details"].get("add_ons", [])
            for module in added["modules"]
        ),
        gptmbr_bytes=gptmbr.content.length if gptmbr else None,
    )
    host.attach_disks()
    with Service(token) as service:
        run = _Run(settings, directory, host, service, listener, page, evidence)
        try:
            run.everything()
        except _Stopped as stopped:
            listener(Notice(f"The run ends here: {stopped}", warning=True))
            run.note(f"The run ended early: {stopped}")
        except ForgeError as error:
            listener(Notice(error.message, warning=True))
            run.note(f"The run ended early: {error.message}")
        if settings.asked.golden:
            run.golden()
        if settings.asked.secure_boot:
            run.secure_boot()
        return run.finished()


def _recipe(settings: SelftestSettings, kind: str, *, secure_boot: str = "refuse") -> Recipe:
    return load_recipe(
        None,
        {
            "image": {"format": "raw", "kind": kind},
            "install": {
                "accept_eula": True,
                "kernel_options": settings.all_kernel_options,
                "secure_boot": secure_boot,
                # This host is disposable: any VIBs that the user names are tried.
                "acceptance_level": "community",
            },
            # Secret from everyone: the host answers by itself.
            "root_password": {"hash": str(sha512_crypt.using(rounds=5000).hash(secrets.token_urlsafe(18)))},
            "golden": {"memory": settings.changes.memory_mib},
            **({"add": [{"file": path} for path in settings.add]} if kind == "installer" else {}),
        },
    )


def _kernel_speaks(progress: Progress) -> bool:
    return progress.phase >= Phase.KERNEL


@dataclass(slots=True)
class _Run:
    """The stages, and their evidence so far."""

    settings: SelftestSettings
    directory: Path
    host: VirtualHost
    service: Service
    listener: Listener
    page: WatchPage | None
    evidence: Evidence
    snapshots: dict[Stage, Snapshot] = field(default_factory=dict)
    started: float = 0.0

    def everything(self) -> None:
        """Run all stages, in order. Raises _Stopped if the next one makes no sense."""
        self._interactive()
        self._personalise()
        self._install()
        self._first_boot()
        self._second_boot()
        self._later_boot()

    def finished(self) -> Evidence:
        """Return the complete evidence."""
        return replace(
            self.evidence,
            snapshots=dict(self.snapshots),
            machine_status=self.service.status,
            told=self.service.told,
        )

    def note(self, text: str) -> None:
        """Add a note to the report."""
        self.evidence = replace(self.evidence, notes=(*self.evidence.notes, text))

    # -- stages -------------------------------------------------------------------------------------------------

    def _interactive(self) -> None:
        overlay = self.directory / "interactive.qcow2"
        create_overlay(self.host.boot_disk, overlay, self.host.order.boot_bytes)
        plan = BootPlan(
            Stage.INTERACTIVE,
            self.host.machine_on_overlay(self.host.firmware("firmware-interactive"), overlay),
            self.directory,
            min(self.settings.limit, 900.0 * self.settings.patience),
            enough=lambda progress: progress.phase >= Phase.INSTALLER,
            settle=20.0,  # for the picture
        )
        boot = self._run(plan)
        if self.host.differs(self.host.boot_disk, overlay):
            self._replace_last(replace(boot, written=max(1, overlay.stat().st_blocks * 512)))
        overlay.unlink()

    def _personalise(self) -> None:
        with step(self.listener, "run the hook, as curtin would"):
            hook = self.host.run_hook(self.service.endpoint, self.service.token)
        self.evidence = replace(self.evidence, hook=hook)
        if not hook.succeeded:
            raise _Stopped("the hook refused; its words are in the report.")

    def _install(self) -> None:
        self._run(self._plan(Stage.INSTALL))
        snapshot = self._look(Stage.INSTALL)
        bank = snapshot.boot.current_bank
        if bank is None:
            raise _Stopped("ESXi was not installed.")
        if bank.module is None:
            raise _Stopped("the boot bank has no module of ours.")
        options = self.settings.all_kernel_options
        self.host.add_kernel_options(bank.partition, options)
        self.note(
            "After the bank was looked at, its boot.cfg got kernel options, so that the host's console can be read and "
            f"its processor is taken: {' '.join(options)}."
        )

    def _first_boot(self) -> None:
        heard = self.service.heard_count
        self._run(self._plan(Stage.FIRST_BOOT, lambda _: self.service.heard_count > heard))
        self._look(Stage.FIRST_BOOT)
        if self.service.heard_count == heard:
            raise _Stopped("the agent was not heard of.")

    def _second_boot(self) -> None:
        self._run(self._plan(Stage.SECOND_BOOT, self._done, settle=5.0, finish=Finish.BUTTON))
        self._look(Stage.SECOND_BOOT)
        if self.service.status != "Deployed":
            raise _Stopped(f"the machine is not Deployed: {self.service.status}.")

    def _later_boot(self) -> None:
        connectivity = Connectivity(self.host.management_port, _MANAGEMENT_WAIT[self.settings.accelerator])
        self._run(
            self._plan(Stage.LATER_BOOT, lambda progress: connectivity.ask(progress.seconds), finish=Finish.BUTTON)
        )
        self.evidence = replace(self.evidence, answer=connectivity.answer)

    def golden(self) -> None:
        """Deploy another host from a golden image of the same ISO, up to Deployed. Failures are evidence."""
        host = VirtualHost(self.directory / "host-2", self.host.order, self.settings.accelerator, self.settings.changes)
        began = time.monotonic()
        try:
            options = GoldenOptions(host.boot_disk, accelerator=self.settings.accelerator)
            result = build_golden_image(self.settings.iso, _recipe(self.settings, "golden"), options, self.listener)
            self.evidence = replace(self.evidence, bios=result.document["details"].get("golden", {}).get("bios"))
            built = Boot(Stage.GOLDEN_BUILD, Stop.POWERED_OFF, time.monotonic() - began)
            self.evidence = replace(self.evidence, boots=(*self.evidence.boots, built))
            host.attach_disks()
            with Service(self.service.token) as service:
                replace(self, host=host, service=service)._golden_boot(self)
        except ForgeError as error:
            self.listener(Notice(error.message, warning=True))
            self.evidence = replace(self.evidence, golden_problem=error.message.partition("\n")[0])

    def _golden_boot(self, whole: _Run) -> None:
        """Personalise and start the golden host; observations go to ``whole``."""
        hook = self.host.run_hook(self.service.endpoint, self.service.token)
        if not hook.succeeded:
            raise ImageError(
                f"The hook refused the golden image: {' '.join(hook.lines[-4:])}", "Report this, with the report."
            )
        bank = take_snapshot(self.host.boot_disk, self.host.data_disk, ()).boot.current_bank
        if bank is not None:
            self.host.add_kernel_options(bank.partition, self.settings.all_kernel_options)
        self._golden_bios()
        self._run(self._plan(Stage.GOLDEN_BOOT, self._done, settle=5.0, finish=Finish.BUTTON))
        whole.evidence = self.evidence

    def _golden_bios(self) -> None:
        """Start the personalised disk under SeaBIOS, if capture found that a BIOS starts it. Writes are dropped."""
        if not (self.evidence.bios or {}).get("starts"):
            return
        overlay = self.directory / "bios.qcow2"
        create_overlay(self.host.boot_disk, overlay, self.host.order.boot_bytes)
        limit = min(self.settings.limit, 900.0 * self.settings.patience)
        machine = self.host.machine_on_overlay(SeaBios(), overlay)
        try:
            # Not longer: a host that goes on is observed with UEFI.
            self._run(BootPlan(Stage.GOLDEN_BIOS, machine, self.directory, limit, _kernel_speaks))
        except ForgeError as error:  # the start by UEFI can be looked at all the same
            self.note(f"The golden disk was not started by legacy BIOS: {error.message}")
        overlay.unlink()

    def secure_boot(self) -> None:
        """Start another host, whose firmware enforces Secure Boot, and see how far it gets. Failures are evidence."""
        settings = self.settings
        host = VirtualHost(
            self.directory / "host-3", self.host.order, settings.accelerator, settings.changes, secure_boot=True
        )
        try:
            host.firmware("firmware")
            recipe = _recipe(settings, "installer", secure_boot="try")
            build_installer_image(settings.iso, recipe, BuildOptions(host.boot_disk), self.listener)
            host.attach_disks()
            with Service(self.service.token) as service:
                run = replace(self, host=host, service=service)
                try:
                    run._secure_boot()
                finally:
                    self.evidence = run.evidence
        except ForgeError as error:
            self.listener(Notice(error.message, warning=True))
            self.evidence = replace(self.evidence, secure_problem=error.message.partition("\n")[0])

    def _secure_boot(self) -> None:
        hook = self.host.run_hook(self.service.endpoint, self.service.token)
        self.evidence = replace(self.evidence, secure_hook=hook)
        if not hook.succeeded:
            return
        self._run(self._plan(Stage.SECURE_INSTALL))
        bank = self._look(Stage.SECURE_INSTALL).boot.current_bank
        if bank is None:
            return
        self.host.add_kernel_options(bank.partition, self.settings.all_kernel_options)
        connectivity = Connectivity(self.host.management_port, _MANAGEMENT_WAIT[self.settings.accelerator])

        patience = _AGENT_WAIT * self.settings.patience
        answered: list[float] = []

        def enough(progress: Progress) -> bool:
            if self.service.heard_count:
                return self._done(progress)
            # ESXi's service may answer before the agent starts.
            if not answered and connectivity.ask(progress.seconds):
                answered.append(progress.seconds)
            return bool(answered) and progress.seconds - answered[0] > patience

        self._run(self._plan(Stage.SECURE_BOOT, enough, settle=5.0, finish=Finish.BUTTON))
        self.evidence = replace(self.evidence, secure_answer=connectivity.answer)

    def _done(self, progress: Progress) -> bool:
        """Return whether the agent has finished in this start."""
        if self.service.seconds_of_silence() > time.time() - self.started or not self.service.is_settled:
            return False
        quiet = self.service.seconds_of_silence() > _QUIET * self.settings.patience
        return quiet or AGENT_IS_DONE in progress.console

    def _plan(
        self,
        stage: Stage,
        enough: Callable[[Progress], bool] = lambda _progress: False,
        *,
        settle: float = 0.0,
        finish: Finish = Finish.CUT,
    ) -> BootPlan:
        """Return a start of the host in its present state."""
        machine = self.host.machine(self.host.firmware("firmware"))
        return BootPlan(stage, machine, self.directory, self.settings.limit, enough, settle, finish)

    # -- what each stage leaves ---------------------------------------------------------------------------------

    def _run(self, plan: BootPlan) -> Boot:
        first, self.started = self.service.heard_count, time.time()
        boot = run_boot(plan, self.listener, self.page)
        calls = self.service.calls_since(first, plan.stage, self.started)
        evidence = self.evidence
        self.evidence = replace(evidence, boots=(*evidence.boots, boot), calls=(*evidence.calls, *calls))
        return boot

    def _replace_last(self, boot: Boot) -> None:
        evidence = self.evidence
        self.evidence = replace(evidence, boots=(*evidence.boots[:-1], boot))

    def _look(self, stage: Stage) -> Snapshot:
        with step(self.listener, "look at the disks"):
            snapshot = take_snapshot(self.host.boot_disk, self.host.data_disk, self.service.token.secrets)
        self.snapshots[stage] = snapshot
        return snapshot
