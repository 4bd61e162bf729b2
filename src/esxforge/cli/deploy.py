"""``esxforge deploy`` and ``esxforge follow``: from an image in MAAS to a host, and what happens on the way."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esxforge.cli.failures import failure_event, print_line
from esxforge.cli.maas_options import MaasOptionsWithTimeout
from esxforge.cli.render import listener
from esxforge.errors import ForgeError, InterruptedRunError, MaasError, RecipeError
from esxforge_target.runtime.visible import one_line

if TYPE_CHECKING:
    from esxforge.deployment.answers import Machine
    from esxforge.deployment.follow import Ended, Followed
    from esxforge.deployment.start import Ready, Request
    from esxforge.maas.client import Client

_GB = 1000**3
MachinesArgument = Annotated[
    list[str],
    typer.Argument(help="Machines in MAAS: system ID, FQDN or unique host name.", metavar="MACHINE"),
]
EventsOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line on stdout, for each event.")]


def deploy(
    machines: MachinesArgument,
    *,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Image in MAAS, such as esxi/8.0.3. [default: the only one]", show_default=False),
    ] = None,
    user_data: Annotated[
        Path | None,
        typer.Option("--user-data", help="User-data for the host (a script or #cloud-config).", readable=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Also deploy machines that belong to this user (administrators only).")
    ] = None,
    vcenter_registration: Annotated[
        bool,
        typer.Option(
            "--vcenter-registration/--no-vcenter-registration",
            help="Pass MAAS's vCenter credentials to the host (administrators only).",
        ),
    ] = True,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask for confirmation; required without a terminal.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start the deployments and exit.")] = False,
    as_json: EventsOption = False,
    maas: MaasOptionsWithTimeout,
) -> None:
    """Deploy ESXi to machines in MAAS, and follow until they are Deployed. Asks first: all data on their disks is lost.

    Only machines that are Ready, or Allocated to you, are deployed. No machine is ever released or unlocked.
    """
    from esxforge.deployment.assessment import Wishes
    from esxforge.deployment.start import Request, prepare
    from esxforge.maas.client import Client

    request = Request(vcenter_registration, _user_data(user_data))
    with listener() as listen, Client(maas.connect(listen), listen) as client:
        ready = prepare(client, machines, Wishes(image=image, owner=owner))
        sys.stderr.writelines(f"{one_line(line)}\n" for one in ready for line in _confirmation(one, request))
        if not yes:
            _ask(len(ready))
        started, problems = _start(client, ready, request, as_json=as_json)
        ended: list[Ended] = []
        if not detach:
            ended = _follow(client, started, as_json=as_json)
        elif started:
            typer.echo(f"Deploying. To follow: esxforge follow {_names(started)}", err=as_json)
            problems += [one.doubt for one in started if one.doubt is not None]
    _finish(ended, problems)


def follow(
    machines: MachinesArgument,
    *,
    as_json: EventsOption = False,
    maas: MaasOptionsWithTimeout,
) -> None:
    """Follow running deployments: each phase with its time, then the host's addresses or the reason for the failure."""
    from esxforge.deployment.find import find_machine
    from esxforge.deployment.follow import join
    from esxforge.maas.client import Client

    with listener() as listen, Client(maas.connect(listen), listen) as client:
        joined = [
            join(client, identifier) for identifier in dict.fromkeys(find_machine(client, one) for one in machines)
        ]
        ended = _follow(client, joined, as_json=as_json)
    _finish(ended, [])


def _user_data(path: Path | None) -> bytes | None:
    from esxforge.deployment.start import LARGEST_USER_DATA
    from esxforge.local.reading import read_file

    if path is None:
        return None
    data = read_file(path, largest=LARGEST_USER_DATA, pipes=True)
    if not data:
        raise RecipeError([f"The user-data {path} is empty."], "Give a script or a #cloud-config document.", str(path))
    return data


