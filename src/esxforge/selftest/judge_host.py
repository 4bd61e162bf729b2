"""Checks of the host by its own answers, by MAAS's view, and by the contents of its disks. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esxforge.selftest.evidence import OURS, Call, Evidence, Stage, Stop
from esxforge.selftest.order import BOOT_DATASTORE, DATA_DATASTORE, HOST_NAME, SECOND
from esxforge.selftest.verdicts import Verdict, contradicted, not_asked, not_reached, not_seen, seen
from esxforge.vm.phases import Phase
from esxforge_target.esxi.esxcli import Record
from esxforge_target.metadata.client import TOP_LEVEL
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

_AGENT_STAGES = (Stage.FIRST_BOOT, Stage.SECOND_BOOT)
_LONGEST_WAY, _LONGEST_AGENT = 55 * 60.0, 15 * 60.0
# The agent's phases in the order in which they are reported to MAAS (docs/on-the-host.md).
PHASES = (
    "inventory",
    "network",
    "storage",
    "identity",
    "verify",
    "persist",
    "vendor-data",
    "user-data",
)


def answered(evidence: Evidence, question: str) -> Mapping[str, Any]:
    """Return status and output of one of our questions; empty if it was not asked."""
    found: Mapping[str, Any] = ((evidence.told or {}).get("commands") or {}).get(question) or {}
    return found


def records(evidence: Evidence, question: str) -> list[Record]:
    """Return esxcli's answer to one of our questions; empty if there is none, or not in JSON."""
    answer = answered(evidence, question)
    if answer.get("status") != 0:
        return []
    try:
        document = load_json(answer["output"], "The answer")
    except FormatError:
        return []
    found = document if isinstance(document, list) else [document]
    return [Record(one) for one in found if isinstance(one, dict)]


def python(evidence: Evidence) -> Verdict:
    if evidence.told:
        version = [int(number) for number in evidence.told.get("python", [])]
        text = ".".join(map(str, version))
        return seen(f"Python {text}.") if version >= [3, 5] else contradicted(f"Python {text}.")
    if evidence.calls_in(*_AGENT_STAGES):
        return seen("The agent runs; it did not report its Python version.")
    return not_reached("The agent was not heard of.")


def esxcli(evidence: Evidence) -> Verdict:
    failure = _failure(evidence)
    if failure is not None:
        return contradicted(f"The agent gave up: {failure.description}")
    done = [call.event for call in evidence.events(*_AGENT_STAGES)]
    if not any("verify" in name for name in done):
        return not_reached("The agent did not get to its verification.")
    unread = [
        name
        for name in ("version", "nics", "ipv4", "filesystems")
        if evidence.told is not None and not records(evidence, name)
    ]
    if unread:
        return contradicted(f"No JSON that we can read came for: {', '.join(unread)}.")
    return seen("The agent's inventory, plan, changes and verification succeeded.")


def network(evidence: Evidence) -> Verdict:
    if evidence.told is None:
        return _untold(evidence)
    nics = {one.optional("macaddress").lower(): one.optional("name") for one in records(evidence, "nics")}
    nic = nics.get(SECOND.mac)
    ours = [one for one in records(evidence, "ipv4") if one.optional("ipv4address") == SECOND.address]
    if nic is None or not ours:
        return contradicted(f"NICs: {nics}; nobody has {SECOND.address}." if not ours else f"NICs: {nics}.")
    vmk = ours[0].text("name")
    group = next(
        (one.optional("portgroup") for one in records(evidence, "interfaces") if one.optional("name") == vmk), ""
    )
    switch = next(
        (one.optional("virtualswitch") for one in records(evidence, "portgroups") if one.optional("name") == group), ""
    )
    listed = [one for one in records(evidence, "vswitches") if one.optional("name") == switch and one.has("uplinks")]
    uplinks = listed[0].names("uplinks") if listed else []
    text = f"{vmk} has {SECOND.address} on {switch} with {', '.join(uplinks)}; {nic} is {SECOND.mac}."
    return seen(text) if nic in uplinks else contradicted(text)


def datastore_data(evidence: Evidence) -> Verdict:
    return _datastore(evidence, DATA_DATASTORE)


def datastore_boot(evidence: Evidence) -> Verdict:
    if not evidence.boot_datastore_desired:
        return not_asked("The boot disk is too small for a datastore: give --disk-size.")
    return _datastore(evidence, BOOT_DATASTORE)


