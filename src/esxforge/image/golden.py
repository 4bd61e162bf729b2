"""Build a golden image: VMware's installer runs in a virtual machine at build time, and its disk is captured."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esxforge.checks.computer import Computer, ThisComputer
from esxforge.checks.report import missing
from esxforge.checks.requirements import DoctorOptions, Kind, check_computer
from esxforge.errors import ForgeError, ImageError, ProcessError, RecipeError
from esxforge.events import Decision, Listener, Notice, ignore
from esxforge.image.add_ons import AddOns
from esxforge.image.build import BuildOptions, build_installer_image, sbom_maker
from esxforge.image.capture import Origin, capture
from esxforge.image.details import recipe_details
from esxforge.image.golden_medium import Orders, TargetDisk, build_kickstart, make_target, make_unattended
from esxforge.image.host_settings import golden_settings, settings_for
from esxforge.image.image_files import PRIVATE, BuildResult, ImageFiles, reserve_image
from esxforge.image.installed_disk import InstalledDisk, Life, examine
from esxforge.local.workspace import work_directory
from esxforge.media.installer import InstallerMedia, open_installer
from esxforge.recipe.load import named_files
from esxforge.recipe.model import Recipe
from esxforge.vm.accelerator import choose
from esxforge.vm.failure import FailureReport, MachineFailedError
from esxforge.vm.firmware import find_ovmf, private_copy
from esxforge.vm.hardware import Accelerator, Disk, Machine, Nic, SerialToFile, UsbDisk, Vnc, hardware_for
from esxforge.vm.unattended import Limits, run_until_power_off
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.esxi.media_size import sizes_of, smallest_disk
from esxforge_target.esxi.release import Release
from esxforge_target.runtime.blocks import FileBlocks

DISK_NAME = "disk.raw"
_MEDIUM_NAME = "installer.raw"
# An install takes 5 to 15 minutes with KVM; without it everything takes some ten times longer.
_MINUTES = {Accelerator.KVM: 60, Accelerator.TCG: 360}
# Without output on the serial console and without growth of the disk: the longest silence of a working installer.
_SILENT_MINUTES = {Accelerator.KVM: 20, Accelerator.TCG: 120}
_FIRMWARE_RESTARTS = 3


class NotCapturedError(ImageError):
    """The installer ran, but no image could be made of its disk; the work directory is kept."""


@dataclass(frozen=True, slots=True)
class GoldenOptions:
    """``accelerator``: None for KVM. ``uefi``: the installer's firmware; False asks for legacy BIOS, which is refused.
    ``keep``: keep the work directory after success too. ``config``: the recipe's file, for a message that names it."""

    output: Path | None = None
    overwrite: bool = False
    sbom: bool = False
    accelerator: Accelerator | None = None
    uefi: bool = True
    vnc: Vnc | None = None
    watch: bool = False
    keep: bool = False
    config: Path | None = None
    mode: int = PRIVATE


@dataclass(frozen=True, slots=True)
class PlannedGoldenImage:
    """A golden image ready to build: everything was checked, nothing was written. ``options.output`` is set."""

    iso: Path
    media: InstallerMedia
    recipe: Recipe
    options: GoldenOptions
    settings: ImageSettings
    kickstart: bytes
    install_options: list[str]
    accelerator: Accelerator
    listener: Listener

    @property
    def output(self) -> Path:
        """Path of the image."""
        return self.options.output or Path(_default_name(self.media, self.recipe))

    @property
    def inputs(self) -> dict[str, Path]:
        """Files that are read, by the names that users know."""
        return {"the ISO": self.iso, **named_files(self.recipe)}

    @property
    def disk_bytes(self) -> int:
        """Size of the virtual disk in bytes, all of which every host gets."""
        return _disk_size(self.media, self.recipe)


