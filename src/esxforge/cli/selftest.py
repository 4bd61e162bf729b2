"""``esxforge selftest``: with a real ISO and KVM, see what a stand-in cannot show, and report it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from esxforge.cli.maas_options import JsonOption, MaasOptions
from esxforge.cli.machine_options import AccelOption, HardwareOptions, accelerator
from esxforge.cli.output_options import VerboseOption
from esxforge.cli.render import listener, print_json


def selftest(
    *,
    iso: Annotated[Path, typer.Option("--iso", help="VMware's installer ISO.", show_default=False, readable=False)],
    accept_eula: Annotated[
        bool,
        typer.Option(
            "--accept-eula",
            help="Accept VMware's end user license agreement, which you have read: ESXi will be installed.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write the report to PATH.md and PATH.json.", show_default=False, readable=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing report.")] = False,
    accel: AccelOption = "auto",
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            min=10,
            help="Maximum time of one boot in seconds. [default: 2400; 9600 without KVM]",
            show_default=False,
        ),
    ] = None,
    hardware: HardwareOptions,
    disk_size: Annotated[
        int | None, typer.Option("--disk-size", min=1, help="Size of the boot disk in GiB (sparse).")
    ] = None,
    kernel_option: Annotated[
        list[str] | None, typer.Option("--kernel-option", help="Additional kernel option; may be repeated.")
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="Also build a golden image and deploy a host from it.")
    ] = False,
    secure_boot: Annotated[
        bool,
        typer.Option(
            "--secure-boot", help="Also install another host under firmware with Secure Boot on (7.0 and later)."
        ),
    ] = False,
    add: Annotated[
        list[Path] | None,
        typer.Option("--add", metavar="FILE", help="Add a VIB or an offline bundle, and check what ESXi does with it."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", help="Keep disks, console logs and screenshots in this new directory.", show_default=False
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the screen on a local web page.")] = False,
    maas: MaasOptions,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build, install and deploy in a virtual machine, and check every claim about ESXi along the way.

    The exit status is 0 only if every stage was reached and no claim was contradicted. With --profile or --maas-url,
    the image is also uploaded to that MAAS.
    """
    from esxforge.errors import RecipeError
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.selftest.evidence import Asked
    from esxforge.selftest.scenario import SelftestSettings, default_limit, default_patience
    from esxforge.selftest.session import check_computer, run_session
    from esxforge.selftest.written import reserve_report, write_report
    from esxforge.vm import accelerator as accelerators

    if not accept_eula:
        raise RecipeError(
            ["ESXi will be installed in a virtual machine, and VMware's licence agreement is not accepted."],
            "Read it; if you accept it, say --accept-eula.",
        )
    chosen = accelerators.choose(accelerator(accel))
    settings = SelftestSettings(
        iso,
        chosen,
        timeout or default_limit(chosen),
        hardware.changes(),
        disk_size or 0,
        tuple(kernel_option or ()),
        default_patience(chosen),
        Asked(
            golden=golden,
            maas=maas.profile is not None or maas.maas_url is not None,
            secure_boot=secure_boot,
            add=bool(add),
        ),
        tuple(add or ()),
    )
    with (
        listener(verbose=verbose) as listen,
        termination_as_interrupt(),
        reserve_report(report, overwrite=force) if report else nullcontext() as files,
        _directory(keep) as directory,
    ):
        check_computer(settings)
        connection = maas.connect(listen) if settings.asked.maas else None
        document = run_session(settings, directory, connection, listen, watch=watch)
        written = write_report(files, document, directory) if files else []
    if as_json:
        print_json(document)
    else:
        _print(document)
    for path in written:
        typer.echo(f"written: {path}", err=True)
    if not document["ok"]:
        raise typer.Exit(1)


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """The work directory: one that goes, or the one that the person wants to keep."""
    from esxforge.errors import InterruptedRunError, OutputError
    from esxforge.local.workspace import work_directory

    if keep is None:
        with work_directory() as directory:
            yield directory
        return
    try:
        # Disks and logs hold the host's secrets.
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = any(keep.iterdir())
    except OSError as error:
        raise OutputError(f"{keep} cannot be used: {error.strerror}.", "Name a new directory with --keep.") from error
    if used:
        raise OutputError(f"{keep} is not empty.", "Name a new directory with --keep.")
    try:
        yield keep
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"The self-test was interrupted; what it wrote so far is kept in {keep}.",
            "Remove it, or name another directory with --keep, before the next run.",
        ) from error


def _print(document: dict[str, Any]) -> None:
    """Each claim that was looked at, in a line of its own; then the sum."""
    from esxforge.selftest.report import STANDIN_NOTICE

    claims = [claim for claim in document["claims"] if claim["asked"]]
    width = max(len(claim["id"]) for claim in claims)
    for claim in claims:
        typer.echo(f"{claim['status']:12}  {claim['id']:{width}}  {claim['evidence']}")
    told = ", ".join(f"{count} {status}" for status, count in document["summary"].items())
    typer.echo(f"{told}; {document['not_part_of_this_run']} not part of this run.")
    if document["standin"]:
        typer.echo(STANDIN_NOTICE)
    for note in document["notes"]:
        typer.echo(f"note: {note}")