def _datastore(evidence: Evidence, name: str) -> Verdict:
    if evidence.told is None:
        return _untold(evidence)
    there = [one for one in records(evidence, "filesystems") if one.optional("volumename") == name]
    extents = [one for one in records(evidence, "extents") if one.optional("volumename") == name]
    if not there:
        known = ", ".join(one.optional("volumename") for one in records(evidence, "filesystems"))
        return contradicted(f"There is no {name}; the host has: {known or 'none'}.")
    where = (
        ", ".join(f"{one.optional('devicename')}:{one.optional('partition')}" for one in extents) or "unknown extents"
    )
    on_boot = _boot_device(evidence)
    wrong = [one for one in extents if (one.optional("devicename") == on_boot) is (name == DATA_DATASTORE)]
    if on_boot and wrong:
        return contradicted(f"{name} is on {where}; the boot disk is {on_boot}.")
    return seen(f"{name}: {there[0].optional('type')}, {there[0].optional('size')} bytes, on {where}.")


def _boot_device(evidence: Evidence) -> str:
    flagged = [one for one in records(evidence, "devices") if one.optional("isbootdevice").lower() == "true"]
    if len(flagged) != 1:
        return ""
    return flagged[0].optional("device", "name") or flagged[0].optional("devfspath").rpartition("/")[2]


def identity(evidence: Evidence) -> Verdict:
    if evidence.told is None:
        return _untold(evidence)
    names = [
        one.optional("fullyqualifieddomainname") or one.optional("hostname") for one in records(evidence, "hostname")
    ]
    key = bool(evidence.told.get("has_our_key"))
    text = f"The host calls itself {names[0] if names else 'nothing'}; the key is {'there' if key else 'missing'}."
    return seen(text) if HOST_NAME in names and key else contradicted(text)


def time(evidence: Evidence) -> Verdict:
    if evidence.told is None:
        return _untold(evidence)
    told = [
        name
        for one in records(evidence, "ntp")
        if one.has("server") or one.has("servers")
        for name in one.names("server", "servers")
    ]
    text = str((evidence.told.get("texts") or {}).get("/etc/ntp.conf") or "")
    if SECOND.gateway in told or f"server {SECOND.gateway}" in text:
        return seen(f"{SECOND.gateway} is a time server of the host.")
    return contradicted(f"Time servers: {', '.join(told) or 'none reported'}.")


def deployed(evidence: Evidence) -> Verdict:
    calls = evidence.calls_in(*_AGENT_STAGES)
    if not calls:
        return not_reached("The agent was not heard of.")
    failure = _failure(evidence)
    if failure is not None:
        return contradicted(f"The agent reported: {failure.description}")
    last = evidence.calls_in(Stage.SECOND_BOOT) or calls
    names = [call.name for call in last]
    if "user-data" not in names:
        return not_reached(f"user-data was not fetched. The last call: {last[-1].name} {last[-1].event}".rstrip() + ".")
    wrong = _wrong_order(last) or _unsigned(calls)
    if wrong:
        return contradicted(wrong)
    return seen(f"{', '.join(_phases_told(last))}; MAAS's status: {evidence.machine_status}.")


def _phases_told(calls: list[Call]) -> list[str]:
    starts = [call.event.rpartition("/")[2] for call in calls if call.event_type == "start"]
    return [name for name in starts if name in PHASES]


def _wrong_order(calls: list[Call]) -> str:
    """Return the problem with the order of MAAS's events in one boot that ends with user-data; or nothing."""
    told = _phases_told(calls)
    if told != sorted(told, key=PHASES.index):
        return f"The phases came as: {', '.join(told)}."
    fetched = [call.name for call in calls].index("user-data")
    late = [call.event for call in calls[fetched + 1 :] if call.event.rpartition("/")[2] in PHASES[:-1]]
    return f"After user-data there still came: {', '.join(late)}." if late else ""


def _unsigned(calls: list[Call]) -> str:
    wrong = [call for call in calls if not call.accepted]
    return f"{len(wrong)} requests were not signed rightly." if wrong else ""


def user_data(evidence: Evidence) -> Verdict:
    if evidence.told is not None:
        answered = [one for one in evidence.told.get("commands", {}).values() if one.get("status") == 0]
        return seen(f"It ran and told {len(answered)} commands' answers.")
    fetched = [call for call in evidence.calls_in(*_AGENT_STAGES) if call.name == "user-data"]
    if not fetched:
        return not_reached("user-data was not fetched.")
    failed = [call for call in evidence.events(*_AGENT_STAGES) if call.result.startswith("FAIL")]
    return contradicted(failed[-1].description) if failed else not_seen("It was fetched, and reported nothing.")


def boot_order(evidence: Evidence) -> Verdict:
    if evidence.told is None:
        return _untold(evidence)
    lines = evidence.log(Stage.SECOND_BOOT).splitlines()
    said = [line for line in lines if "boot order" in line or "bootorder" in line]
    words = f" The agent's log: {said[-1].strip()}" if said else " The agent's log says nothing of it."
    if not evidence.told.get("boot_order_tool"):
        return contradicted(f"It is not there.{words}")
    if said and "boot order is as before" in said[-1]:
        return seen(f"It is there.{words}")
    return contradicted(f"It is there.{words}") if said else not_seen(f"It is there.{words}")


