"""Checks of what happens up to the installed disk: start, installer, first boot of the module. Pure functions."""

from __future__ import annotations

import re

from esxforge.selftest.evidence import BankFacts, Boot, DiskFacts, Evidence, Snapshot, Stage, Stop
from esxforge.selftest.verdicts import Verdict, contradicted, not_reached, not_seen, seen
from esxforge.vm.phases import Phase
from esxforge.vm.serial import last_lines
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, VMFS, VMFS_L, VMK_DIAGNOSTIC

# The loader's own words for giving up (vmware/esx-boot).
_LOADER_ERROR = re.compile(r"(?:Fatal error|Error): \d+ \(.*|Fatal error.*")
_GIB = 1 << 30
# VMware KB 81166: from 7.0 on the system's part ends at 33, 69 or 138 GB; ours asks for what leaves the datastore.
_LONGEST_BOOT_PART = {"min": 33, "small": 69, "default": 138}
_TYPES_7 = {1: {EFI_SYSTEM}, 5: {BASIC_DATA}, 6: {BASIC_DATA}, 7: {VMFS_L}, 8: {VMFS}}
_TYPES_6 = {
    1: {EFI_SYSTEM},
    2: {BASIC_DATA},
    3: {VMFS},
    5: {BASIC_DATA},
    6: {BASIC_DATA},
    7: {VMK_DIAGNOSTIC},
    8: {BASIC_DATA},
    9: {VMK_DIAGNOSTIC},
}


def boots(evidence: Evidence) -> Verdict:
    ran = [boot for boot in evidence.boots if boot.stage in (Stage.INTERACTIVE, Stage.INSTALL)]
    if not ran:
        return not_reached("The machine was not started.")
    for boot in ran:
        if boot.reached(Phase.BOOT_LOADER):
            return seen(f"The loader or the kernel spoke {_when(boot, Phase.BOOT_LOADER, Phase.KERNEL)}.")
    if "No bootable" in ran[0].console or "failed to" in ran[0].console:
        return contradicted(f"The firmware found nothing to start: {last_lines(ran[0].console, 2)}")
    return not_seen(f"Nothing was said on the console; {ran[0].stop.value}.")


def boot_cfg(evidence: Evidence) -> Verdict:
    ran = [boot for boot in evidence.boots if boot.stage in (Stage.INTERACTIVE, Stage.INSTALL)]
    if not any(boot.reached(Phase.BOOT_LOADER) for boot in ran):
        return not_reached("The boot loader was not seen to start.")
    for boot in ran:
        failed = _LOADER_ERROR.search(boot.console)
        if failed and not boot.reached(Phase.KERNEL):
            return contradicted(f"The loader gave up: {failed[0][:200]}")
    for boot in ran:
        if boot.reached(Phase.KERNEL):
            ours = "esxforge.tgz" in boot.console.lower()
            named = "it named our module; " if ours else ""
            return seen(f"{named.capitalize()}the kernel started {_when(boot, Phase.KERNEL, Phase.INSTALLER)}.")
    return not_seen(f"The loader started, the kernel was not heard of; {ran[-1].stop.value}.")


def hardware(evidence: Evidence) -> Verdict:
    install = evidence.boot(Stage.INSTALL)
    if install is None:
        return not_reached("The installer was not started.")
    if not install.reached(Phase.KERNEL):
        return not_reached("The kernel was not seen to start.")
    if not _installed(evidence):
        return not_seen(f"The kernel ran; ESXi was not installed: {_why(install)}")
    if not evidence.events(Stage.FIRST_BOOT, Stage.SECOND_BOOT):
        return not_seen("Installed from and onto these disks; the installed host was not heard of.")
    return seen(f"Installer and installed host run on {evidence.subject.hardware}.")


def interactive(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.INTERACTIVE)
    if boot is None or not boot.reached(Phase.KERNEL):
        return not_reached("The installer's kernel was not seen to start.")
    pictures = f" Picture: {', '.join(boot.screens)}." if boot.screens else ""
    if boot.written:
        return contradicted(f"{boot.written} bytes were written to the boot disk.{pictures}")
    if boot.stop in (Stop.RESTARTED, Stop.POWERED_OFF):
        return contradicted(f"No key was pressed, and {boot.stop.value}.{pictures}")
    if boot.reached(Phase.INSTALLER):
        return seen(f"The installer spoke {_when(boot, Phase.INSTALLER)}; nothing was written.{pictures}")
    return not_seen(f"The kernel ran, the console does not name the installer; nothing was written.{pictures}")


def kickstart(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.INSTALL)
    if boot is None or not boot.reached(Phase.KERNEL):
        return not_reached("The installer's kernel was not seen to start.")
    if boot.stop is Stop.RESTARTED and _installed(evidence):
        return seen(f"After {boot.seconds:.0f} seconds ESXi was on the disk, and the machine restarted by itself.")
    if boot.stop is Stop.STUCK:
        return contradicted(_why(boot))
    return not_seen(_why(boot))


