"""Checks of everything that can be found wrong before the first write, reported at once."""

import os
from typing import Any, Dict, List, Mapping, Tuple

from esxforge_target.contract.desired_host import DesiredHost, Disk
from esxforge_target.contract.host_record import GOLDEN, INSTALLER
from esxforge_target.contract.image_settings import SETTINGS_PATH, TRY, ImageSettings
from esxforge_target.contract.secure_boot_steps import TRIED
from esxforge_target.contract.token import Token
from esxforge_target.curtin_config.parse import desired_host_from_config, token_from_config
from esxforge_target.esxi import limits, media_size
from esxforge_target.esxi.release import Release
from esxforge_target.formats.manifest import MANIFEST_PATH, Manifest
from esxforge_target.hook import golden, secure_boot
from esxforge_target.hook.credentials import only_by_vcenter, password_refusal
from esxforge_target.hook.disks import BlockDisk, Disks, boot_disk, foreign_boot_volumes
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.hook.volume import HookVolume
from esxforge_target.runtime.errors import ForgeError, FormatError
from esxforge_target.runtime.report import Report
from esxforge_target.runtime.strict_json import MOST_BYTES, load_json
from esxforge_target.runtime.validation_errors import ValidationErrors
from esxforge_target.runtime.values import Value

TARGET_ZIP = "curtin/target.zip"
KINDS = (INSTALLER, GOLDEN)


class Environment(Value):
    """Input from curtin: its configuration, and the directory at which it mounted the image's boot volume."""

    __slots__ = ("config", "target")

    def __init__(self, config: "Dict[str, Any]", target: str) -> None:
        self.config = config
        self.target = target

    def __repr__(self) -> str:
        return "Environment(target={!r}, …)".format(self.target)  # the configuration holds MAAS's token


class Image(Value):
    """The image's description of itself."""

    __slots__ = ("manifest", "settings", "code")

    def __init__(self, manifest: Manifest, settings: ImageSettings, code: bytes) -> None:
        self.manifest = manifest
        self.settings = settings
        self.code = code

    @property
    def kind(self) -> str:
        """Kind of the image, see KINDS."""
        return str(self.manifest.kind)

    @property
    def is_golden(self) -> bool:
        """Whether it is a captured disk."""
        return self.kind == GOLDEN


class Situation(Value):
    """Host, disks and token, all of them checked. ``data`` pairs MAAS's disks with this machine's. ``secure_boot``: it
    is on, and tried.
    """

    __slots__ = ("desired", "token", "boot", "data", "secure_boot")

    def __init__(
        self,
        desired: DesiredHost,
        token: Token,
        boot: BlockDisk,
        data: "Tuple[Tuple[Disk, BlockDisk], ...]",
        secure_boot: bool = False,
    ) -> None:
        self.desired = desired
        self.token = token
        self.boot = boot
        self.data = tuple(data)
        self.secure_boot = secure_boot


