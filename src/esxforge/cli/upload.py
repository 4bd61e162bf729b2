"""``esxforge upload``: a verified image goes to MAAS."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esxforge import events
from esxforge.cli.maas_options import JsonOption, MaasOptionsWithTimeout
from esxforge.cli.render import listener, print_json
from esxforge.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esxforge.image.image_files import BuildResult
    from esxforge.maas.connection import Connection
    from esxforge.maas.upload import Uploader, UploadImage, UploadResult

_ARCHITECTURE = "amd64/generic"


def verified_image(
    path: Path, *, name: str | None, title: str | None, architecture: str, listener: events.Listener
) -> UploadImage:
    """The image to upload, after its bytes were verified. Raises ImageError for one that is damaged or not ours."""
    from esxforge.image.verify import verify_image
    from esxforge.maas.upload import UploadImage

    image = verify_image(path, listener)
    if not image.compressed:
        raise ImageError(f"{path} is a raw disk; MAAS takes it as .dd.gz only.", "Build it without --format raw.")
    return UploadImage(
        path=path,
        size=image.size,
        sha256=image.sha256,
        name=name or image.maas_name,
        title=title or image.maas_title,
        architecture=architecture,
    )


def built_image(result: BuildResult) -> UploadImage:
    """The image that was just built: its hash is known, so that it need not be read again."""
    from esxforge.image.maas_title import title_of
    from esxforge.maas.upload import UploadImage

    details = result.document["details"]
    title = title_of(str(details["maas"]["title"]), details, result.document["kind"])
    return UploadImage(result.image, result.size, result.sha256, details["maas"]["name"], title)


def upload(
    image: Annotated[
        Path, typer.Argument(help="Image built by esxforge (.dd.gz).", show_default=False, readable=False)
    ],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name in MAAS. [default: the image's, such as esxi/8.0.3]", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title in MAAS. [default: the image's]", show_default=False)] = None,
    architecture: Annotated[str, typer.Option(help="Architecture in MAAS.")] = _ARCHITECTURE,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be done, and the equivalent command of the maas CLI."),
    ] = False,
    maas: MaasOptionsWithTimeout,
    as_json: JsonOption = False,
) -> None:
    """Upload an image to MAAS: skip what is already there, resume an interrupted upload, verify the result."""
    from esxforge.errors import MaasError
    from esxforge.local.reading import check_file
    from esxforge.maas.upload import uploader
    from esxforge.maas.upload_image import check_image

    check_file(image)
    with listener() as listen:
        connection: Connection | None = None
        try:
            connection = maas.connect(listen)
        except MaasError as error:
            # A dry run is of use without a MAAS too, unless one was asked for.
            if not dry_run or maas.profile or maas.maas_url or maas.api_key_file:
                raise
            listen(events.Notice(f"MAAS is not asked: {error.message}"))
        verified = verified_image(image, name=name, title=title, architecture=architecture, listener=listen)
        check_image(verified)
        if dry_run:
            _rehearse(verified, connection, listen, as_json=as_json)
            return
        assert connection is not None  # noqa: S101 - only a dry run goes on without
        with uploader(connection, listen) as destination:
            renamed = {"--name": name, "--title": title, "--architecture": architecture}
            if architecture == _ARCHITECTURE:
                del renamed["--architecture"]
            words = [word for flag, value in renamed.items() if value for word in (flag, value)]
            send(verified, destination, [*words, *maas.words], as_json=as_json)


def send(image: UploadImage, destination: Uploader, options: Sequence[str], *, as_json: bool) -> None:
    """Upload ``image`` and print the result. Raises what :meth:`Uploader.upload` raises.

    ``options`` are those that upload it to the same place again.
    """
    try:
        result = destination.upload(image)
    except KeyboardInterrupt:
        command = shlex.join(["esxforge", "upload", str(image.path), *options])
        sys.stderr.write(f"esxforge: interrupted; MAAS keeps what it has. To resume: {command}\n")
        raise typer.Exit(130) from None
    if as_json:
        print_json(result.as_dict())
    else:
        typer.echo(_sentence(result))


def _rehearse(image: UploadImage, connection: Connection | None, listen: events.Listener, *, as_json: bool) -> None:
    from esxforge.maas.upload import plan_upload
    from esxforge.maas.upload_image import equivalent_command

    plan = plan_upload(image, connection, listen) if connection else None
    arguments = equivalent_command(image, connection.profile if connection else None)
    # $PROFILE stays as it is: it is for the person's shell.
    line = " ".join(part if part == "$PROFILE" else shlex.quote(part) for part in arguments)
    if as_json:
        print_json(
            {
                "action": plan.action if plan else None,
                "received": plan.received if plan else None,
                "maas_version": plan.maas_version if plan else None,
                "maas_url": connection.url if connection else None,
                "name": image.name,
                "title": image.title,
                "architecture": image.architecture,
                "sha256": image.sha256,
                "size": image.size,
                "equivalent_command": line,
            }
        )
        return
    if plan is not None:
        verbs = {
            "upload": f"all {image.size} bytes would be sent",
            "resume": f"it would go on after {plan.received} of {image.size} bytes",
            "skip": "nothing would be sent: MAAS holds these bytes already",
        }
        typer.echo(f"{image.name} (“{image.title}”, {image.architecture}): {verbs[plan.action]}.")
    typer.echo("With MAAS's own command line, which cannot resume:")
    typer.echo(f"  {line}")


def _sentence(result: UploadResult) -> str:
    place = f"{result.name} “{result.title}” (number {result.resource_id}, version {result.version})"
    if result.action == "skipped":
        # Nothing was sent, so this is what MAAS lists; whether that proves the sha256 depends on its version.
        listed = "complete" if result.confirmed else "listed as complete"
        return f"Already in MAAS {result.maas_version}, {listed}: {place}"
    held = "complete" if result.confirmed else "held but not confirmed"
    after = f" after the {result.resumed_from} that were there" if result.action == "resumed" else ""
    return f"In MAAS {result.maas_version}, {held}: {place}; {result.sent} bytes sent{after}."
