"""``esxforge verify``: is this image whole, byte for byte?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.render import listener, print_json


def verify(
    image: Annotated[
        Path, typer.Argument(help="Image built by esxforge (.dd.gz or raw).", show_default=False, readable=False)
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify an image completely: gzip, GPT and its backup, FAT, and every file against the manifest."""
    from esxforge.image.verify import verify_image

    with listener() as listen:
        verified = verify_image(image, listen)
    manifest = verified.manifest
    if as_json:
        print_json(
            {"image": str(image), "sha256": verified.sha256, "size": verified.size, "files": len(manifest.files)}
        )
    else:
        typer.echo(
            f"{image}: intact. {verified.release.title}, {manifest.kind} image, {len(manifest.files)} files, "
            f"{manifest.raw_size / 2**20:.0f} MiB on the disk, sha256 {verified.sha256}"
        )