def pre_stamp(evidence: Evidence) -> Verdict:
    if not _installed(evidence):
        return _not_installed(evidence)
    told = [line.strip() for line in evidence.log(Stage.INSTALL).splitlines() if " is sda" in line]
    said = f" Its log: “{told[0]}”." if told else ""
    return seen(f"Of two disks the stamped one was named to the installer, and has ESXi now.{said}")


def include(evidence: Evidence) -> Verdict:
    if not _installed(evidence):
        return _not_installed(evidence)
    line = next((one for one in evidence.log(Stage.INSTALL).splitlines() if "the installer gets:" in one), "")
    said = f" `%pre` wrote: {line.partition('gets:')[2].strip()}" if line else ""
    return seen(f"The installer took its disk and root's password from there, and installed.{said}")


def own_disk(evidence: Evidence) -> Verdict:
    snapshot = evidence.snapshots.get(Stage.INSTALL)
    if snapshot is None:
        return not_reached("There is no disk to look at.")
    bank = snapshot.boot.current_bank
    if bank is not None:
        build = f"ESXi {bank.build}, partition {bank.partition}"
        if evidence.subject.build and evidence.subject.build not in bank.build:
            return contradicted(f"The boot bank holds {build}, the ISO is build {evidence.subject.build}.")
        return seen(f"The disk that the installer was started from has {build}.")
    if snapshot.data.current_bank is not None:
        return contradicted("ESXi was installed onto the other disk.")
    return _not_installed(evidence)


def new_label(evidence: Evidence) -> Verdict:
    snapshot, before = evidence.snapshots.get(Stage.INSTALL), _stamp(evidence, "sda")
    if snapshot is None or not before or not _installed(evidence):
        return _not_installed(evidence)
    if not snapshot.boot.guid:
        return contradicted(f"The boot disk has no GPT that we can read: {snapshot.boot.problem}")
    if snapshot.boot.guid == before:
        return contradicted("The boot disk still has the GUID of the stamp.")
    return seen("The boot disk has another GUID than the stamp.")


def other_disks(evidence: Evidence) -> Verdict:
    snapshot, before = evidence.snapshots.get(Stage.INSTALL), _stamp(evidence, "sdb")
    if snapshot is None or not before or not _installed(evidence):
        return _not_installed(evidence)
    first = snapshot.data.partition(1)
    if snapshot.data.guid != before or first is None:
        return contradicted(
            f"The second disk's GUID is {'the same' if snapshot.data.guid == before else 'another'}, its partition "
            f"{'there' if first else 'gone'} {snapshot.data.problem}".rstrip()
            + "."
        )
    return seen("The second disk has the GUID and the partition that the hook wrote.")


def partitions(evidence: Evidence) -> Verdict:
    snapshot = evidence.snapshots.get(Stage.INSTALL)
    if snapshot is None or not _installed(evidence):
        return _not_installed(evidence)
    table = _table_text(snapshot.boot)
    wrong = _wrong_types(snapshot.boot, evidence.subject.major)
    if wrong:
        return contradicted(f"{wrong} The table: {table}.")
    if evidence.subject.major >= 7:
        size = _asked_size(evidence)
        most = _LONGEST_BOOT_PART.get(size)
        end = max(one.offset + one.length for one in snapshot.boot.partitions if one.number != 8)
        if most is not None and end > most * _GIB:
            return contradicted(
                f"With systemMediaSize={size} the system's part ends at byte {end}. The table: {table}."
            )
        return seen(f"systemMediaSize={size}: the system's part ends at byte {end}. The table: {table}.")
    return seen(f"The table: {table}.")


def bank_format(evidence: Evidence) -> Verdict:
    snapshot = evidence.snapshots.get(Stage.INSTALL)
    if snapshot is None or not _installed(evidence):
        return _not_installed(evidence)
    wrong = [
        f"partition {bank.partition}: {bank.problem or 'no marker'}" for bank in snapshot.boot.banks if not bank.marker
    ]
    if wrong:
        return contradicted("; ".join(wrong) + ".")
    if len(snapshot.boot.banks) != 2:
        return contradicted(f"There are {len(snapshot.boot.banks)} banks, not two.")
    read = sum(size for bank in snapshot.boot.banks for _, size in bank.files)
    return seen(f"Both banks have the marker; files of {read} bytes are listed.")


def post_module(evidence: Evidence) -> Verdict:
    if not _installed(evidence):
        return _not_installed(evidence)
    bank = _bank_with_module(evidence)
    if bank is None or bank.module is None:
        return contradicted("ESXi is installed, and no boot bank has our module.")
    if not bank.lists_module:
        return contradicted("The module is in the bank, but boot.cfg does not list it.")
    script = next((mode for name, mode in bank.module.items() if name.startswith("etc/rc.local.d/")), None)
    if script is None:
        return contradicted("The module in the bank has no script that starts the agent.")
    return seen(
        f"boot.cfg of partition {bank.partition} lists it; {len(bank.module)} files, the script's mode {script:o}."
    )