def plan_golden_image(
    iso: Path, recipe: Recipe, options: GoldenOptions, listener: Listener, computer: Computer | None = None
) -> PlannedGoldenImage:
    """Check everything that can be known before the minutes of work. Raises :class:`ForgeError`; nothing is written."""
    if not options.uefi:
        raise RecipeError(
            ["--firmware bios: the installer's medium is an installer image, and that starts by UEFI only."],
            "Build with UEFI: the installer's disk starts by legacy BIOS too where “esxforge inspect” says so. For a "
            "disk that was installed in BIOS mode, install from VMware's ISO on a BIOS machine, power it off when the "
            "installer asks to restart, and give its disk to “esxforge capture”.",
            "--firmware",
        )
    if recipe.image.sector_size != 512:
        raise RecipeError(
            ["image.sector_size: a golden image has the sectors of its virtual disk, 512 bytes."],
            "Build an installer image for 4Kn disks.",
        )
    if recipe.add:
        raise RecipeError(
            ["add: a golden image cannot have drivers added: ESXi would not own them on the disk that is captured."],
            "Build an installer image, or an ISO that has the drivers with VMware's Image Builder.",
        )
    media = open_installer(iso)
    settings = settings_for(recipe, media, listener)
    kickstart, install_options = build_kickstart(settings, listener)
    options = replace(options, output=options.output or Path(_default_name(media, recipe)))
    _check(media, recipe, options, computer or ThisComputer())
    accelerator = choose(options.accelerator)
    if accelerator is Accelerator.TCG:
        listener(Notice("Without KVM the installer takes some ten times longer.", warning=True))
    if recipe.files:
        listener(
            Notice(
                f"files: {', '.join(extra.path for extra in recipe.files)}: the installer in the virtual machine "
                "alone has them, hosts of a golden image do not. Build an installer image where hosts need them.",
                warning=True,
            )
        )
    return PlannedGoldenImage(iso, media, recipe, options, settings, kickstart, install_options, accelerator, listener)


def build_golden_image(
    iso: Path, recipe: Recipe, options: GoldenOptions, listener: Listener, computer: Computer | None = None
) -> BuildResult:
    """Build the image. Raises a :class:`ForgeError`; if the virtual machine failed, its work directory is kept."""
    job = plan_golden_image(iso, recipe, options, listener, computer)
    with (
        reserve_image(job.output, overwrite=options.overwrite, mode=options.mode, inputs=job.inputs) as files,
        work_directory(keep_after=(MachineFailedError, NotCapturedError), keep=options.keep) as directory,
    ):
        if options.keep:
            listener(Notice(f"The work directory is kept: {directory}"))
        medium = build_installer_image(iso, _medium_recipe(recipe), BuildOptions(directory / _MEDIUM_NAME), ignore)
        target = make_target(directory / DISK_NAME, job.disk_bytes)
        orders = Orders(job.kickstart, job.install_options, target, _media_size(recipe, job.media))
        make_unattended(medium.image, orders, job.media.release, recipe.install.kernel_options)
        machine = _machine(job, directory, target)
        # The medium stays as long as the directory: QEMU's command line in a report names it.
        run = run_until_power_off(
            machine, directory, _limits(job.accelerator, recipe), listener=listener, watch=options.watch
        )
        listener(Decision(f"the installer took {run.seconds:.0f} seconds"))
        origin = Origin(_details(medium.document, recipe), golden_settings(job.settings))
        try:
            return _captured(target, job, files, origin, run)
        except NotCapturedError:
            raise
        except ForgeError as error:
            raise NotCapturedError(
                f"{error.message}\nThe installer's disk is kept: {target.path}",
                f"{error.hint} Then: {_capture_command(target.path, job)}".strip(),
            ) from error


def _capture_command(disk: Path, job: PlannedGoldenImage) -> str:
    """Return the command that captures the disk as the build would. A hash needs no flag: the installer set it."""
    options, password = job.options, job.recipe.root_password
    words: list[str | Path] = ["esxforge", "capture", disk, "-o", job.output]
    words += ["--config", options.config] if options.config else []
    words += ["--root-password-random"] if password.random else []
    words += ["--root-password-file", password.file] if password.file else []
    words += ["--format", "raw"] if job.recipe.image.format == "raw" else []
    words += ["--force"] if options.overwrite else []
    words += ["--mode", f"{options.mode:04o}"] if options.mode != PRIVATE else []
    return shlex.join(map(str, words))


def _captured(
    target: TargetDisk, job: PlannedGoldenImage, files: ImageFiles, origin: Origin, run: FailureReport
) -> BuildResult:
    with FileBlocks(str(target.path)) as blocks:
        found = _expected(_examined(blocks, run), job.media, target)
        if found.life is Life.UNKNOWN:
            job.listener(
                Notice(
                    "What ESXi saved on the virtual disk is encrypted or unreadable, so it is unknown whether the "
                    "system was started. The machine did not restart after the installation had begun, which speaks "
                    "against it; what hosts would otherwise share is listed in the manifest.",
                    warning=True,
                )
            )
        sbom = sbom_maker(job.media, AddOns()) if job.options.sbom else None
        return capture(target.path, blocks, found, job.recipe, origin, files=files, listener=job.listener, sbom=sbom)