def _confirmation(ready: Ready, request: Request) -> list[str]:
    """The summary to confirm: the machine, and the disks that will be cleared."""
    machine, image = ready.answers.machine, ready.found.image
    hardware = machine.hardware_info
    account = ready.answers.account
    owner = machine.owner or f"none; it will be {account.username if account else 'you'}"
    admin = account is not None and account.is_superuser
    vcenter = "MAAS's vCenter credentials go to the host, if it has any" if request.vcenter else "off"
    lines = [
        "",
        machine.label,
        f"  image           {image.name} “{image.title}”" if image is not None else "",
        f"  owner           {owner}",
        f"  pool, tags      {machine.pool.name if machine.pool else 'not known'}, "
        + (", ".join(machine.tag_names) or "none" if machine.tag_names is not None else "not known"),
        f"  power type      {machine.power_type or 'not known'}",
        f"  chassis serial  {(hardware.chassis_serial if hardware else None) or 'not known'}",
        f"  vCenter         {vcenter if admin else 'no: you are not an administrator'}",
        "  ALL DATA on these disks is lost:",
    ]
    boot = machine.boot_disk.id if machine.boot_disk is not None else None
    for disk in ready.cleared_disks:
        use = "ESXi" if disk.id == boot else "cleared"
        serial = disk.serial or "serial not known"
        lines.append(
            f"    {disk.name:<10} {disk.size / _GB:>9.1f} GB  {disk.model or 'model not known'}, {serial}  ({use})"
        )
    lines += [f"  warning: {one.sentence}" for one in ready.found.findings.warnings]
    lines += [f"  not known: {one}" for one in ready.found.findings.not_known]
    return lines


def _ask(count: int) -> None:
    if sys.stdin is None or not sys.stdin.isatty():  # None where stdin is closed
        raise MaasError("No terminal to confirm on; nothing was deployed.", "Pass --yes to deploy without a question.")
    text = "Deploy this machine?" if count == 1 else f"Deploy these {count} machines?"
    if not typer.confirm(text, err=True):
        raise MaasError("Nothing was deployed.", "Answer y, or pass --yes.")


def _start(
    client: Client, ready: Sequence[Ready], request: Request, *, as_json: bool
) -> tuple[list[Followed], list[ForgeError]]:
    """Start each; one that fails does not keep the others from it. Raises InterruptedRunError on Ctrl-C."""
    started: list[Followed] = []
    problems: list[ForgeError] = []
    left = list(ready)
    try:
        while left:
            _start_one(client, left[0], request, started, problems, as_json=as_json)
            del left[0]
    except KeyboardInterrupt:
        raise _interrupted(started, left) from None
    return started, problems


def _start_one(
    client: Client,
    one: Ready,
    request: Request,
    started: list[Followed],
    problems: list[ForgeError],
    *,
    as_json: bool,
) -> None:
    from esxforge.deployment.start import start

    error: ForgeError | None
    try:
        found = start(client, one, request)
    except ForgeError as failed:
        error = failed
        problems.append(failed)
    else:
        started.append(found)
        error = found.doubt
        if as_json:
            event = {"event": "started", "machine": found.fqdn, "system_id": found.system_id}
            print_line({**event, "certain": error is None})
    if error is not None:
        sys.stderr.write(f"esxforge: {one_line(error.message)}\n  {one_line(error.hint)}\n")
        if as_json:
            print_line(failure_event(error, one.answers.machine.fqdn))


def _interrupted(started: Sequence[Followed], left: Sequence[Ready]) -> InterruptedRunError:
    """Ctrl-C between the requests: which machines are being deployed, which one may be, and which are not."""
    known = {one.system_id for one in started}
    maybe, others = [one.answers.machine for one in left[:1] if one.system_id not in known], left[1:]
    parts = {
        "being deployed": [one.fqdn for one in started],
        "possibly being deployed, its request was interrupted": [one.fqdn for one in maybe],
        "not started": [one.answers.machine.fqdn for one in others],
    }
    named = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
    return InterruptedRunError(
        one_line(f"Interrupted. What was started goes on: {named}."),
        f"To join it again: esxforge follow {_names([*started, *maybe])}",
    )


def _names(machines: Sequence[Followed | Machine]) -> str:
    """FQDNs for a command line."""
    return one_line(" ".join(shlex.quote(one.fqdn) for one in machines))


def _follow(client: Client, machines: Sequence[Followed], *, as_json: bool) -> list[Ended]:
    from esxforge.cli.following import display
    from esxforge.deployment.follow import Follower

    if not machines:
        return []
    try:
        with display([one.fqdn for one in machines], as_json=as_json) as show:
            return Follower(client, time.monotonic, show).follow(machines)
    except KeyboardInterrupt:
        running = [one for one in machines if not one.done] or machines
        raise InterruptedRunError(
            "Interrupted: the deployment goes on.", f"To join it again: esxforge follow {_names(running)}"
        ) from None


def _finish(ended: Sequence[Ended], problems: Sequence[ForgeError]) -> None:
    from esxforge.deployment.progress import Outcome

    if problems or any(one.outcome is not Outcome.DEPLOYED for one in ended):
        raise typer.Exit(1)