def secrets_installer(evidence: Evidence) -> Verdict:
    snapshot, bank = evidence.snapshots.get(Stage.INSTALL), _bank_with_module(evidence)
    if snapshot is None or not _installed(evidence):
        return _not_installed(evidence)
    if bank is None:
        return not_reached("No boot bank has our module.")
    outside = [place for place in snapshot.secrets if "in the host module" not in place]
    if outside:
        return contradicted(f"MAAS's token is in clear text at: {'; '.join(outside[:5])}.")
    return seen(f"MAAS's token is in the bank's module only ({len(snapshot.secrets)} places there).")


def module_loaded(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.FIRST_BOOT)
    if boot is None:
        return not_reached("The installed system was not started.")
    calls = evidence.calls_in(Stage.FIRST_BOOT)
    if calls:
        return seen(f"The agent's first request came {calls[0].seconds:.0f} seconds after the start.")
    log = evidence.log(Stage.FIRST_BOOT)
    if log:
        return seen(f"The agent's log is in the bank; MAAS heard nothing. Its end: {last_lines(log, 3)}")
    return not_seen(f"MAAS heard nothing of the agent: {_why(boot)}")


def firewall(evidence: Evidence) -> Verdict:
    if evidence.boot(Stage.FIRST_BOOT) is None:
        return not_reached("The installed system was not started.")
    good = [call for call in evidence.calls_in(Stage.FIRST_BOOT, Stage.SECOND_BOOT) if call.accepted]
    if good:
        return seen("Signed requests came through.")
    return not_seen("No signed request was heard.")


def power_cut(evidence: Evidence) -> Verdict:
    if not evidence.calls_in(Stage.FIRST_BOOT):
        return not_reached("The agent was not heard of, so the power was not cut in its work.")
    snapshot = evidence.snapshots.get(Stage.FIRST_BOOT)
    bank = snapshot.boot.current_bank if snapshot else None
    if bank is None or not bank.lists_module or bank.module is None:
        return contradicted("After the cut no bank lists the module, or it cannot be read.")
    calls = evidence.calls_in(Stage.SECOND_BOOT)
    if calls:
        return seen(
            f"The module was intact; {calls[0].seconds:.0f} seconds after the next start the agent spoke again."
        )
    boot = evidence.boot(Stage.SECOND_BOOT)
    if boot is None:
        return not_reached("The machine was not started again.")
    return contradicted(f"The module was intact, but after the next start the agent was not heard of: {_why(boot)}")


def _installed(evidence: Evidence) -> bool:
    snapshot = evidence.snapshots.get(Stage.INSTALL)
    return snapshot is not None and snapshot.boot.current_bank is not None


def _not_installed(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.INSTALL)
    return not_reached("The installer was not started." if boot is None else f"ESXi was not installed: {_why(boot)}")


def _why(boot: Boot) -> str:
    return f"{boot.stop.value} after {boot.seconds:.0f} seconds. {boot.diagnosis}".strip()


def _when(boot: Boot, *phases: Phase) -> str:
    found = [when for phase in phases if (when := boot.when(phase)) is not None]
    return f"{found[0]:.0f} seconds after the start" if found else "in time"


def _bank_with_module(evidence: Evidence) -> BankFacts | None:
    snapshot: Snapshot | None = evidence.snapshots.get(Stage.INSTALL)
    bank = snapshot.boot.current_bank if snapshot else None
    return bank if bank is not None and bank.module is not None else None


def _stamp(evidence: Evidence, disk: str) -> str:
    return evidence.hook.disk_guids.get(disk, "") if evidence.hook else ""


def _asked_size(evidence: Evidence) -> str:
    lines = evidence.hook.lines if evidence.hook else ()
    found = [re.search(r'ESXi keeps "(\w+)" of the boot disk', line) for line in lines]
    return next((match[1] for match in found if match), "default")


def _wrong_types(disk: DiskFacts, major: int) -> str:
    desired = _TYPES_6 if major < 7 else _TYPES_7
    for one in disk.partitions:
        if one.number not in desired:
            return f"Partition {one.number} is in no document."
        if one.type_guid not in {str(guid) for guid in desired[one.number]}:
            return f"Partition {one.number} has type {one.type_guid}."
    missing = [number for number in (1, 5, 6, 7) if disk.partition(number) is None]
    return f"Partition {missing[0]} is missing." if missing else ""


def _table_text(disk: DiskFacts) -> str:
    return ", ".join(f"p{one.number} {one.length} bytes from {one.offset}" for one in disk.partitions)