def _examined(blocks: FileBlocks, run: FailureReport) -> InstalledDisk:
    try:
        return examine(blocks, "the virtual disk")
    except ImageError as error:
        raise NotCapturedError(
            f"The machine powered off, but ESXi was not installed: {error.message}\n{run.text}",
            run.diagnosis.hint,
        ) from error


def _expected(found: InstalledDisk, media: InstallerMedia, target: TargetDisk) -> InstalledDisk:
    """Return ``found`` if it is the ISO's release and never started. Raises :class:`NotCapturedError` otherwise."""
    told = found.release
    version, build = media.release.version, media.release.build
    if str(told) != version or (build and told.build and str(told.build) != build):
        raise NotCapturedError(
            f"ESXi {found.build} is on the virtual disk, {version} build {build or '?'} was to be installed.",
            f"Look into {target.path.parent}.",
        )
    if found.life is Life.STARTED:
        raise NotCapturedError(
            "The installed system was started before the machine powered off: its host keys and identifiers are made.",
            "Does a section of your kickstart restart the machine? It must not.",
        )
    return found


def _check(media: InstallerMedia, recipe: Recipe, options: GoldenOptions, computer: Computer) -> None:
    _check_disk_size(media, recipe)
    output = options.output or Path(_default_name(media, recipe))
    wish = DoctorOptions(
        Kind.GOLDEN,
        media.release.version,
        output.absolute().parent,
        without_kvm=options.accelerator is Accelerator.TCG,
        memory_mib=recipe.golden.memory,
    )
    lines = missing(check_computer(computer, wish))
    if lines:
        raise ProcessError(
            "This computer lacks what a golden build needs:\n"
            + "\n".join(f"{line.name}: {line.found}; needed: {line.needed}. {line.hint}" for line in lines),
            "“esxforge doctor --kind golden” shows the full list.",
        )


def _check_disk_size(media: InstallerMedia, recipe: Recipe) -> None:
    smallest = smallest_disk(Release.parse(media.release.version, media.release.build))
    if _disk_size(media, recipe) < smallest:
        raise RecipeError(
            [f"golden.disk_size: {recipe.golden.disk_size} GiB are too few for ESXi {media.release.version}."],
            f"Give --disk-size {-(-smallest >> 30)} at least; without it the disk has the size that VMware asks for.",
        )


def _medium_recipe(recipe: Recipe) -> Recipe:
    return replace(recipe, image=replace(recipe.image, kind="installer", format="raw"))


def _media_size(recipe: Recipe, media: InstallerMedia) -> str:
    """Return the smallest size, unless the recipe names one: what ESXi keeps for itself is written to every host."""
    asked = recipe.install.system_media_size
    release = Release.parse(media.release.version, media.release.build)
    return sizes_of(release)[0] if asked == "auto" else asked


def _disk_size(media: InstallerMedia, recipe: Recipe) -> int:
    return (recipe.golden.disk_size or hardware_for(media.release.version).smallest_disk_gib) << 30


def _machine(job: PlannedGoldenImage, directory: Path, target: TargetDisk) -> Machine:
    hardware = hardware_for(job.media.release.version)
    return Machine(
        name="esxforge-golden",
        chipset=hardware.chipset,
        accelerator=job.accelerator,
        cpus=hardware.cpus,
        memory_mib=job.recipe.golden.memory or hardware.memory_mib,
        firmware=private_copy(find_ovmf(hardware.chipset), directory),
        disks=(Disk(target.path, boot_index=1),),
        usb_disks=(UsbDisk(directory / _MEDIUM_NAME, boot_index=0),),
        # Without a network card the installer stops.
        nics=(Nic(hardware.card),),
        serial=SerialToFile(directory / "serial.log"),
        vnc=job.options.vnc,
    )


def _limits(accelerator: Accelerator, recipe: Recipe) -> Limits:
    return Limits(
        60 * (recipe.golden.timeout or _MINUTES[accelerator]),
        restarts=_FIRMWARE_RESTARTS,
        silent=_SILENT_MINUTES[accelerator] * 60,
        restart_after_writing=False,
        error_box_ends=True,
    )


def _details(medium: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    details: dict[str, Any] = medium["details"]
    return {**details, "recipe": recipe_details(recipe)}


def _default_name(media: InstallerMedia, recipe: Recipe) -> str:
    release = media.release
    parts = ["vmware-esxi", release.version, *([release.build] if release.build else []), "golden"]
    return "-".join(parts) + (".raw" if recipe.image.format == "raw" else ".dd.gz")
