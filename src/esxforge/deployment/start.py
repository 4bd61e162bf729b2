"""Start deployments: all machines are checked before the first, and each is read again just before its own.

MAAS's rules: canonical/maas 3.7.3, ``api/machines.py`` (``deploy``). It installs Ubuntu where no series is given, so
one always is. Nothing is released, unlocked or erased here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esxforge.deployment import answers as names
from esxforge.deployment.answers import DEPLOYING, Answers, BlockDevice, answers_of
from esxforge.deployment.ask import read_answers, read_state
from esxforge.deployment.assessment import Assessment, Wishes, assess
from esxforge.deployment.event_log import EventLog
from esxforge.deployment.find import find_machine
from esxforge.deployment.follow import Followed
from esxforge.deployment.images import PREFIX
from esxforge.deployment.saved import reduced
from esxforge.deployment.state import judge_state
from esxforge.deployment.text import against
from esxforge.errors import MaasError
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError, TransientError

LARGEST_USER_DATA = 8 << 20
# What must not have changed since it was confirmed.
_COMPARED_FIELDS = (
    "system_id",
    "owner",
    "status",
    "locked",
    "boot_disk",
    "boot_interface",
    "architecture",
    "default_gateways",
)
_COMPARED_LISTS = {
    names.INTERFACES: "its interfaces",
    names.BLOCK_DEVICES: "its disks",
    names.DATASTORES: "its datastores",
    names.RAIDS: "its RAIDs",
    names.VOLUME_GROUPS: "its volume groups",
    names.BCACHES: "its bcaches",
}


@dataclass(frozen=True)
class Ready:
    """A machine that was checked, and what MAAS said of it then."""

    answers: Answers
    documents: Mapping[str, Any]
    found: Assessment

    @property
    def system_id(self) -> str:
        """MAAS's id."""
        return self.answers.machine.system_id

    @property
    def cleared_disks(self) -> list[BlockDevice]:
        """Every disk whose content is lost: curtin clears all that are in its configuration, before the hook runs."""
        return sorted((one for one in self.answers.block_devices if one.type == "physical"), key=lambda one: one.id)


@dataclass(frozen=True)
class Request:
    """Options of the deployment besides the image. ``vcenter`` hands MAAS's vCenter credentials to the host."""

    vcenter: bool = True
    user_data: bytes | None = None


def prepare(client: Client, machine_names: Sequence[str], wishes: Wishes) -> list[Ready]:
    """Find, read and judge all of them. Raises MaasError with every reason against each where one is not right."""
    ids: dict[str, str] = {}
    for name in machine_names:
        system_id = find_machine(client, name)
        if system_id in ids:
            raise MaasError(f"{name} and {ids[system_id]} are the same machine.", "Name each machine once.")
        ids[system_id] = name
    machines = []
    problems: list[str] = []
    for system_id in ids:
        documents = read_answers(client, system_id)
        answers = answers_of(documents)
        found = assess(answers, wishes)
        if found.is_final:  # it was deployed before, or is being deployed
            judge_state(answers.machine, answers.account, wishes.owner, found.findings)
        reasons = [reason.sentence for reason in against(found)]
        if answers.account is None:
            reasons.append("MAAS does not say who you are, so the owner cannot be compared.")
        if reasons or found.image is None:
            label = answers.machine.label
            problems += [f"{label}: {reason}" for reason in reasons or ["no image was chosen."]]
        machines.append(Ready(answers, documents, found))
    if problems:
        raise MaasError(
            "Nothing was deployed:\n  - " + "\n  - ".join(problems), "More on each: esxforge plan --machine NAME"
        )
    return machines


def start(client: Client, machine: Ready, request: Request) -> Followed:
    """Read the machine again, and have MAAS deploy it. Raises MaasError where anything changed, or MAAS refuses."""
    _compare(client, machine)
    image = machine.found.image
    assert image is not None  # noqa: S101  # prepare refuses a machine without
    log = EventLog(client, machine.system_id)
    client.patiently(log.skip)
    fields = {"distro_series": image.name, "vcenter_registration": "true" if request.vcenter else "false"}
    if request.user_data is not None:
        fields["user_data"] = base64.b64encode(request.user_data).decode("ascii")
    label = machine.answers.machine.label
    path = f"machines/{machine.system_id}/"
    try:
        answer = client.json("POST", path, query={"op": "deploy"}, fields=fields)
    except RefusedError as error:
        raise _refused(label, error) from None
    except TransientError as error:
        # The answer may be lost, not the request: what the machine has become decides.
        answer = client.patiently(lambda: client.json("GET", path))
        if not _is_deploying(answer, image.name):
            said = f" MAAS says: {error.answer}" if error.answer else f" {error.message}"
            raise MaasError(
                f"MAAS did not start the deployment of {label}.{said}", "Give the same command again."
            ) from error
    if not _is_deploying(answer, image.name):
        raise MaasError(
            f"MAAS took the request for {label}, but does not deploy {image.name} on it now.",
            f"Look at the machine in MAAS, then: esxforge follow {machine.system_id}",
        )
    return Followed(machine.system_id, machine.answers.machine.fqdn, log)


def _is_deploying(answer: Any, image: str) -> bool:
    if not isinstance(answer, Mapping):
        return False
    series = f"{answer.get('osystem')}/{answer.get('distro_series')}"
    # The series is kept with or without the system's name before it.
    return answer.get("status") == DEPLOYING and series in (image, f"{PREFIX}{image}")


def _refused(label: str, error: RefusedError) -> MaasError:
    if error.status == 403:
        return MaasError(
            f"MAAS does not let this user deploy {label}.",
            "The machine may have been locked, or taken by somebody else, just now: look into MAAS.",
        )
    return MaasError(
        f"MAAS refused to deploy {label}: {error.answer}", "Change what it names in MAAS, then give the command again."
    )


def _compare(client: Client, machine: Ready) -> None:
    """Raises MaasError where owner, status, interfaces or storage are not as they were confirmed."""
    now, before = reduced(read_state(client, machine.system_id)), reduced(machine.documents)
    changed = [
        field
        for field in _COMPARED_FIELDS
        if _of(now.get(names.MACHINE), field) != _of(before.get(names.MACHINE), field)
    ]
    changed += [words for name, words in _COMPARED_LISTS.items() if _stable(now.get(name)) != _stable(before.get(name))]
    if changed:
        raise MaasError(
            f"{machine.answers.machine.label} changed in MAAS since it was checked: {', '.join(changed)}.",
            "Nothing was deployed on it. Look at it again: esxforge plan --machine " + machine.system_id,
        )


def _of(document: Any, field: str) -> Any:
    return document.get(field) if isinstance(document, Mapping) else None


def _stable(value: Any) -> Any:
    """Without leases, which come and go; lists of things with an id by that: MAAS promises no order."""
    if isinstance(value, Mapping):
        return {key: _stable(one) for key, one in value.items() if key != "discovered"}
    if isinstance(value, list):
        items = [_stable(one) for one in value]
        if all(isinstance(one, dict) and "id" in one for one in items):
            return sorted(items, key=lambda one: str(one["id"]))
        return items
    return value or None
