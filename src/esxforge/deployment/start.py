"""Start deployments: all machines are checked before the first, and each is read again just before its own.

MAAS's rules: canonical/maas 3.7.3, ``api/machines.py`` (``deploy``). It installs Ubuntu where no series is given, so
one always is. Nothing is released, unlocked or erased here.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esxforge.deployment import answers as names
from esxforge.deployment.answers import (
    DEPLOYING,
    HAS_CONFIGURATION,
    Answers,
    answers_of,
)
from esxforge.deployment.ask import read_answers, read_images, read_state
from esxforge.deployment.assessment import Assessment, Wishes, assess
from esxforge.deployment.event_log import EventLog
from esxforge.deployment.find import find_machine
from esxforge.deployment.findings import Findings
from esxforge.deployment.follow import POLL, Followed
from esxforge.deployment.images import PREFIX, Image, choose
from esxforge.deployment.saved import reduced
from esxforge.deployment.state import judge_state
from esxforge.deployment.storage_answers import BlockDevice
from esxforge.deployment.text import against
from esxforge.errors import MaasError
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError, TransientError

LARGEST_USER_DATA = 8 << 20
# Seconds for which the machine is read after a request whose answer was lost: MAAS may still be at work on it.
PATIENCE = 60.0
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
        """Every disk whose content is lost: curtin clears all that MAAS knows, used or not, before the hook runs."""
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
        if answers.images is None:
            reasons.append(
                "MAAS does not show its images to this user, so the one to deploy cannot be checked. Use the API key "
                "of a user who may see them."
            )
        elif found.image is None and not reasons:
            reasons.append("no image was chosen.")
        problems += [f"{answers.machine.label}: {reason}" for reason in reasons]
        machines.append(Ready(answers, documents, found))
    if problems:
        raise MaasError(
            "Nothing was deployed:\n  - " + "\n  - ".join(problems), "More on each: esxforge plan --machine NAME"
        )
    return machines


def start(client: Client, machine: Ready, request: Request) -> Followed:
    """Read the machine again, and have MAAS deploy it. Raises MaasError where anything changed, or MAAS refuses.

    Where it stays open whether the deployment began, the result has a ``doubt``.
    """
    _compare(client, machine)
    image = machine.found.image
    assert image is not None  # noqa: S101  # prepare refuses a machine without
    log = EventLog(client, machine.system_id)
    client.patiently(log.skip)
    fields = {"distro_series": image.name, "vcenter_registration": "true" if request.vcenter else "false"}
    if request.user_data is not None:
        fields["user_data"] = base64.b64encode(request.user_data).decode("ascii")
    label = machine.answers.machine.label
    doubt = None
    try:
        answer = client.json("POST", _path(machine), query={"op": "deploy"}, fields=fields)
    except MaasError as error:
        # Only a 4xx is a refusal. Anything else may come from a proxy, or after MAAS has begun.
        if isinstance(error, RefusedError) and error.status < 500:
            raise _refused(label, error) from None
        doubt = _doubt(client, machine, error)
    else:
        if not _is_begun(answer, machine):
            raise MaasError(
                f"MAAS took the request for {label}, but does not deploy {image.name} on it now.",
                f"Look at the machine in MAAS, then: esxforge follow {machine.system_id}",
            )
    return Followed(machine.system_id, machine.answers.machine.fqdn, log, doubt=doubt)


def _path(machine: Ready) -> str:
    return f"machines/{machine.system_id}/"


def _doubt(client: Client, machine: Ready, lost: MaasError) -> MaasError | None:
    """Read the machine until it is being deployed; None then, and after a minute without that the doubt, as an error.

    Raises MaasError where MAAS refused (409 with a text), or where the machine is being deployed otherwise.
    """
    label, system_id = machine.answers.machine.label, machine.system_id
    refused = isinstance(lost, TransientError) and lost.status == 409 and bool(lost.answer)
    shown, until = "", time.monotonic() + PATIENCE
    for look in range(int(PATIENCE / POLL) + 1):
        if look:
            client.wait(POLL)
        try:
            answer = client.json("GET", _path(machine))
        except MaasError as error:
            shown = f"MAAS does not show the machine: {error.message}"
            if isinstance(error, RefusedError) and error.status < 500:
                break
        else:
            if _is_begun(answer, machine):
                return None
            shown = _not_ours(answer, machine, client)
        if refused or time.monotonic() >= until:
            break
    if refused and isinstance(lost, TransientError):
        raise MaasError(
            f"MAAS refused to deploy {label}: {lost.answer}",
            "Change what it names in MAAS, then run the command again.",
        ) from lost
    said = f" MAAS says: {lost.answer}" if isinstance(lost, TransientError) and lost.answer else ""
    return MaasError(
        f"It is not known whether the deployment of {label} began. {lost.message}{said} {shown}",
        f"Do not deploy it again before MAAS shows what it does. To look again: esxforge follow {system_id}",
    )


def _is_begun(answer: Any, machine: Ready) -> bool:
    """True where the machine is being deployed, or was, with the image and for the owner of the request."""
    if not isinstance(answer, Mapping) or answer.get("status") not in HAS_CONFIGURATION:
        return False
    image = machine.found.image
    series = f"{answer.get('osystem')}/{answer.get('distro_series')}"
    # The series is kept with or without the system's name before it.
    return image is not None and series in (image.name, f"{PREFIX}{image.name}") and _is_owner(answer, machine)


def _is_owner(answer: Mapping[str, Any], machine: Ready) -> bool:
    account = machine.answers.account
    expected = machine.answers.machine.owner or (account.username if account is not None else None)
    return expected is None or answer.get("owner", expected) == expected


def _not_ours(answer: Any, machine: Ready, client: Client) -> str:
    """The state that MAAS shows, as a sentence. Raises MaasError where the machine is being deployed otherwise."""
    if not isinstance(answer, Mapping):
        return "MAAS does not show the machine."
    if answer.get("status") == DEPLOYING:
        series = f"{answer.get('osystem')}/{answer.get('distro_series')}"
        raise MaasError(
            f"{machine.answers.machine.label} is being deployed by another request: with {client.clean(series)}, "
            f"for {client.clean(str(answer.get('owner')))}.",
            "Somebody was faster: look into MAAS.",
        )
    return f"MAAS shows the machine as “{client.clean(str(answer.get('status_name')))}”."


def _refused(label: str, error: RefusedError) -> MaasError:
    if error.status == 401:  # what MAAS says there may hold the secret
        return error
    if error.status == 403:
        return MaasError(
            f"MAAS does not let this user deploy {label}.",
            "The machine may have been locked, or taken by somebody else, just now: look into MAAS.",
        )
    return MaasError(
        f"MAAS refused to deploy {label}: {error.answer}", "Change what it names in MAAS, then run the command again."
    )


def _compare(client: Client, machine: Ready) -> None:
    """Raises MaasError where owner, status, interfaces, storage or the image are not as they were confirmed."""
    now, before = reduced(read_state(client, machine.system_id)), reduced(machine.documents)
    changed = [
        field
        for field in _COMPARED_FIELDS
        if _of(now.get(names.MACHINE), field) != _of(before.get(names.MACHINE), field)
    ]
    changed += [words for name, words in _COMPARED_LISTS.items() if _stable(now.get(name)) != _stable(before.get(name))]
    if _image_now(client, machine) != machine.found.image:
        changed.append("the image")
    if changed:
        raise MaasError(
            f"{machine.answers.machine.label} changed in MAAS since it was checked: {', '.join(changed)}.",
            "Nothing was deployed on it. Look at it again: esxforge plan --machine " + machine.system_id,
        )


def _image_now(client: Client, machine: Ready) -> Image | None:
    image = machine.found.image
    name = image.name if image is not None else None
    return choose(read_images(client), name, machine.answers.machine.architecture, Findings())


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