def leaves(evidence: Evidence) -> Verdict:
    snapshot = evidence.snapshots.get(Stage.SECOND_BOOT)
    if snapshot is None or evidence.machine_status != "Deployed":
        return not_reached("The agent did not get to its end.")
    for bank in snapshot.boot.banks:
        left = [name for name, _ in bank.files if name in OURS]
        if bank.lists_module or left:
            return contradicted(f"The bank in partition {bank.partition} still has {', '.join(left) or 'it listed'}.")
    if snapshot.secrets:
        return contradicted(f"MAAS's token is in clear text at: {'; '.join(snapshot.secrets[:5])}.")
    kept = ", ".join(name for name, _ in snapshot.logs)
    return seen(f"No bank has the module, no sector the token. What stays: {kept or 'no log'}.")


def persists(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.LATER_BOOT)
    if boot is None:
        return not_reached("The finished host was not started again.")
    heard = evidence.calls_in(Stage.LATER_BOOT)
    if heard:
        return contradicted(f"The metadata service heard {heard[0].method} {heard[0].name} from the finished host.")
    if evidence.answer is None or evidence.answer.kind == "silent":
        return contradicted(f"{SECOND.address} did not answer in {boot.seconds:.0f} seconds.")
    return seen(f"{SECOND.address} answered {evidence.answer.seconds:.0f} seconds after the start; MAAS heard nothing.")


def management(evidence: Evidence) -> Verdict:
    if evidence.answer is None or evidence.answer.kind == "silent":
        return not_reached("The host did not answer after its restart.")
    if evidence.answer.kind == "closed":
        return not_seen("The host answers; nothing listens on port 443.")
    return seen(f"TLS with a certificate for “{evidence.answer.subject}”.")


def timings(evidence: Evidence) -> Verdict:
    install, second = evidence.boot(Stage.INSTALL), evidence.boot(Stage.SECOND_BOOT)
    fetched = [call for call in evidence.calls_in(Stage.SECOND_BOOT) if call.name == "user-data"]
    if install is None or second is None or not fetched:
        return not_reached("The run did not get to Deployed.")
    agent = fetched[0].seconds - evidence.calls_in(Stage.SECOND_BOOT)[0].seconds
    whole = install.seconds + fetched[0].seconds
    text = (
        f"Install {install.seconds:.0f} s, boot to the agent {evidence.calls_in(Stage.SECOND_BOOT)[0].seconds:.0f} s, "
        f"agent {agent:.0f} s; without the firmware and the download of a real machine."
    )
    if evidence.subject.accelerator != "kvm":
        return not_asked(f"{text} Without KVM they mean nothing.")
    return seen(text) if whole < _LONGEST_WAY and agent < _LONGEST_AGENT else contradicted(text)


def golden_build(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.GOLDEN_BUILD)
    if evidence.golden_problem:
        return contradicted(evidence.golden_problem)
    if boot is None:
        return not_reached("The golden build was not begun.")
    return seen(f"Built and captured in {boot.seconds:.0f} seconds.")


def golden_boots(evidence: Evidence) -> Verdict:
    boot = evidence.boot(Stage.GOLDEN_BOOT)
    if boot is None:
        return not_reached("No captured disk was started.")
    calls = evidence.calls_in(Stage.GOLDEN_BOOT)
    failed = [call for call in calls if call.result.startswith("FAIL")]
    if failed:
        return contradicted(f"The agent reported: {failed[-1].description}")
    if any(call.name == "user-data" for call in calls):
        return seen(f"Deployed {boot.seconds:.0f} seconds after its start.")
    if boot.stop is Stop.STUCK or not boot.reached(Phase.BOOT_LOADER):
        return contradicted(f"{boot.stop.value}. {boot.diagnosis}")
    return not_seen(f"{boot.stop.value}. {boot.diagnosis}".strip())


def maas_upload(evidence: Evidence) -> Verdict:
    upload = evidence.upload
    if upload is None:
        return not_reached("No upload was tried.")
    if upload.problem:
        return contradicted(upload.problem)
    return seen(f"MAAS {upload.version} holds {upload.name} complete ({upload.action}).")


def _failure(evidence: Evidence) -> Call | None:
    """Return the event by which the agent marked the deployment failed: that of the deployment, not of one phase."""
    calls = evidence.calls_in(*_AGENT_STAGES)
    return next((call for call in calls if call.event == TOP_LEVEL and call.result == "FAIL"), None)


def _untold(evidence: Evidence) -> Verdict:
    calls = evidence.calls_in(*_AGENT_STAGES)
    if not calls:
        return not_reached("The agent was not heard of.")
    failure = _failure(evidence)
    return not_reached(
        f"The agent failed before: {failure.description}" if failure else "The host did not tell what it is."
    )