def read_environment(variables: "Mapping[str, str]") -> Environment:
    """Read curtin's variables CONFIG and TARGET_MOUNT_POINT. Raises ForgeError if they are missing or wrong."""
    path, target = variables.get("CONFIG", ""), variables.get("TARGET_MOUNT_POINT", "")
    if not path or not target or not os.path.isdir(target):
        raise ForgeError(
            "CONFIG or TARGET_MOUNT_POINT is missing, or names nothing that is there.",
            "This script is started by curtin when MAAS deploys the image; do not run it by hand.",
        )
    what = "curtin's configuration {}".format(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ForgeError("{} cannot be read: {}.".format(what, error.strerror), "Deploy again.")
    config = load_json(data, what, "Deploy again.")
    if not isinstance(config, dict):
        raise ForgeError("{} is not a mapping.".format(what), "Deploy again.")
    return Environment(config, target)


def read_image(volume: HookVolume) -> Image:
    """Read manifest, settings and code from the boot volume. Raises ForgeError."""
    try:
        manifest = Manifest.parse(volume.read(MANIFEST_PATH))
    except FormatError as error:
        raise FormatError(
            "The image on the boot disk is damaged, or was cut short on its way: {}".format(error.message),
            error.hint or "Deploy again; if it happens again, check the image with: esxforge verify.",
        )
    try:
        text = volume.read(SETTINGS_PATH).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("{} is damaged.".format(SETTINGS_PATH), "Deploy again.")
    return Image(manifest, ImageSettings.from_json(text), volume.read(TARGET_ZIP))


def check_machine(
    environment: Environment, image: Image, machine: LinuxHost, disks: Disks, report: Report
) -> Situation:
    """Check all that needs no reading of the entire image. Raises ValidationErrors with every reason at once."""
    reasons = _firmware_reasons(machine, image, report)
    tries = tries_secure_boot(machine, image)
    desired, token = None, None
    try:
        desired = desired_host_from_config(environment.config, machine.boot_mac())
    except ValidationErrors as validation_errors:
        reasons += validation_errors.reasons
    try:
        token = token_from_config(environment.config)
    except ValidationErrors as validation_errors:
        reasons += [reason for reason in validation_errors.reasons if reason not in reasons]
    if tries:
        report.warn(TRIED)
        # Which interface leads to MAAS is judged by its addresses: by the same as the kickstart's network line.
        desired = None if desired is None else with_addresses(desired, machine)
        reasons += secure_boot.machine_reasons(machine, image.manifest, environment.config, desired)
    if password_refusal(image.settings):
        has_keys = bool(token) and machine.maas_has_keys(environment.config)
        reasons += [reason for reason in [password_refusal(image.settings, has_keys)] if reason]
    boot, data = None, []  # type: Any, List[Tuple[Disk, BlockDisk]]
    if desired is not None:
        boot, reason = boot_disk(disks, desired.boot_disk, environment.target)
        reasons += [reason] if reason else _boot_disk_reasons(boot, image, machine, report)
        data = _data_disks(disks, desired, boot, Release.parse(image.manifest.release), reasons)
    if reasons or desired is None or token is None or boot is None:
        raise ValidationErrors(reasons, "Correct what is named, then deploy again.")
    for notice in desired.notices + only_by_vcenter(image.settings):
        report.warn(notice)
    for other in foreign_boot_volumes(disks, machine, [boot.name] + [disk.name for _, disk in data]):
        report.warn(
            "{} has an EFI system partition too; MAAS's boot loader takes the first that it finds, which may be that "
            "one. Wipe or remove it if this machine starts something else.".format(other.label)
        )
    return Situation(desired, token, boot, tuple(data), tries)


def with_addresses(desired: DesiredHost, machine: LinuxHost) -> DesiredHost:
    """The same with MAAS's addresses, as its name resolves here; without any where it does not."""
    if desired.maas.addresses:
        return desired
    return desired.replace(maas=desired.maas.replace(addresses=tuple(machine.resolve(desired.maas.host))))


def tries_secure_boot(machine: LinuxHost, image: Image) -> bool:
    """Return True if Secure Boot is on, and the image is to be tried there."""
    return bool(machine.secure_boot()) and image.settings.secure_boot == TRY and not image.is_golden


def _firmware_reasons(machine: LinuxHost, image: Image, report: Report) -> "List[str]":
    reasons = []
    if image.kind not in KINDS:
        reasons.append("image: this version deploys {} images, not {}.".format(" and ".join(KINDS), image.kind))
    if not machine.is_uefi():
        reasons += _legacy_reasons(image, report)
    elif image.is_golden and not golden.starts_by_uefi(image.manifest):
        reasons.append(
            "firmware: this machine started in UEFI mode, but the captured disk has no EFI program; install ESXi in "
            "UEFI mode and capture that."
        )
    elif machine.secure_boot() and not tries_secure_boot(machine, image):
        reasons.append(
            "firmware: Secure Boot is on; disable Secure Boot: nobody has seen ESXi start with a module that VMware "
            "did not sign, and this host's configuration comes in one."
        )
    elif machine.secure_boot() is None and image.settings.secure_boot == TRY and not image.is_golden:
        reasons.append(
            "firmware: it does not say whether Secure Boot is on, so what must be checked first is not known. Look in "
            "the machine's setup: disable Secure Boot there, and deploy an image that was built without secure_boot = "
            '"try".'
        )
    elif machine.secure_boot() is None:
        report.warn(
            "the firmware does not say whether Secure Boot is on; if it is, nobody has seen ESXi start with this "
            "host's module"
        )
    return reasons


def _legacy_reasons(image: Image, report: Report) -> "List[str]":
    mode = "firmware: this machine started in legacy BIOS mode, "
    if not image.is_golden:
        return [
            mode
            + "and an installer image starts by UEFI only; set UEFI in the machine's setup and commission it again, "
            "or deploy a golden image, captured from a disk that starts by legacy BIOS too."
        ]
    starts, why = golden.bios_start(image.manifest)
    if starts:
        report.say("this machine started in legacy BIOS mode, which starts this disk, too: {}".format(why))
        return []
    return [
        mode
        + "which does not start the captured disk: {}; set UEFI in the machine's setup and commission it again, or "
        "capture a disk that starts by legacy BIOS.".format(why)
    ]


def _boot_disk_reasons(boot: "Any", image: Image, machine: LinuxHost, report: Report) -> "List[str]":
    if image.is_golden:
        return golden.disk_reasons(boot, image.manifest, machine)
    return _size_reasons(boot, Release.parse(image.manifest.release), report)


def _size_reasons(boot: BlockDisk, release: Release, report: Report) -> "List[str]":
    least = media_size.smallest_disk(release)
    if boot.size < least:
        return [
            "boot disk: {} has {} bytes, ESXi {} needs at least {}; choose a larger one in MAAS.".format(
                boot.label, boot.size, release, least
            )
        ]
    if boot.size < media_size.advised_disk(release):
        report.warn("{} is smaller than the 32 GB that VMware asks of a boot disk".format(boot.label))
    return []


def _data_disks(
    disks: Disks, desired: DesiredHost, boot: "Any", release: Release, reasons: "List[str]"
) -> "List[Tuple[Disk, BlockDisk]]":
    found = []  # type: List[Tuple[Disk, BlockDisk]]
    taken = {boot.name: "the boot disk"} if boot is not None else {}
    for disk in desired.datastore_disks():
        try:
            match = disks.matching(disk)
        except ForgeError as error:
            reasons.append("{} {}".format(error.message, error.hint).strip())
            continue
        if match.name in taken:
            reasons.append("storage {}: {} is {} already.".format(disk.id, match.label, taken[match.name]))
            continue
        problem = limits.format_problem(release.numbers, match.sector_size, not match.rotational)
        if problem:
            reasons.append("storage {}: {} {}".format(disk.id, match.label, problem))
        taken[match.name] = "storage {}".format(disk.id)
        found.append((disk, match))
    sectors = {disk.id: match.sector_size for disk, match in found}
    if boot is not None:
        sectors[desired.boot_disk.id] = boot.sector_size
    for datastore in desired.datastores:
        sizes = {sectors.get(desired.partition(one).disk) for one in datastore.partitions} - {None}
        if len(sizes) > 1:
            reasons.append("storage {}: {}".format(datastore.name, limits.ONE_FORMAT))
    return found
