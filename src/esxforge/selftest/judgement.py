"""Each claim has one check, by its id: evidence in, verdict out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from esxforge.selftest import judge_host, judge_install
from esxforge.selftest.claims import CLAIMS, Claim, Part
from esxforge.selftest.evidence import Evidence
from esxforge.selftest.verdicts import Verdict, VerdictStatus, contradicted, not_asked, not_reached, not_seen, seen

Check: TypeAlias = Callable[[Evidence], Verdict]


def _by_hand(_evidence: Evidence) -> Verdict:
    return not_asked("Not a part of any run: see how to look at it by hand.")


def _release_9(evidence: Evidence) -> Verdict:
    """The sum of the others, with an ISO of ESXi 9."""
    others = [(claim.id, _judge_one(claim, evidence)) for claim in CLAIMS if claim.part is not Part.ONLY_9]
    for status, say in (
        (VerdictStatus.CONTRADICTED, contradicted),
        (VerdictStatus.NOT_REACHED, not_reached),
        (VerdictStatus.NOT_SEEN, not_seen),
    ):
        names = [name for name, verdict in others if verdict.asked and verdict.status is status]
        if names:
            return say(f"{status.value.capitalize()}: {', '.join(names)}.")
    return seen("All that this run looked at was seen.")


CHECKS: Mapping[str, Check] = {
    "boots": judge_install.boots,
    "boot-cfg": judge_install.boot_cfg,
    "hardware": judge_install.hardware,
    "interactive": judge_install.interactive,
    "kickstart": judge_install.kickstart,
    "pre-stamp": judge_install.pre_stamp,
    "include": judge_install.include,
    "own-disk": judge_install.own_disk,
    "new-label": judge_install.new_label,
    "other-disks": judge_install.other_disks,
    "partitions": judge_install.partitions,
    "bank-format": judge_install.bank_format,
    "post-module": judge_install.post_module,
    "secrets-installer": judge_install.secrets_installer,
    "module-loaded": judge_install.module_loaded,
    "firewall": judge_install.firewall,
    "power-cut": judge_install.power_cut,
    "python": judge_host.python,
    "esxcli": judge_host.esxcli,
    "network": judge_host.network,
    "datastore-data": judge_host.datastore_data,
    "datastore-boot": judge_host.datastore_boot,
    "identity": judge_host.identity,
    "time": judge_host.time,
    "deployed": judge_host.deployed,
    "user-data": judge_host.user_data,
    "boot-order": judge_host.boot_order,
    "leaves": judge_host.leaves,
    "persists": judge_host.persists,
    "management": judge_host.management,
    "timings": judge_host.timings,
    "release-9": _release_9,
    "golden-build": judge_host.golden_build,
    "golden-boots": judge_host.golden_boots,
    "maas-upload": judge_host.maas_upload,
    "maas-deploy": _by_hand,
    "secure-boot": _by_hand,
    "sectors-4096": _by_hand,
    "kickstart-words": _by_hand,
    "vcenter": _by_hand,
    "local-boot": _by_hand,
}


def judge(evidence: Evidence) -> dict[str, Verdict]:
    """Every claim's verdict, in the order of the claims."""
    return {claim.id: _judge_one(claim, evidence) for claim in CLAIMS}


def _judge_one(claim: Claim, evidence: Evidence) -> Verdict:
    asked = {
        Part.GOLDEN: evidence.asked.golden,
        Part.MAAS: evidence.asked.maas,
        Part.FROM_7: evidence.subject.major >= 7,
        Part.ONLY_9: evidence.subject.major >= 9,
    }
    if not asked.get(claim.part, True):
        return not_asked(f"Not a part of this run: it is for {claim.part.value}.")
    return CHECKS[claim.id](evidence)


def is_good(verdicts: Mapping[str, Verdict]) -> bool:
    """Whether nothing was contradicted, and everything that was asked for was reached."""
    bad = (VerdictStatus.CONTRADICTED, VerdictStatus.NOT_REACHED)
    return not any(verdict.asked and verdict.status in bad for verdict in verdicts.values())
