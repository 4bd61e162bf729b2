"""Every reason against a deployment at once: MAAS's own refusals, the hook's, and what cannot be known.

Sources: canonical/maas 3.7.3, ``Node._start_deployment``, ``Node.start``, ``retrieve_storage_layout_issues``,
``storage_layouts.py``; the hook's own checks (esxforge_target/hook/checks.py, media_size.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from esxforge.checks.region import RegionFacts, check_region
from esxforge.checks.report import CheckStatus
from esxforge.deployment.answers import Answers
from esxforge.deployment.findings import Finding, Findings
from esxforge.deployment.images import Image
from esxforge.deployment.storage import same_identity
from esxforge.deployment.storage_answers import BlockDevice, Partition
from esxforge.errors import ForgeError
from esxforge_target.esxi import media_size
from esxforge_target.esxi.release import Release

_IN_MAAS = "Change it in MAAS, then plan again."
_MIB = 1 << 20
# MAAS's layouts by the sizes of their partitions, in order of id; 0 is the datastore's, which may differ.
_VMFS6 = (3 * _MIB, 4 << 30, 0, 249 * _MIB, 249 * _MIB, 109 * _MIB, 285 * _MIB, 2560 * _MIB)
_VMFS7 = (100 * _MIB, 4095 * _MIB, 4095 * _MIB, 25662832128, 0)
_VMFS7_LEGACY = (105 * _MIB, 1074 * _MIB, 1074 * _MIB, 8704 * _MIB, 0)


def check_machine(answers: Answers, image: Image | None, release: str | None, *, golden: bool) -> Findings:
    """Result of the checks. ``release`` comes from the image or the command line; None where it is not known."""
    findings = Findings()
    for check in _CHECKS:
        check(answers, findings)
    _firmware(answers, findings, golden=golden)
    _boot_disk(answers, image, release, findings, golden=golden)
    _keys(answers, image, findings)
    if answers.version is None:
        findings.not_known.append("which version MAAS has; its configuration is predicted as the newest would make it")
    findings.not_known.append("whether Secure Boot is on: MAAS does not record it; the hook checks")
    return findings


def _architecture(answers: Answers, findings: Findings) -> None:
    found = answers.machine.architecture
    if found.split("/")[0] != "amd64":
        findings.reasons.append(Finding(f"The machine's architecture is {found}; ESXi needs amd64.", "Choose another."))


def _firmware(answers: Answers, findings: Findings, *, golden: bool) -> None:
    method = answers.machine.bios_boot_method
    if method == "uefi":
        return
    if not method:
        findings.not_known.append("whether the machine boots by UEFI: MAAS has recorded no boot method")
        return
    text = f"The machine booted in legacy BIOS mode last (MAAS records “{method}”); the image needs UEFI."
    hint = "Switch its firmware to UEFI, then commission it again."
    (findings.warnings if golden else findings.reasons).append(Finding(text, hint))


def _network(answers: Answers, findings: Findings) -> None:
    """MAAS's own refusals (Node.on_network, Node.start)."""
    links = [link for one in answers.interfaces for link in one.links]
    if not any(link.mode != "link_up" and link.subnet is not None for link in links):
        text = "MAAS would refuse: “Node must be configured to use a network”."
        findings.reasons.append(Finding(text, "Give an interface a subnet in MAAS."))
        return
    boot = answers.machine.boot_interface
    vlan = boot.vlan if boot is not None and boot.vlan is not None and boot.vlan.dhcp_on else None
    if vlan is None or vlan.primary_rack is None:
        return
    rack = answers.rack(vlan.primary_rack)
    if rack is None:
        findings.not_known.append("the addresses of the rack controllers: MAAS shows them to administrators only")
        return
    of_rack = {link.subnet.version for one in rack.interface_set for link in one.links if link.subnet is not None}
    own = {link.subnet.version for link in links if link.subnet is not None}
    anywhere = any(link.mode == "dhcp" and link.subnet is None for link in links)
    if not own & of_rack and not anywhere:
        findings.reasons.append(
            Finding(
                "MAAS would refuse: “Node has no address family in common with the server”. The machine has "
                f"{_versions(own)}, the rack controller {rack.fqdn} {_versions(of_rack)}.",
                "Give the machine an address of the rack controller's IP version, or the other way round.",
            )
        )


def _versions(versions: set[int]) -> str:
    return " and ".join(f"IPv{version}" for version in sorted(versions)) or "no address"


def _layout(answers: Answers, findings: Findings) -> None:
    """MAAS's own refusals (Node.retrieve_storage_layout_issues)."""
    if not answers.block_devices:
        findings.reasons.append(
            Finding("MAAS would refuse: “There are currently no storage devices”.", "Commission the machine again.")
        )
        return
    if answers.machine.boot_disk is None:
        findings.reasons.append(
            Finding("MAAS would refuse: “Specify a storage device to be able to deploy this node”.", _IN_MAAS)
        )
    if any(_has_vmfs_layout(device) for device in answers.block_devices) and not answers.datastores:
        findings.reasons.append(
            Finding(
                "MAAS would refuse: “A datastore must be defined when deploying VMware ESXi”.",
                "Make one on the boot disk's last partition in MAAS, or choose another storage layout.",
            )
        )


