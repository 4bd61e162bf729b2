"""The report of a run: one document for programs, and the same for people, ready to be posted."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from esxforge.deployment.phase_times import PhaseTimes
from esxforge.selftest.claim import Area
from esxforge.selftest.claims import CLAIMS
from esxforge.selftest.evidence import Boot, Call, Evidence, Stop
from esxforge.selftest.verdicts import Verdict, VerdictStatus, is_good
from esxforge.vm.serial import last_lines

VERSION = 2
STANDIN_NOTICE = (
    "This ISO is esxforge's own stand-in. It imitates ESXi: what is “seen” here was seen on the imitation, and says "
    "nothing of VMware's software."
)
_MARKS = {
    VerdictStatus.SEEN: "✔",
    VerdictStatus.NOT_SEEN: "○",
    VerdictStatus.CONTRADICTED: "✘",
    VerdictStatus.NOT_REACHED: "…",
}
_CONSOLE_LINES = 30
_LOG_LINES = 60


def document(evidence: Evidence, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return the entire run as a JSON document."""
    counted = Counter(verdict.status.value for verdict in verdicts.values() if verdict.asked)
    whole = {
        "esxforge_selftest": VERSION,
        "ok": is_good(verdicts),
        "standin": evidence.subject.is_standin,
        "subject": asdict(evidence.subject),
        "summary": {status.value: counted[status.value] for status in VerdictStatus},
        "not_part_of_this_run": sum(not verdict.asked for verdict in verdicts.values()),
        "claims": [
            {
                "id": claim.id,
                "area": claim.area.value,
                "claim": claim.sentence,
                "source": claim.source,
                "how": claim.how,
                "status": verdicts[claim.id].status.value,
                "asked": verdicts[claim.id].asked,
                "evidence": verdicts[claim.id].evidence,
            }
            for claim in CLAIMS
        ],
        "image": {"bytes": evidence.image_bytes, "build_seconds": round(evidence.build_seconds, 1)},
        "boots": [_boot(boot) for boot in evidence.boots],
        "hook": list(evidence.hook.lines) if evidence.hook else [],
        "calls": [
            asdict(call) | {"stage": call.stage.value, "seconds": round(call.seconds, 1)} for call in evidence.calls
        ],
        "disks": {
            stage.value: {"boot": asdict(found.boot), "data": asdict(found.data), "secrets": list(found.secrets)}
            for stage, found in evidence.snapshots.items()
        },
        "logs": {
            stage.value: {name: last_lines(text, 400) for name, text in found.logs}
            for stage, found in evidence.snapshots.items()
        },
        "told": dict(evidence.told or {}),
        "notes": list(evidence.notes),
    }
    # As a program will read it: tuples are lists.
    plain: dict[str, Any] = json.loads(json.dumps(whole))
    return plain


def _boot(boot: Boot) -> dict[str, Any]:
    return {
        "stage": boot.stage.value,
        "stop": boot.stop.value,
        "seconds": round(boot.seconds, 1),
        "times": PhaseTimes(
            tuple((phase.name.lower(), seconds) for phase, seconds in boot.marks), boot.seconds
        ).document(),
        "written": boot.written,
        "screens": list(boot.screens),
        "diagnosis": boot.diagnosis,
        "console": last_lines(boot.console, 400),
    }


def _call(call: Call) -> dict[str, Any]:
    return asdict(call) | {"stage": call.stage.value, "seconds": round(call.seconds, 1)}


def markdown(report: Mapping[str, Any]) -> str:
    """The document for people. What it says is what the document says."""
    subject, summary = report["subject"], report["summary"]
    release = f"ESXi {subject['update'] or subject['release']}" + (
        f", build {subject['build']}" if subject["build"] else ""
    )
    lines = [f"# esxforge selftest: {release}", ""]
    if report["standin"]:
        lines += [f"> **{STANDIN_NOTICE}**", ""]
    told = ", ".join(f"{summary[status.value]} {status.value}" for status in VerdictStatus)
    lines += [
        f"**{'Good' if report['ok'] else 'Not good'}**: {told}; {report['not_part_of_this_run']} not part of this run.",
        "",
        "| | |",
        "|---|---|",
        *(_row(name, value) for name, value in _subject_rows(subject)),
        "",
    ]
    for area in Area:
        claims = [claim for claim in report["claims"] if claim["area"] == area.value]
        lines += [f"## {area.value}", "", "| | claim | id | evidence |", "|---|---|---|---|"]
        lines += [_row(_shown(claim), claim["claim"], f"`{claim['id']}`", claim["evidence"]) for claim in claims]
        lines.append("")
    lines += _times(report)
    lines += _details(report)
    return "\n".join(lines).rstrip() + "\n"


def _shown(claim: Mapping[str, Any]) -> str:
    if not claim["asked"]:
        return "not part of this run"
    return f"{_MARKS[VerdictStatus(claim['status'])]} {claim['status']}"


def _subject_rows(subject: Mapping[str, Any]) -> list[tuple[str, str]]:
    origin = "**esxforge's stand-in, not VMware's**" if subject["is_standin"] else subject["vendor"]
    return [
        ("ISO", f"{subject['profile'] or 'no profile'}, {origin}"),
        ("ISO's SHA-256", f"`{subject['iso_sha256']}`, {subject['iso_bytes']} bytes"),
        ("esxforge", subject["esxforge"]),
        ("QEMU", f"{subject['qemu']}, {subject['accelerator']}, {subject['firmware']}"),
        ("processor", subject["processor"]),
        ("virtual host", subject["hardware"]),
    ]


def _times(report: Mapping[str, Any]) -> list[str]:
    lines = ["## Times", "", "| stage | what came | after, s |", "|---|---|---|"]
    for boot in report["boots"]:
        lines += [_row(boot["stage"], one["phase"].replace("_", " "), one["start"]) for one in boot["times"]["phases"]]
        lines += [
            _row(call["stage"], call["event"] or call["name"], call["seconds"])
            for call in report["calls"]
            if call["stage"] == boot["stage"] and (call["event_type"] == "start" or call["name"] == "user-data")
        ]
        lines.append(_row(boot["stage"], f"end: {boot['stop']}", boot["seconds"]))
    return [*lines, ""]


def _details(report: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for note in report["notes"]:
        lines += [f"Note: {note}", ""]
    bad = {Stop.TIMED_OUT.value, Stop.STUCK.value, Stop.FAILED.value}
    for boot in report["boots"]:
        if boot["stop"] in bad and boot["console"]:
            title = f"End of the console, {boot['stage']} ({boot['diagnosis'] or boot['stop']})"
            lines += _folded(title, last_lines(boot["console"], _CONSOLE_LINES))
    if report["hook"]:
        lines += _folded("What the hook said", "\n".join(report["hook"]))
    # The same log may occur in several stages; the last has all of it.
    logs = {name: text for found in report["logs"].values() for name, text in found.items()}
    for name, text in logs.items():
        lines += _folded(f"{name}, as it stood in the boot bank", last_lines(text, _LOG_LINES))
    for name, answer in report["told"].get("commands", {}).items():
        lines += _folded(f"The host's answer: {name}", f"$ {answer['command']}\n{answer['output']}")
    return lines


def _folded(title: str, text: str) -> list[str]:
    code = [f"    {line}" for line in text.splitlines()]
    return [f"<details><summary>{html.escape(_plain(title), quote=False)}</summary>", "", *code, "", "</details>", ""]


def _row(*cells: object) -> str:
    shown = [html.escape(_plain(str(cell)), quote=False).replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(shown) + " |"


def _plain(text: str) -> str:
    return " ".join(text.split())
