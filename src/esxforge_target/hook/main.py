"""The hook's entry: curtin starts it once the image is on the disk. Exit status 0 only if this host is prepared."""

import os
import sys
import traceback
import uuid
from typing import Any, Dict, List, Mapping, Optional, Tuple

from esxforge_target.contract import agent_start
from esxforge_target.contract.added_module import AddedModule
from esxforge_target.contract.desired_document import desired_host_to_json
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.host_record import HostRecord, VcenterOptions
from esxforge_target.contract.library import library
from esxforge_target.contract.management import no_way_to_maas
from esxforge_target.contract.names import (
    BOOT_CFG,
    DESIRED_HOST,
    HOST_MODULE,
    KICKSTART,
    KICKSTART_URL,
    UEFI_BOOT_CFG,
)
from esxforge_target.contract.secrets import Secrets
from esxforge_target.esxi import media_size
from esxforge_target.esxi.release import Release
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.gpt import Table
from esxforge_target.formats.manifest import FileRecord
from esxforge_target.hook import golden, secure_boot
from esxforge_target.hook.changes import Changes
from esxforge_target.hook.checks import (
    Image,
    Situation,
    check_machine,
    read_environment,
    read_image,
    with_addresses,
)
from esxforge_target.hook.credentials import root_password
from esxforge_target.hook.data_disks import partition_lines, renewed_boot_table, stamp, vmfs_table, write_data_disk
from esxforge_target.hook.disks import BlockDisk, Disks
from esxforge_target.hook.host_module import host_module
from esxforge_target.hook.image_check import check_image
from esxforge_target.hook.kickstart import host_kickstart
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.hook.personalise import (
    Edits,
    boot_cfg_edit,
    fat_volumes,
    personalise,
    slot_of,
)
from esxforge_target.runtime.blocks import Blocks
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.report import Report
from esxforge_target.runtime.validation_errors import ValidationErrors


class Prepared:
    """All that will be written, made and checked: tables of data disks, the boot disk's table, the edits in place."""

    def __init__(self, data: "List[Tuple[BlockDisk, Table]]", boot_table: Table, edits: Edits) -> None:
        self.data = data
        self.boot_table = boot_table
        self.edits = edits


def main(
    machine: "Optional[LinuxHost]" = None,
    variables: "Optional[Mapping[str, str]]" = None,
    report: "Optional[Report]" = None,
) -> int:
    """Prepare this host, or say why not. 0 or 1, as curtin takes it."""
    report = report or Report(sys.stdout)
    machine = machine or LinuxHost()
    changes = Changes(machine)
    try:
        run(machine, os.environ if variables is None else variables, report, changes)
    except ForgeError as error:
        return _fail(error, changes, report)
    except Exception as error:
        return _fail(_defect(error), changes, report)
    report.say("this host is prepared: it is set up at the next boot")
    return 0


def _defect(error: Exception) -> ForgeError:
    """Return an unforeseen error as its kind and place, as its text may hold a secret."""
    place = traceback.extract_tb(sys.exc_info()[2])[-1]
    where = "{}:{}".format(os.path.basename(place[0]), place[1])
    return ForgeError("{} at {}.".format(type(error).__name__, where), "Report this as a defect of esxforge.")


def _fail(error: ForgeError, changes: Changes, report: Report) -> int:
    report.fail(error)
    try:
        lines = changes.lines()
    except Exception as odd:  # what the refusal is for must not be lost
        lines = ["it is unknown what was changed: {}".format(_defect(odd).message)]
    for line in lines:
        report.say(line)
    return 1


def run(machine: LinuxHost, variables: "Mapping[str, str]", report: Report, changes: Changes) -> None:
    """Check everything, then change everything. Raises ForgeError; before the first write if it can be known there.

    ``changes`` has what is known of the disks' fate by then.
    """
    environment = read_environment(variables)
    changes.config = environment.config
    disks = changes.disks = Disks(machine)
    mounted = changes.image = disks.of_mount(environment.target)
    report.say("the image is on {}".format(mounted.label))
    disk = machine.open_disk(mounted.name)
    try:
        image = read_image(machine.open_volume(environment.target, disk))
        situation = check_machine(environment, image, machine, disks, report)
        for line in check_image(disk, image.manifest, situation.boot.sector_size):
            report.say(line)
        prepared = prepare(disk, image, situation, machine, report)
    finally:
        machine.close_disk(disk)
    apply(machine, environment.target, situation.boot, prepared, report, changes)