def _has_vmfs_layout(device: BlockDevice) -> bool:
    if device.partition_table_type != "GPT":
        return False
    ordered = sorted(device.partitions, key=lambda partition: partition.id)
    return any(_follows(ordered, layout) for layout in (_VMFS6, _VMFS7, _VMFS7_LEGACY))


def _follows(ordered: Sequence[Partition], layout: Sequence[int]) -> bool:
    """As MAAS compares: all partitions but the last of the layout, the first one bootable."""
    if len(ordered) < len(layout):
        return False
    pairs = zip(ordered[: len(layout) - 1], layout, strict=False)
    return all(one.bootable == (index == 0) and size in (0, one.size) for index, (one, size) in enumerate(pairs))


def _identities(answers: Answers, findings: Findings) -> None:
    for group in same_identity(device for device in answers.block_devices if device.type == "physical"):
        names = ", ".join(disk.name for disk in group)
        findings.reasons.append(
            Finding(
                f"{names} have the same model and serial: neither curtin nor the hook can tell them apart.",
                "Give the controller's volumes serials of their own, then commission the machine again.",
            )
        )


def _patience(answers: Answers, findings: Findings) -> None:
    facts = RegionFacts("", answers.version or "", answers.settings.node_timeout)
    for line in check_region(facts):
        if line.status is not CheckStatus.OK and answers.version is not None:
            findings.warnings.append(Finding(f"{line.name}: {line.found}; needed: {line.needed}.", line.hint))


_CHECKS: tuple[Callable[[Answers, Findings], None], ...] = (_architecture, _network, _layout, _identities, _patience)


def _boot_disk(answers: Answers, image: Image | None, release: str | None, findings: Findings, *, golden: bool) -> None:
    boot = answers.machine.boot_disk
    disk = next((one for one in answers.block_devices if boot is not None and one.id == boot.id), None)
    if disk is None:
        return
    _sectors(disk, image, findings)
    if golden:  # the hook compares the captured disk's size, not what an installation needs
        findings.not_known.append(
            f"whether the golden image fits on {disk.name} ({disk.size} bytes): MAAS does not record the size of the "
            "captured disk; the hook checks"
        )
        return
    if release is None:
        findings.not_known.append("the image's release, and so how much of the boot disk ESXi keeps")
        return
    found = Release.parse(release)
    least = media_size.smallest_disk(found)
    if disk.size < least:
        text = f"The boot disk {disk.name} has {disk.size} bytes; ESXi {release} needs at least {least}."
        findings.reasons.append(Finding(text, "Choose a larger one in MAAS."))
    elif disk.size < media_size.advised_disk(found):
        text = f"The boot disk {disk.name} is smaller than the 32 GB that VMware asks of one."
        findings.warnings.append(Finding(text, "Choose a larger one in MAAS."))
    else:
        _room(answers, disk, found, findings)


def _sectors(disk: BlockDevice, image: Image | None, findings: Findings) -> None:
    """MAAS records physical blocks, at least as large as a sector: 512 is certain, 4096 is 512e or 4Kn."""
    for_4096 = image is not None and image.marks is not None and image.marks.sectors_4096
    if for_4096 and disk.block_size == 512:
        text = f"The image is for sectors of 4096 bytes; the boot disk {disk.name} has 512."
        findings.reasons.append(Finding(text, "Build the image without --sector-size 4096, or choose another disk."))
    elif disk.block_size != 512:
        findings.not_known.append(
            f"whether {disk.name} has sectors of 512 bytes: MAAS records blocks of {disk.block_size} bytes, as disks "
            "with either have; the hook checks"
        )


def _room(answers: Answers, disk: BlockDevice, release: Release, findings: Findings) -> None:
    """Check that the boot disk's datastore fits behind ESXi's own partitions, at their smallest size in a recipe."""
    heads = {member.id for one in answers.datastores for member in one.devices if member.type == "partition"}
    sizes = [partition.size for partition in disk.partitions if partition.id in heads]
    try:
        media_size.choose("auto", release, disk.size, sizes[0] if sizes else None)
    except ForgeError as error:
        findings.reasons.append(Finding(error.message, error.hint))


def _keys(answers: Answers, image: Image | None, findings: Findings) -> None:
    """Check for an SSH key where it is the only way to log in: root's password is random."""
    if image is None or image.marks is None:
        findings.not_known.append("whether the image needs an SSH key of the machine's owner in MAAS")
        return
    if not image.marks.key_needed:
        return
    account, owner = answers.account, answers.machine.owner
    if account is None or account.ssh_keys is None or owner not in (None, account.username):
        whose = owner or "the user who deploys"
        findings.not_known.append(f"whether {whose} has an SSH key in MAAS, which the image needs for a login")
    elif account.ssh_keys == 0:
        findings.reasons.append(
            Finding(
                f"The image generates a random root password, and {account.username} has no SSH key in MAAS: no one "
                "could log in.",
                "Add one to your user in MAAS: maas PROFILE sshkeys create key=…",
            )
        )
