"""The claims about real ESXi, each with the check that looks at it. docs/seen.md is made from them."""

from __future__ import annotations

from esxforge.selftest import judge_bios, judge_host, judge_install
from esxforge.selftest.behaviours import BEHAVIOUR_CLAIMS
from esxforge.selftest.claim import DOCS, INFERRED, LOADER, TOOL, Area, Claim, Part, by_hand
from esxforge.selftest.driver_claims import DRIVER_CLAIMS
from esxforge.selftest.evidence import Evidence
from esxforge.selftest.secure_boot_claims import SECURE_BOOT_CLAIMS
from esxforge.selftest.verdicts import Verdict, VerdictStatus, contradicted, not_reached, not_seen, seen


def _release_9(evidence: Evidence) -> Verdict:
    """The sum of the others, with an ISO of ESXi 9."""
    others = [
        (claim.id, claim.judge(evidence))
        for claim in CLAIMS
        if claim.part is not Part.ONLY_9 and claim.area is not Area.BEHAVIOUR
    ]
    for status, say in (
        (VerdictStatus.CONTRADICTED, contradicted),
        (VerdictStatus.NOT_REACHED, not_reached),
        (VerdictStatus.NOT_SEEN, not_seen),
    ):
        names = [name for name, verdict in others if verdict.asked and verdict.status is status]
        if names:
            return say(f"{status.value.capitalize()}: {', '.join(names)}.")
    return seen("All that this run looked at was seen.")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "boots",
        judge_install.boots,
        Area.START,
        "UEFI firmware starts VMware's boot loader from the image",
        LOADER,
        "the loader speaks on the console, or the kernel does",
    ),
    Claim(
        "boot-cfg",
        judge_install.boot_cfg,
        Area.START,
        "The boot loader takes our boot.cfg and hands every module, ours last, to the kernel",
        LOADER,
        "the kernel starts, and the loader names no error",
    ),
    Claim(
        "hardware",
        judge_install.hardware,
        Area.START,
        "ESXi takes QEMU's hardware as `run` and `libvirt-xml` set it up",
        TOOL,
        "installer and installed host run on it; the second NIC and both disks are found",
    ),
    Claim(
        "interactive",
        judge_install.interactive,
        Area.START,
        "An image that no hook has personalised starts the interactive installer, and writes nothing",
        DOCS,
        "the installer's log or welcome on the console, a picture of the screen, and a boot disk that stays as it was",
    ),
    Claim(
        "kickstart",
        judge_install.kickstart,
        Area.INSTALL,
        "The installer takes a kickstart that an extra module carries (`ks=file:///esxforge/ks.cfg`), asks nothing, "
        "and restarts the machine",
        TOOL,
        "without a key press the machine restarts by itself, with ESXi on a disk",
    ),
    Claim(
        "pre-stamp",
        judge_install.pre_stamp,
        Area.INSTALL,
        "`%pre` runs our Python, reads the first sectors of every disk and finds the stamped one",
        TOOL,
        "our log in the new boot bank names the disk; of two disks the right one has ESXi",
    ),
    Claim(
        "include",
        judge_install.include,
        Area.INSTALL,
        "Lines that `%pre` writes are included: which disk, and root's password",
        DOCS,
        "the installer needs both; it installed to the disk that `%pre` named",
    ),
    Claim(
        "own-disk",
        judge_install.own_disk,
        Area.INSTALL,
        "The installer, which runs from memory, installs onto the disk that it was started from",
        TOOL,
        "that disk has ESXi's partitions and a boot bank of the ISO's build",
    ),
    Claim(
        "new-label",
        judge_install.new_label,
        Area.INSTALL,
        "It writes a new partition table there, with a GUID of its own",
        INFERRED,
        "the boot disk's GUID before and after",
    ),
    Claim(
        "other-disks",
        judge_install.other_disks,
        Area.INSTALL,
        "It leaves other disks, their tables and their GUIDs alone",
        INFERRED,
        "the second disk's GUID and partition before and after",
    ),
    Claim(
        "partitions",
        judge_install.partitions,
        Area.INSTALL,
        "Partitions have the numbers, types and sizes of VMware's documents, with the `systemMediaSize` we ask for",
        DOCS,
        "the table on the disk; from 7.0 on the end of the system's part",
    ),
    Claim(
        "bank-format",
        judge_install.bank_format,
        Area.INSTALL,
        "A boot bank is a FAT volume with VMware's marker in its second sector, which our code reads",
        LOADER,
        "both banks are read with esxforge's FAT code",
    ),
    Claim(
        "post-module",
        judge_install.post_module,
        Area.INSTALL,
        "`%post` finds the new boot bank on the disk, puts our module into it and lists it last in its boot.cfg",
        TOOL,
        "the bank's boot.cfg and the module's content after the restart",
    ),
    Claim(
        "secrets-installer",
        judge_install.secrets_installer,
        Area.INSTALL,
        "After the install no secret is on any disk but in that module",
        INFERRED,
        "every sector of both disks is searched for MAAS's token",
    ),
    Claim(
        "module-loaded",
        judge_install.module_loaded,
        Area.FIRST_BOOT,
        "A module in the boot bank is loaded on the next boot, and its script in `/etc/rc.local.d` is run",
        TOOL,
        "the agent speaks to MAAS",
    ),
    Claim(
        "firewall",
        judge_install.firewall,
        Area.FIRST_BOOT,
        "The agent gets through ESXi's firewall to MAAS's port",
        TOOL,
        "the metadata service, on a port that is neither 80 nor 443, hears a signed request",
    ),
    Claim(
        "power-cut",
        judge_install.power_cut,
        Area.FIRST_BOOT,
        "The module survives a power cut in the middle of the agent's work: the next boot starts the agent again",
        TOOL,
        "the power is cut at the agent's first event; the bank is looked at, and the machine started again",
    ),
    Claim(
        "python",
        judge_host.python,
        Area.FIRST_BOOT,
        "ESXi's Python is 3.5 or newer, and its standard library is enough",
        DOCS,
        "the agent runs, and the host tells its Python's version",
    ),
    Claim(
        "esxcli",
        judge_host.esxcli,
        Area.FIRST_BOOT,
        "`esxcli --formatter=json`, `vmkfstools` and `partedUtil` answer as the fake in `tests/standin/esxi` does",
        TOOL,
        "the agent's inventory, plan, changes and verification of them succeed; the outputs are in the report",
    ),
    Claim(
        "network",
        judge_host.network,
        Area.HOST,
        "NICs are told apart by MAC, and the address asked for is set on the right one",
        INFERRED,
        "only the second NIC reaches MAAS; the host names its interfaces and uplinks",
    ),
    Claim(
        "datastore-data",
        judge_host.datastore_data,
        Area.HOST,
        "A datastore is made on the second disk, which is recognised by its stamp",
        TOOL,
        "the host's list of file systems and their extents",
    ),
    Claim(
        "datastore-boot",
        judge_host.datastore_boot,
        Area.HOST,
        "A datastore is made on what ESXi leaves of the boot disk",
        TOOL,
        "the host's list of file systems and their extents",
    ),
    Claim(
        "identity",
        judge_host.identity,
        Area.HOST,
        "The host name and the SSH key that MAAS gives are set",
        DOCS,
        "the host tells its name, and whether the key is among root's",
    ),
    Claim(
        "time",
        judge_host.time,
        Area.HOST,
        "Time servers of MAAS's vendor-data are set",
        DOCS,
        "the host tells its NTP servers",
    ),
    Claim(
        "deployed",
        judge_host.deployed,
        Area.HOST,
        "MAAS hears the story in order, and user-data is fetched last: the machine is Deployed only when all is done",
        TOOL,
        "the calls that the metadata service heard, in their order",
    ),
    Claim(
        "user-data",
        judge_host.user_data,
        Area.HOST,
        "A Python script of user-data runs on the host, where ESXi 8 and later execute no files of others",
        TOOL,
        "the script of this run tells us what it finds on the host",
    ),
    Claim(
        "boot-order",
        judge_host.boot_order,
        Area.AFTERWARDS,
        "`/usr/lib/vmware/uefi/bin/bootorder` is there and puts the network first again",
        TOOL,
        "the host tells whether it is there; the agent's log, what became of it",
        Part.FROM_7,
    ),
    Claim(
        "leaves",
        judge_host.leaves,
        Area.AFTERWARDS,
        "The agent takes its module out of the boot bank, and no secret stays in any sector of any disk",
        INFERRED,
        "the banks' boot.cfg and files, and a search of both disks, after power off",
    ),
    Claim(
        "persists",
        judge_host.persists,
        Area.AFTERWARDS,
        "Saving renews `state.tgz`, and the set-up survives a restart: the host answers, the agent stays away",
        DOCS,
        "else the deployment fails; one more start: the host answers, the metadata service hears nothing",
    ),
    Claim(
        "management",
        judge_host.management,
        Area.AFTERWARDS,
        "ESXi's management service answers at that address with TLS",
        DOCS,
        "a TLS handshake with port 443",
    ),
    Claim(
        "timings",
        judge_host.timings,
        Area.AFTERWARDS,
        "From the installer's start to Deployed it takes less than 55 minutes, and the agent less than 15 of them",
        INFERRED,
        "the times of each phase; they count with KVM only",
    ),
    Claim(
        "release-9",
        _release_9,
        Area.AFTERWARDS,
        "ESXi 9's ISO, kickstart and commands are as its documents say",
        DOCS,
        "all of the above with an ISO of 9.x",
        Part.ONLY_9,
    ),
    Claim(
        "golden-build",
        judge_host.golden_build,
        Area.GOLDEN,
        "The installer runs unattended from USB storage in QEMU and powers the machine off; the disk can be captured",
        TOOL,
        "a golden build from this ISO",
        Part.GOLDEN,
    ),
    Claim(
        "golden-boots",
        judge_host.golden_boots,
        Area.GOLDEN,
        "A captured disk boots on another machine, and the agent makes it the host that MAAS asked for",
        INFERRED,
        "a second virtual host from that image, up to Deployed",
        Part.GOLDEN,
    ),
    Claim(
        "gptmbr-size", judge_bios.gptmbr, Area.GOLDEN,
        "The installer's boot code for a legacy BIOS finds its partition by GUID", INFERRED,
        "UPGRADE/GPTMBR.BIN on the ISO leaves bytes 424 to 439 to the GUID", Part.GOLDEN,
    ),
    Claim(
        "bios-code", judge_bios.bios_code, Area.GOLDEN,
        "On the installed disk that boot code leads to syslinux and VMware's two loaders", INFERRED,
        "what capture finds on the golden build's disk", Part.GOLDEN,
    ),
    Claim(
        "bios-boots", judge_bios.bios_boots, Area.GOLDEN,
        "A captured and personalised disk starts by legacy BIOS", LOADER,
        "the second host's disk under SeaBIOS, up to the kernel's first words, before it starts by UEFI", Part.GOLDEN,
    ),
    *DRIVER_CLAIMS,
    *SECURE_BOOT_CLAIMS,
    Claim(
        "maas-upload",
        judge_host.maas_upload,
        Area.MAAS,
        "MAAS takes the image as a ddgz and holds it complete",
        "MAAS's source, and recorded answers",
        "an upload, and MAAS's own word on it",
        Part.MAAS,
    ),
    Claim(
        "maas-deploy",
        by_hand,
        Area.MAAS,
        "MAAS and curtin deploy the image onto a machine",
        "MAAS's and curtin's source",
        "deploy a machine with it; MAAS's event log tells each step (level DEBUG)",
        Part.BY_HAND,
    ),
    Claim(
        "sectors-4096",
        by_hand,
        Area.BY_HAND,
        "ESXi's installer starts from a FAT volume with sectors of 4096 bytes",
        DOCS,
        "an image built with --sector-size 4096, on a machine whose boot disk is 4Kn",
        Part.BY_HAND,
    ),
    Claim(
        "kickstart-words",
        by_hand,
        Area.BY_HAND,
        "An unknown word in a kickstart stops the installer, on every release",
        "one report of 7.0",
        "add such a line to a kickstart, and install with it",
        Part.BY_HAND,
    ),
    Claim(
        "include-last",
        by_hand,
        Area.BY_HAND,
        "Files that the kickstart includes are read once every `%pre` section has run: the last may still edit them",
        "the 6.7 installer",
        "a kickstart whose `%pre` writes `install --disk=x` to a file that it includes: the installation goes on, and "
        "`esxfinst.log` names the line",
        Part.BY_HAND,
    ),
    Claim(
        "vcenter",
        by_hand,
        Area.BY_HAND,
        "Joining vCenter works as it does with govmomi's simulator and our stand-in",
        DOCS,
        "a recipe with [vcenter], deployed by MAAS",
        Part.BY_HAND,
    ),
    Claim(
        "local-boot",
        by_hand,
        Area.BY_HAND,
        "MAAS's boot loader starts the boot disk's own loader after the deployment, on real firmware",
        "MAAS's source",
        "deploy a machine, and watch its console",
        Part.BY_HAND,
    ),
    *BEHAVIOUR_CLAIMS,
)  # fmt: skip


def judge(evidence: Evidence) -> dict[str, Verdict]:
    """Every claim's verdict, in the order of the claims."""
    return {claim.id: claim.judge(evidence) for claim in CLAIMS}