def prepare(disk: Blocks, image: Image, situation: Situation, machine: LinuxHost, report: Report) -> Prepared:
    """Make all that will be written. Writes nothing; raises ForgeError for what does not fit."""
    manifest, desired = image.manifest, situation.desired
    options = [] if image.is_golden else _kernel_options(disk, image, situation, report)
    if image.is_golden:
        report.say(golden.check_datastore(situation.boot, manifest, _boot_datastore_size(desired)))
    data = [
        (found, vmfs_table(found.label, desired.vmfs_partitions(one.id), found.sector_size, found.size, uuid.uuid4))
        for one, found in situation.data
    ]
    boot_table = renewed_boot_table(disk, manifest.sector_size)
    stamps = [(one.id, str(table.disk_guid)) for (one, _), (_, table) in zip(situation.data, data)]
    stamps.append((desired.boot_disk.id, str(boot_table.disk_guid)))
    desired = _with_addresses(desired.with_disk_guids(stamps), machine, report)
    slot = golden.slot_in_bank(manifest) if image.is_golden else slot_of(manifest, HOST_MODULE)
    module = _module(image, slot, desired, situation, machine, report)
    if situation.secure_boot:
        _check_modules(disk, image, module)
    serials = fat_volumes(disk, boot_table)
    if image.is_golden:
        edits = Edits((slot, module), [], serials, golden.renewed_volumes(boot_table, manifest))
    else:
        words = ["ks=" + KICKSTART_URL] + options
        edits = Edits(
            (slot, module),
            [boot_cfg_edit(disk, slot_of(manifest, path), words) for path in (BOOT_CFG, UEFI_BOOT_CFG)],
            serials,
        )
    return Prepared(data, boot_table, edits)


def _check_modules(disk: Blocks, image: Image, module: bytes) -> None:
    """Raises ValidationErrors where VMware's loader would refuse what it is to load with Secure Boot on."""
    loader = secure_boot.loader_of(image.manifest)
    reasons = []  # type: List[str]
    for path in (BOOT_CFG, UEFI_BOOT_CFG):
        record = slot_of(image.manifest, path)
        cfg = BootCfg.parse(disk.read_at(record.offset, record.length))
        found = secure_boot.module_reasons(cfg, loader, HOST_MODULE, module)
        reasons += [reason for reason in found if reason not in reasons]
    if reasons:
        raise ValidationErrors(reasons, 'Build the image again, without secure_boot = "try" if it repeats.')


def _kernel_options(disk: Blocks, image: Image, situation: Situation, report: Report) -> "List[str]":
    """The options by which ESXi's installer leaves room for the datastore."""
    cfg = slot_of(image.manifest, UEFI_BOOT_CFG)
    release = Release.parse(image.manifest.release, BootCfg.parse(disk.read_at(cfg.offset, cfg.length)).build)
    datastore = _boot_datastore_size(situation.desired)
    size = media_size.choose(image.settings.system_media_size, release, situation.boot.size, datastore)
    report.say("ESXi keeps “{}” of the boot disk: {}".format(size.name, size.reason))
    return size.options


def _module(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    image: Image,
    slot: FileRecord,
    desired: DesiredHost,
    situation: Situation,
    machine: LinuxHost,
    report: Report,
) -> bytes:
    settings = image.settings
    kickstart = None if image.is_golden else host_kickstart(settings, desired)
    for notice in kickstart.notices if kickstart else []:
        report.warn(notice)
    password = root_password(settings, kickstart.root_password if kickstart else "")
    if password.encrypted:
        report.say("root's password, encrypted to the key in the recipe: {}".format(password.encrypted))
    record = HostRecord(
        image.kind,
        machine.boot_order(),
        settings.keep_boot_order,
        kickstart.install_options if kickstart else (),
        settings.ssh_keys,
        VcenterOptions(**settings.vcenter) if settings.vcenter else None,
        password.encrypted,
        require_working=settings.require_working,
        secure_boot=situation.secure_boot,
        modules=[AddedModule(**module) for module in settings.modules],
    )
    files = {DESIRED_HOST: desired_host_to_json(desired).encode("ascii")}
    if kickstart:
        files[KICKSTART] = kickstart.data
    # A golden host has its agent from here; on an installed one the installer step puts it into the bank.
    code = library(image.code) + ([agent_start.entry()] if image.is_golden else [])
    return host_module(slot, record, files, Secrets(situation.token, password.line).to_bytes(), code)


def _boot_datastore_size(desired: DesiredHost) -> "Optional[int]":
    datastore = desired.boot_datastore()
    return None if datastore is None else desired.partition(datastore.partitions[0]).size


def _with_addresses(desired: DesiredHost, machine: LinuxHost, report: Report) -> DesiredHost:
    desired = with_addresses(desired, machine)
    if not desired.maas.addresses:
        report.warn("{} cannot be resolved here; the host will have to".format(desired.maas.host))
    if no_way_to_maas(desired):
        raise ValidationErrors(["network: " + no_way_to_maas(desired)])
    return desired


def apply(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
    machine: LinuxHost, target: str, boot: BlockDisk, prepared: Prepared, report: Report, changes: Changes
) -> None:
    """Write everything: data disks, the boot disk's table, then the edits in place, ``ks=`` last of all."""
    for found, table in prepared.data:
        disk = machine.open_disk(found.name, writable=True)
        changes.begin(found)
        try:
            write_data_disk(disk, table)
        finally:
            machine.close_disk(disk)
        changes.finish(found)
        for line in ["stamped {}".format(table.disk_guid)] + partition_lines(table):
            report.say("{}: {}".format(found.label, line))
    disk = machine.open_disk(boot.name, writable=True)
    changes.begin(boot)
    try:
        # Linux is not asked to read the table again: the partition is mounted, and stays where it is.
        stamp(disk, prepared.boot_table)
        report.say("{}: stamped {}".format(boot.label, prepared.boot_table.disk_guid))
        for line in personalise(disk, machine.open_volume(target, disk), prepared.edits):
            report.say(line)
    finally:
        machine.close_disk(disk)
