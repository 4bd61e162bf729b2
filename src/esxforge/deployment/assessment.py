"""The plan of a machine before its deployment, with all obstacles to deploying it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from esxforge.deployment.answers import HAS_CONFIGURATION, Answers, Machine
from esxforge.deployment.checks import check_machine
from esxforge.deployment.connectivity import check_connectivity
from esxforge.deployment.findings import Finding, Findings
from esxforge.deployment.images import PREFIX, Image, choose, release_of
from esxforge.deployment.predicted import Unknown
from esxforge.deployment.prediction import predict
from esxforge.deployment.state import judge_state
from esxforge.errors import MaasError, RecipeError
from esxforge.preview.report import DOCUMENT_VERSION, Preview, document, report_of_config
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.model import Inventory
from esxforge_target.runtime.validation_errors import ValidationErrors

ASSUMED_RELEASE = "8.0"


@dataclass(frozen=True)
class Wishes:
    """Choices from the command line: image, release and kind to plan for, the boot NIC, whose machine may be used."""

    image: str | None = None
    release: str | None = None
    golden: bool | None = None
    boot_nic: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Assessment:
    """``report`` is None where no configuration can be computed; the reason is among the findings then.

    ``is_final``: MAAS made the configuration already, for a deployment that began.
    """

    machine: Machine
    image: Image | None
    report: Preview | None
    unknown: tuple[Unknown, ...]
    findings: Findings
    is_final: bool

    @property
    def refused(self) -> bool:
        """Whether there is no plan to show."""
        return self.report is None or bool(self.report.errors)

    @property
    def stands(self) -> bool:
        """True where no reason against the deployment is known."""
        return not self.findings.reasons and not self.refused


def assess(
    answers: Answers,
    wishes: Wishes | None = None,
    inventory: Inventory | None = None,
    guids: Mapping[str, str] | None = None,
) -> Assessment:
    """Plan and judge. ``guids`` came with the inventory. Raises RecipeError for a NIC that the machine has not."""
    wishes = wishes or Wishes()
    final = answers.machine.status in HAS_CONFIGURATION and answers.config is not None
    findings = Findings()
    image = None if final else choose(answers.images, wishes.image, answers.machine.architecture, findings)
    golden = _is_golden(image, wishes)
    if not final:
        judge_state(answers.machine, answers.account, wishes.owner, findings)
        _merge(findings, check_machine(answers, image, image.release if image else wishes.release, golden=golden))
        _compare_release(image, wishes, inventory, findings)
    release = wishes.release or (image.release if image else None) or _deployed_release(answers, findings)
    boot_mac = _mac_of(answers, wishes.boot_nic)
    try:
        prediction = predict(answers)
    except MaasError as error:
        findings.reasons.append(Finding(error.message, error.hint))
        return Assessment(answers.machine, image, None, (), findings, final)
    if final:
        _judge_system(answers, findings)
    report = report_of_config(prediction.config, inventory, release, golden=golden, boot_mac=boot_mac, guids=guids)
    report = _with_machine(report, answers)
    if not final:
        with suppress(ValidationErrors):  # its reasons are in the report
            check_connectivity(answers, desired_host_from_config(prediction.config, boot_mac), findings)
    return Assessment(answers.machine, image, report, prediction.unknown, findings, final)


def _with_machine(report: Preview, answers: Answers) -> Preview:
    """The report with the machine's name, and with what MAAS saw of its links; the host's own word counts more."""
    seen = {one.mac_address.lower(): one for one in answers.interfaces if one.type == "physical" and one.mac_address}
    nics = [
        replace(
            nic,
            link_speed=seen[nic.mac].link_speed or None,
            link_connected=seen[nic.mac].link_connected if nic.link_connected is None else nic.link_connected,
        )
        if nic.mac in seen
        else nic
        for nic in report.nics
    ]
    return replace(report, machine=answers.machine.label, nics=tuple(nics))


def _merge(findings: Findings, more: Findings) -> None:
    findings.reasons += more.reasons
    findings.warnings += more.warnings
    findings.not_known += more.not_known


def _is_golden(image: Image | None, wishes: Wishes) -> bool:
    if wishes.golden is not None:
        return wishes.golden
    return image is not None and image.marks is not None and image.marks.golden


def _compare_release(image: Image | None, wishes: Wishes, inventory: Inventory | None, findings: Findings) -> None:
    planned = wishes.release or (inventory.release.version if inventory is not None else None)
    if image is None or image.release is None or planned is None:
        return
    if image.release.split(".")[:2] != planned.split(".")[:2]:
        findings.reasons.append(
            Finding(
                f"The plan is for ESXi {planned}, the image {image.name} is of {image.release}.",
                "Leave --release and --inventory out, or choose another image with --image.",
            )
        )


def _deployed_release(answers: Answers, findings: Findings) -> str:
    """Release in the name of the machine's image; an image may be named freely, and MAAS keeps a prefix in some."""
    series = answers.machine.distro_series
    if answers.machine.osystem != PREFIX.rstrip("/") or not series:
        return ASSUMED_RELEASE
    release = release_of(series.removeprefix(PREFIX))
    if release is None:
        findings.not_known.append(f"which release {series} is; the plan is for ESXi {ASSUMED_RELEASE}")
    return release or ASSUMED_RELEASE


def _judge_system(answers: Answers, findings: Findings) -> None:
    system = answers.machine.osystem
    if system and system != PREFIX.rstrip("/"):
        findings.reasons.append(
            Finding(
                f"{answers.machine.label} is “{answers.machine.status_name}” with {system}/"
                f"{answers.machine.distro_series}, not with ESXi: its configuration is for that.",
                f"Release it for a plan of ESXi: maas PROFILE machine release {answers.machine.system_id}",
            )
        )


def _mac_of(answers: Answers, nic: str | None) -> str:
    if nic is None:
        return ""
    for one in answers.interfaces:
        if one.name == nic and one.type == "physical" and one.mac_address:
            return one.mac_address.lower()
    known = ", ".join(one.name for one in answers.interfaces if one.type == "physical")
    raise RecipeError([f"{answers.machine.label} has no NIC {nic}."], f"It has: {known}.")


def assessment_document(found: Assessment) -> dict[str, Any]:
    """As one JSON document: the plan's own, and beside it what is known of the machine and the deployment."""
    plan = (
        document(found.report)
        if found.report is not None
        else {"version": DOCUMENT_VERSION, "errors": [], "notices": []}
    )
    machine = found.machine
    return plan | {
        "machine": {
            "system_id": machine.system_id,
            "fqdn": machine.fqdn,
            "status": machine.status_name,
            "owner": machine.owner,
        },
        "image": None if found.image is None else {"name": found.image.name, "title": found.image.title},
        "is_final": found.is_final,
        "reasons": _findings(found.findings.reasons),
        "warnings": _findings(found.findings.warnings),
        "not_known": list(found.findings.not_known),
        "unknown": [{"subject": one.subject, "reason": one.reason, "guess": one.guess} for one in found.unknown],
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"message": one.message, "hint": one.hint} for one in findings]
