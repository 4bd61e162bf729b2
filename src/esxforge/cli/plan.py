"""``esxforge plan``: what a host will do, shown without a host, and before its deployment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from esxforge.cli.maas_options import JsonOption, MaasOptions, MaasOptionsWithTimeout

if TYPE_CHECKING:
    from esxforge.deployment.assessment import Assessment, Wishes
    from esxforge.preview.report import Preview
    from esxforge_target.inventory.model import Inventory

_ASSUMED = "8.0"
_UNBOUNDED = 2000


class _Page(NamedTuple):
    """Where the plan is also written to as a page."""

    path: Path
    overwrite: bool


def plan(
    *,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine", help="Machine in MAAS to plan for, before its deployment: system ID, FQDN or unique host name."
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="Plan from a directory that --save wrote, without MAAS.", readable=False),
    ] = None,
    curtin_config: Annotated[
        Path | None,
        typer.Option(
            "--curtin-config", help="Plan from a curtin configuration of MAAS (YAML or JSON).", readable=False
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="With --machine: save MAAS's answers in this new directory.", readable=False),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Image in MAAS, such as esxi/8.0.3. [default: the only one]", show_default=False),
    ] = None,
    boot_nic: Annotated[
        str | None,
        typer.Option("--boot-nic", help="NIC that boots from MAAS; it is preferred for management if it uses DHCP."),
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option("--inventory", help="Inventory of a host, its /bootbank/esxforge.inv.", readable=False),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            help="ESXi release to assume without an inventory. [default: the image's, or 8.0]",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Literal["installer", "golden"] | None,
        typer.Option(
            "--kind", help="Kind of image. [default: from its title in MAAS, or installer]", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
    short: Annotated[bool, typer.Option("--summary", help="Show a few lines instead of tables and commands.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the plan as a self-contained web page.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing page.")] = False,
    maas: MaasOptionsWithTimeout,
) -> None:
    """Show what a host will become: its network, its datastores, and every command that it will run.

    With --machine or --answers, also show everything that prevents the deployment; if anything does, exit status 1.
    """
    from esxforge.preview.report import load_inventory

    page = None if html is None else _Page(html, force)

    _check_usage(machine, answers, curtin_config, save, as_json=as_json, short=short)
    of_machine = {"--image": image, "--boot-nic": boot_nic}
    _check_unused(maas.given, "--machine", used=machine is not None)
    _check_unused(of_machine, "--machine and --answers", used=curtin_config is None)
    release = None if release is None else _version(release)
    found, guids = load_inventory(inventory) if inventory is not None else (None, {})
    if curtin_config is not None:
        from esxforge.preview.curtin_yaml import load_config
        from esxforge.preview.report import document, report_of_config

        config = load_config(curtin_config)
        report = report_of_config(config, found, release or _ASSUMED, golden=kind == "golden", guids=guids)
        _show(report, document(report), page, as_json=as_json, short=short)
        return
    from esxforge.deployment.assessment import Wishes

    wishes = Wishes(image, release, None if kind is None else kind == "golden", boot_nic)
    documents = _ask(machine, maas, save) if machine is not None else _load(answers)
    _plan_machine(documents, wishes, found, guids, page, as_json=as_json, short=short)


def _check_usage(
    machine: str | None, answers: Path | None, config: Path | None, save: Path | None, *, as_json: bool, short: bool
) -> None:
    if as_json and short:
        raise typer.BadParameter("--json and --summary are two different outputs: choose one")
    if len([one for one in (machine, answers, config) if one is not None]) != 1:
        raise typer.BadParameter("give one of --machine, --answers and --curtin-config")
    if save is not None and machine is None:
        raise typer.BadParameter("--save keeps what MAAS answers to --machine", param_hint="--save")


def _check_unused(options: Mapping[str, object], owner: str, *, used: bool) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given and not used:
        raise typer.BadParameter(f"goes only with {owner}", param_hint=given[0])


def _version(release: str) -> str:
    from esxforge.errors import FormatError
    from esxforge.formats.release_name import version_of

    try:
        return version_of(release)
    except FormatError as error:
        raise typer.BadParameter(f"{error.message} {error.hint}", param_hint="--release") from None


def _ask(machine: str, maas: MaasOptions, save: Path | None) -> dict[str, Any]:
    from esxforge.cli.render import listener
    from esxforge.deployment import saved
    from esxforge.deployment.ask import read_answers
    from esxforge.deployment.find import find_machine
    from esxforge.maas.client import Client

    with listener() as listen, Client(maas.connect(listen), listen) as client:
        documents = read_answers(client, find_machine(client, machine))
    if save is not None:
        saved.save(documents, save)
        sys.stderr.write(f"note: MAAS's answers are in {save}\n")
    return documents


def _load(directory: Path | None) -> dict[str, Any]:
    from esxforge.deployment import saved

    assert directory is not None  # noqa: S101  # one of the three was given
    return saved.load(directory)


def _plan_machine(
    documents: dict[str, Any],
    wishes: Wishes,
    inventory: Inventory | None,
    guids: dict[str, str],
    page: _Page | None,
    *,
    as_json: bool,
    short: bool,
) -> None:
    from esxforge.cli.render import print_json
    from esxforge.deployment.answers import answers_of
    from esxforge.deployment.assessment import assess, assessment_document
    from esxforge.deployment.text import heading, marked, remarks
    from esxforge_target.runtime.visible import one_line

    found = assess(answers_of(documents), wishes, inventory, guids)
    if page is not None and found.report is not None:
        _write_html(marked(found), page)
    if as_json:
        print_json(assessment_document(found))
    else:
        sys.stdout.write(f"{one_line(heading(found))}\n\n")
        if not found.refused:
            _show(marked(found), {}, None, as_json=False, short=short)
        sys.stdout.writelines(f"{one_line(line)}\n" for line in remarks(found))
        sys.stdout.flush()
        _complain(found)
    if not found.stands:
        raise typer.Exit(1)


def _complain(found: Assessment) -> None:
    from esxforge.deployment.text import against
    from esxforge_target.runtime.visible import one_line

    reasons = against(found)
    if reasons:
        sys.stderr.write("esxforge: this machine cannot be deployed:\n")
        sys.stderr.writelines(f"  - {one_line(reason.sentence)}\n" for reason in reasons)


def _write_html(report: Preview, page: _Page) -> None:
    from esxforge.preview.html import write_html
    from esxforge_target.runtime.visible import one_line

    write_html(report, page.path, overwrite=page.overwrite)
    sys.stderr.write(f"note: the page is in {one_line(str(page.path))}\n")


def _show(report: Preview, document: dict[str, Any], page: _Page | None, *, as_json: bool, short: bool) -> None:
    """Write one report in the way that was asked for. Exit status 1 where ESXi cannot do it."""

    from esxforge.cli.console import FilteredConsole
    from esxforge.cli.render import print_json
    from esxforge.preview.text import show, summary
    from esxforge_target.runtime.visible import one_line

    if page is not None:
        _write_html(report, page)
    if as_json:
        print_json(document)
    elif report.errors:
        sys.stderr.write("esxforge: ESXi cannot be what MAAS asks of this machine:\n")
        sys.stderr.writelines(f"  - {one_line(reason)}\n" for reason in report.errors)
        sys.stderr.write("  Change the machine's configuration in MAAS and deploy again.\n")
    elif short:
        sys.stdout.write(summary(report) + "\n")
    else:
        # Without a terminal there is no width to keep to: tables are as wide as what they hold.
        show(report, FilteredConsole(sys.stdout, width=None if sys.stdout.isatty() else _UNBOUNDED))
    if report.errors:
        raise typer.Exit(1)
