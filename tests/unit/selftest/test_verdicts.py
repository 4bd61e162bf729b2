"""Each check says seen, not seen, contradicted or not reached, each for its reason; from made-up evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from esxforge.selftest.claim import Area, Part
from esxforge.selftest.claims import CLAIMS, judge
from esxforge.selftest.evidence import Asked, Evidence, HookRun, MaasUpload, ServiceAnswer, Snapshot, Stage, Stop
from esxforge.selftest.order import DATA_DATASTORE, SECOND
from esxforge.selftest.verdicts import Verdict, VerdictStatus, is_good
from esxforge.vm.phases import Phase
from unit.selftest import made_up
from unit.selftest.made_up import answer, event, get, good, told, until, with_bank, with_boot, with_disk

LOADER = ((Phase.BOOT_LOADER, 4.0),)
FAIL = event(Stage.SECOND_BOOT, 65.0, "", "finish", result="FAIL", text="vmk0 could not be made")


def told_otherwise(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(run, told={**(run.told or {}), **changes})


def answered(name: str, *structures: dict[str, object]) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(run, told=told(**{name: answer(*structures)}))


def stopped(stage: Stage, stop: Stop, **changes: object) -> Callable[[Evidence], Evidence]:
    return lambda run: with_boot(run, stage, stop=stop, **changes)


def only_interactive(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda run: until(with_boot(run, Stage.INTERACTIVE, **changes), Stage.INSTALL)


def without_calls(*stages: Stage) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(run, calls=tuple(call for call in run.calls if call.stage not in stages))


def without_start(run: Evidence, *, bios: dict[str, object] | None) -> Evidence:
    """The golden disk was not started by legacy BIOS, for what capture found."""
    return replace(run, bios=bios, boots=tuple(boot for boot in run.boots if boot.stage is not Stage.GOLDEN_BIOS))


def failed(run: Evidence) -> Evidence:
    calls = [event(Stage.FIRST_BOOT, 60.0, "inventory"), event(Stage.SECOND_BOOT, 60.0, "inventory"), FAIL]
    return replace(until(run, Stage.LATER_BOOT), calls=tuple(calls), told=None, machine_status="Failed deployment")


def bank_after(stage: Stage, **changes: object) -> Callable[[Evidence], Evidence]:
    return lambda run: with_disk(run, stage, with_bank(run.snapshots[stage], **changes))


def other_kind(run: Evidence) -> Evidence:
    snapshot = run.snapshots[Stage.INSTALL]
    return with_disk(run, Stage.INSTALL, replace(snapshot, data=replace(snapshot.data, guid="other")))


def kept_label(run: Evidence) -> Evidence:
    snapshot = run.snapshots[Stage.INSTALL]
    boot = replace(snapshot.boot, guid=made_up.STAMPS["sda"])
    return with_disk(run, Stage.INSTALL, replace(snapshot, boot=boot))


PURPLE = "VMware ESXi 8.0.3 [Releasebuild-1 x86_64]\nUnexpected early boot module: esxforge.tgz"


def console(stage: Stage, text: str) -> Callable[[Evidence], Evidence]:
    return lambda run: with_boot(run, stage, console=text, marks=LOADER)


def never_began(run: Evidence) -> Evidence:
    kept = tuple(one for one in run.boots if one.stage not in (Stage.SECURE_INSTALL, Stage.SECURE_BOOT))
    return replace(run, boots=kept, secure_hook=None, secure_problem="The ISO's loader is not signed.")


def not_installed_securely(**changes: object) -> Callable[[Evidence], Evidence]:
    def change(run: Evidence) -> Evidence:
        snapshots: dict[Stage, Snapshot] = {
            stage: one for stage, one in run.snapshots.items() if stage is not Stage.SECURE_INSTALL
        }
        return with_boot(replace(run, snapshots=snapshots), Stage.SECURE_INSTALL, **changes)

    return change


def silent_securely(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda run: replace(
        with_boot(without_calls(Stage.SECURE_BOOT)(run), Stage.SECURE_BOOT, **changes),
        secure_answer=ServiceAnswer("silent"),
    )


def wrong_disk(run: Evidence) -> Evidence:
    snapshot = run.snapshots[Stage.INSTALL]
    swapped = replace(snapshot, boot=replace(snapshot.boot, banks=()), data=snapshot.boot)
    return with_disk(run, Stage.INSTALL, swapped)


def large_system(run: Evidence) -> Evidence:
    snapshot = run.snapshots[Stage.INSTALL]
    *rest, last = snapshot.boot.partitions
    table = (*rest, replace(last, length=130 << 30))
    return with_disk(run, Stage.INSTALL, replace(snapshot, boot=replace(snapshot.boot, partitions=table)))


def unknown_type(run: Evidence) -> Evidence:
    snapshot = run.snapshots[Stage.INSTALL]
    first, *rest = snapshot.boot.partitions
    table = (replace(first, type_guid="0"), *rest)
    return with_disk(run, Stage.INSTALL, replace(snapshot, boot=replace(snapshot.boot, partitions=table)))


def secret_left(stage: Stage) -> Callable[[Evidence], Evidence]:
    return lambda run: with_disk(run, stage, replace(run.snapshots[stage], secrets=("sda, byte 7",)))


def log_says(text: str) -> Callable[[Evidence], Evidence]:
    stage = Stage.SECOND_BOOT
    return lambda run: with_disk(run, stage, replace(run.snapshots[stage], logs=(("esxforge.log", text),)))


def a_phase_failed(run: Evidence) -> Evidence:
    call = event(Stage.SECOND_BOOT, 66.0, "vendor-data", "finish", result="FAIL", text="no time server")
    return replace(run, calls=(*run.calls[:8], call, *run.calls[8:]))


def late_phase(run: Evidence) -> Evidence:
    return replace(run, calls=(*run.calls, event(Stage.SECOND_BOOT, 99.0, "network")))


def shuffled(run: Evidence) -> Evidence:
    calls = [event(Stage.SECOND_BOOT, 1.0, "verify"), event(Stage.SECOND_BOOT, 2.0, "network")]
    return replace(run, calls=(*calls, get(Stage.SECOND_BOOT, 3.0, "user-data")))


def unsigned(run: Evidence) -> Evidence:
    return replace(run, calls=(replace(run.calls[0], accepted=False), *run.calls[1:]))


TABLE: list[tuple[str, Callable[[Evidence], Evidence], VerdictStatus]] = [
    ("boots", lambda run: until(run, Stage.INTERACTIVE), VerdictStatus.NOT_REACHED),
    ("boots", only_interactive(marks=(), console="BdsDxe: No bootable option"), VerdictStatus.CONTRADICTED),
    ("boot-cfg", only_interactive(marks=LOADER, console="Fatal error: 15 (Not found)"), VerdictStatus.CONTRADICTED),
    ("boot-cfg", only_interactive(marks=LOADER), VerdictStatus.NOT_SEEN),
    ("boot-cfg", only_interactive(marks=()), VerdictStatus.NOT_REACHED),
    ("hardware", without_calls(Stage.FIRST_BOOT, Stage.SECOND_BOOT), VerdictStatus.NOT_SEEN),
    ("hardware", lambda run: until(run, Stage.INSTALL), VerdictStatus.NOT_REACHED),
    ("interactive", lambda run: with_boot(run, Stage.INTERACTIVE, written=4096), VerdictStatus.CONTRADICTED),
    ("interactive", stopped(Stage.INTERACTIVE, Stop.RESTARTED), VerdictStatus.CONTRADICTED),
    (
        "interactive",
        lambda run: with_boot(run, Stage.INTERACTIVE, marks=((Phase.KERNEL, 9.0),)),
        VerdictStatus.NOT_SEEN,
    ),
    ("interactive", lambda run: with_boot(run, Stage.INTERACTIVE, marks=()), VerdictStatus.NOT_REACHED),
    (
        "kickstart",
        lambda run: until(stopped(Stage.INSTALL, Stop.STUCK)(run), Stage.FIRST_BOOT),
        VerdictStatus.CONTRADICTED,
    ),
    ("kickstart", stopped(Stage.INSTALL, Stop.TIMED_OUT), VerdictStatus.NOT_SEEN),
    ("pre-stamp", lambda run: until(run, Stage.INSTALL), VerdictStatus.NOT_REACHED),
    ("pre-stamp", bank_after(Stage.INSTALL, module=None), VerdictStatus.SEEN),
    ("include", lambda run: until(run, Stage.INSTALL), VerdictStatus.NOT_REACHED),
    ("own-disk", wrong_disk, VerdictStatus.CONTRADICTED),
    ("own-disk", bank_after(Stage.INSTALL, build="7.0.3-0.55.20328353"), VerdictStatus.CONTRADICTED),
    ("new-label", kept_label, VerdictStatus.CONTRADICTED),
    ("other-disks", other_kind, VerdictStatus.CONTRADICTED),
    ("partitions", large_system, VerdictStatus.CONTRADICTED),
    ("partitions", unknown_type, VerdictStatus.CONTRADICTED),
    ("bank-format", bank_after(Stage.INSTALL, marker=False), VerdictStatus.CONTRADICTED),
    ("post-module", bank_after(Stage.INSTALL, module=None, modules=()), VerdictStatus.CONTRADICTED),
    ("post-module", bank_after(Stage.INSTALL, modules=("k.b00",)), VerdictStatus.CONTRADICTED),
    ("post-module", bank_after(Stage.INSTALL, module={"esxforge/installed.json": 0o644}), VerdictStatus.CONTRADICTED),
    ("secrets-installer", bank_after(Stage.INSTALL, module=None), VerdictStatus.NOT_REACHED),
    ("secrets-installer", secret_left(Stage.INSTALL), VerdictStatus.CONTRADICTED),
    ("module-loaded", without_calls(Stage.FIRST_BOOT), VerdictStatus.SEEN),  # the log in the bank is proof enough
    ("module-loaded", lambda run: until(run, Stage.FIRST_BOOT), VerdictStatus.NOT_REACHED),
    ("firewall", without_calls(Stage.FIRST_BOOT, Stage.SECOND_BOOT), VerdictStatus.NOT_SEEN),
    ("power-cut", without_calls(Stage.SECOND_BOOT), VerdictStatus.CONTRADICTED),
    ("power-cut", bank_after(Stage.FIRST_BOOT, modules=()), VerdictStatus.CONTRADICTED),
    ("power-cut", without_calls(Stage.FIRST_BOOT), VerdictStatus.NOT_REACHED),
    ("python", told_otherwise(python=[3, 4, 1]), VerdictStatus.CONTRADICTED),
    ("esxcli", failed, VerdictStatus.CONTRADICTED),
    (
        "esxcli",
        lambda run: replace(run, told=told(ipv4={"status": 1, "output": "", "command": ""})),
        VerdictStatus.CONTRADICTED,
    ),
    ("network", failed, VerdictStatus.NOT_REACHED),
    ("network", answered("ipv4", {"Name": "vmk0", "IPv4Address": "10.0.2.15"}), VerdictStatus.CONTRADICTED),
    ("network", answered("vswitches", {"Name": "vSwitch0", "Uplinks": "vmnic0"}), VerdictStatus.CONTRADICTED),
    ("network", answered("vswitches", {"Name": "vSwitch0", "Uplinks": "vmnic0, vmnic1"}), VerdictStatus.SEEN),
    ("datastore-data", answered("filesystems", {"VolumeName": "datastore1"}), VerdictStatus.CONTRADICTED),
    (
        "datastore-data",
        answered("extents", {"VolumeName": DATA_DATASTORE, "DeviceName": made_up.BOOT_DEVICE, "Partition": 8}),
        VerdictStatus.CONTRADICTED,
    ),
    ("datastore-boot", lambda run: replace(run, boot_datastore_desired=False), VerdictStatus.NOT_REACHED),
    ("identity", told_otherwise(has_our_key=False), VerdictStatus.CONTRADICTED),
    ("identity", answered("hostname", {"HostName": "localhost"}), VerdictStatus.CONTRADICTED),
    ("time", answered("ntp", {"Servers": []}), VerdictStatus.CONTRADICTED),
    (
        "time",
        lambda run: replace(
            run, told={**told(ntp={"status": 1}), "texts": {"/etc/ntp.conf": f"server {SECOND.gateway}\n"}}
        ),
        VerdictStatus.SEEN,
    ),
    ("deployed", failed, VerdictStatus.CONTRADICTED),
    ("deployed", a_phase_failed, VerdictStatus.SEEN),  # MAAS's status does not change with it
    ("deployed", late_phase, VerdictStatus.CONTRADICTED),
    ("deployed", shuffled, VerdictStatus.CONTRADICTED),
    ("deployed", unsigned, VerdictStatus.CONTRADICTED),
    ("user-data", lambda run: replace(run, told=None), VerdictStatus.NOT_SEEN),
    ("user-data", failed, VerdictStatus.NOT_REACHED),
    ("boot-order", told_otherwise(boot_order_tool=False), VerdictStatus.CONTRADICTED),
    ("boot-order", log_says("note: bootorder names no option that sets the order: …"), VerdictStatus.CONTRADICTED),
    ("boot-order", log_says("nothing of it"), VerdictStatus.NOT_SEEN),
    ("leaves", secret_left(Stage.SECOND_BOOT), VerdictStatus.CONTRADICTED),
    ("leaves", bank_after(Stage.SECOND_BOOT, modules=("esxforge.tgz",)), VerdictStatus.CONTRADICTED),
    ("leaves", bank_after(Stage.SECOND_BOOT, files=(("esxforge.jnl", 9),)), VerdictStatus.CONTRADICTED),
    ("leaves", failed, VerdictStatus.NOT_REACHED),
    ("persists", lambda run: replace(run, answer=ServiceAnswer("silent")), VerdictStatus.CONTRADICTED),
    (
        "persists",
        lambda run: replace(run, calls=(*run.calls, event(Stage.LATER_BOOT, 9.0, "inventory"))),
        VerdictStatus.CONTRADICTED,
    ),
    ("persists", lambda run: replace(run, answer=ServiceAnswer("closed", 30.0)), VerdictStatus.SEEN),
    ("management", lambda run: replace(run, answer=ServiceAnswer("closed", 30.0)), VerdictStatus.NOT_SEEN),
    ("management", lambda run: replace(run, answer=None), VerdictStatus.NOT_REACHED),
    ("timings", lambda run: with_boot(run, Stage.INSTALL, seconds=4000.0), VerdictStatus.CONTRADICTED),
    ("timings", lambda run: replace(run, subject=replace(run.subject, accelerator="tcg")), VerdictStatus.NOT_REACHED),
    ("release-9", lambda run: replace(run, subject=replace(run.subject, release="9.0.0")), VerdictStatus.SEEN),
    (
        "release-9",
        lambda run: failed(replace(run, subject=replace(run.subject, release="9.0.0"))),
        VerdictStatus.CONTRADICTED,
    ),
    ("golden-build", lambda run: replace(run, golden_problem="It asked something."), VerdictStatus.CONTRADICTED),
    ("golden-boots", stopped(Stage.GOLDEN_BOOT, Stop.STUCK), VerdictStatus.SEEN),  # it was Deployed before
    (
        "golden-boots",
        lambda run: without_calls(Stage.GOLDEN_BOOT)(stopped(Stage.GOLDEN_BOOT, Stop.STUCK)(run)),
        VerdictStatus.CONTRADICTED,
    ),
    ("gptmbr-size", lambda run: replace(run, gptmbr_bytes=440), VerdictStatus.CONTRADICTED),
    ("gptmbr-size", lambda run: replace(run, gptmbr_bytes=None), VerdictStatus.NOT_SEEN),
    (
        "bios-code",
        lambda run: replace(run, bios={"starts": False, "reason": "it has none"}),
        VerdictStatus.CONTRADICTED,
    ),
    ("bios-code", lambda run: replace(run, bios=None), VerdictStatus.NOT_REACHED),
    (
        "secure-loader",
        console(Stage.SECURE_INSTALL, "27 (Security violation)"),
        VerdictStatus.CONTRADICTED,
    ),
    ("secure-loader", console(Stage.SECURE_INSTALL, "Loading /b.b00"), VerdictStatus.NOT_SEEN),
    ("secure-loader", never_began, VerdictStatus.NOT_REACHED),
    (
        "secure-loader",
        lambda run: replace(never_began(run), secure_hook=HookRun(False, ("it refused",))),
        VerdictStatus.NOT_REACHED,
    ),
    ("secure-installer", not_installed_securely(), VerdictStatus.NOT_SEEN),
    ("secure-installer", not_installed_securely(console=PURPLE), VerdictStatus.CONTRADICTED),
    ("secure-installer", not_installed_securely(stop=Stop.STUCK), VerdictStatus.CONTRADICTED),
    ("secure-installer", never_began, VerdictStatus.NOT_REACHED),
    ("secure-bank", without_calls(Stage.SECURE_BOOT), VerdictStatus.SEEN),
    ("secure-bank", silent_securely(console=PURPLE), VerdictStatus.CONTRADICTED),
    ("secure-bank", silent_securely(), VerdictStatus.NOT_SEEN),
    ("secure-bank", never_began, VerdictStatus.NOT_REACHED),
    ("secure-script", without_calls(Stage.SECURE_BOOT), VerdictStatus.CONTRADICTED),
    ("secure-script", silent_securely(), VerdictStatus.NOT_SEEN),
    ("secure-script", never_began, VerdictStatus.NOT_REACHED),
    ("secure-readiness", log_says("nothing of it"), VerdictStatus.NOT_REACHED),
    (
        "secure-readiness",
        log_says("readiness: This ESXi has no check for Secure Boot (x)."),
        VerdictStatus.CONTRADICTED,
    ),
    ("secure-readiness", log_says("readiness: Leave Secure Boot off: a.v00 of x"), VerdictStatus.NOT_REACHED),
    ("secure-readiness", log_says("ESXi's check says that Secure Boot cannot be enabled: x"), VerdictStatus.SEEN),
    ("secure-readiness", lambda run: until(run, Stage.SECOND_BOOT), VerdictStatus.NOT_REACHED),
    (
        "bios-boots",
        lambda run: without_start(run, bios={"starts": False, "reason": "it has none"}),
        VerdictStatus.NOT_REACHED,
    ),
    ("bios-boots", lambda run: without_start(run, bios=None), VerdictStatus.NOT_REACHED),
    (
        "bios-boots",
        lambda run: with_boot(run, Stage.GOLDEN_BIOS, marks=(), stop=Stop.TIMED_OUT),
        VerdictStatus.NOT_SEEN,
    ),
    (
        "bios-boots",
        lambda run: with_boot(run, Stage.GOLDEN_BIOS, marks=(), stop=Stop.RESTARTED),
        VerdictStatus.CONTRADICTED,
    ),
    ("bios-boots", lambda run: replace(run, subject=replace(run.subject, is_standin=True)), VerdictStatus.NOT_REACHED),
    (
        "added-loaded",
        lambda run: replace(
            run, calls=(*run.calls, event(Stage.SECOND_BOOT, 59.5, "drivers", "finish", result="FAIL"))
        ),
        VerdictStatus.CONTRADICTED,
    ),
    ("added-loaded", lambda run: replace(run, calls=run.calls[:1]), VerdictStatus.NOT_REACHED),
    ("added-loaded", lambda run: replace(run, calls=()), VerdictStatus.NOT_REACHED),
    (
        "added-stays",
        lambda run: with_disk(
            run, Stage.SECOND_BOOT, with_bank(run.snapshots[Stage.SECOND_BOOT], modules=("jumpstrt.gz", "k.b00"))
        ),
        VerdictStatus.CONTRADICTED,
    ),
    (
        "added-stays",
        lambda run: with_disk(
            run, Stage.SECOND_BOOT, with_bank(run.snapshots[Stage.SECOND_BOOT], files=(("b.b00", 900),))
        ),
        VerdictStatus.CONTRADICTED,
    ),
    (
        "added-stays",
        lambda run: with_disk(run, Stage.SECOND_BOOT, run.snapshots[Stage.INSTALL]),
        VerdictStatus.NOT_REACHED,
    ),
    ("maas-upload", lambda run: replace(run, upload=MaasUpload(problem="401")), VerdictStatus.CONTRADICTED),
    ("maas-upload", lambda run: replace(run, upload=None), VerdictStatus.NOT_REACHED),
]


def test_a_run_in_which_all_went_well_is_seen_as_such() -> None:
    verdicts = judge(good())
    apart = {"release-9", *(claim.id for claim in CLAIMS if claim.part is Part.BY_HAND)}
    apart |= {claim.id for claim in CLAIMS if claim.area is Area.BEHAVIOUR}  # test_behaviours.py
    assert {name: verdict for name, verdict in verdicts.items() if verdict.status is not VerdictStatus.SEEN} == {
        name: verdicts[name] for name in verdicts if name in apart and verdicts[name].status is not VerdictStatus.SEEN
    }
    assert is_good(verdicts)


@pytest.mark.parametrize(("claim", "change", "status"), TABLE, ids=[f"{row[0]}-{at}" for at, row in enumerate(TABLE)])
def test_each_check_tells_what_is_otherwise(
    claim: str, change: Callable[[Evidence], Evidence], status: VerdictStatus
) -> None:
    verdict = judge(change(good()))[claim]
    assert verdict.status is status, verdict
    assert verdict.evidence


@pytest.mark.parametrize("stage", Stage)
def test_a_run_that_ends_early_contradicts_nothing(stage: Stage) -> None:
    verdicts = judge(until(good(), stage))
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict.status is VerdictStatus.CONTRADICTED}
    assert not wrong
    assert not is_good(verdicts)


def test_what_was_not_asked_for_spoils_nothing() -> None:
    run = replace(until(good(), Stage.GOLDEN_BUILD), asked=Asked(), upload=None)
    assert is_good(judge(run))


@pytest.mark.parametrize("status", VerdictStatus)
def test_the_exit_status_heeds_what_was_contradicted_or_not_reached(status: VerdictStatus) -> None:
    assert is_good({"a": Verdict(status, "x")}) is (status in (VerdictStatus.SEEN, VerdictStatus.NOT_SEEN))
    assert is_good({"a": Verdict(status, "x", asked=False)})


def test_every_check_is_seen_to_say_something_else_than_seen() -> None:
    bad = {claim for claim, _, status in TABLE if status is not VerdictStatus.SEEN}
    by_hand = {claim.id for claim in CLAIMS if claim.part is Part.BY_HAND}
    behaviours = {claim.id for claim in CLAIMS if claim.area is Area.BEHAVIOUR}  # test_behaviours.py
    assert {claim.id for claim in CLAIMS} - bad - by_hand - behaviours == set()
