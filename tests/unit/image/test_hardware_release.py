"""``run`` and ``libvirt-xml`` take the hardware of the release that an image is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esxforge.cli.main import app
from esxforge.errors import ImageError
from esxforge.image.hardware_release import hardware_release
from unit.image.conftest import Builder


@pytest.fixture
def image(tmp_path: Path, iso_of: Callable[[str], Path]) -> Callable[..., Path]:
    """Builds a raw image."""

    def build(release: str, sector_size: int = 512) -> Path:
        path = tmp_path / f"{release}-{sector_size}.raw"
        Builder()(iso_of(release), path, image={"format": "raw", "sector_size": sector_size})
        return path

    return build


def test_an_image_says_which_release_it_is_of(image: Callable[..., Path], tmp_path: Path) -> None:
    older = image("6.7")
    assert hardware_release(older, None) == "6.7.0"
    assert hardware_release(older, "7.0") == "7.0"
    foreign = tmp_path / "foreign.raw"
    foreign.write_bytes(bytes(510) + b"\x55\xaa" + bytes(1 << 20))
    assert hardware_release(foreign, None) == "8.0"


def test_sectors_that_the_virtual_machine_has_not_are_refused(image: Callable[..., Path]) -> None:
    with pytest.raises(ImageError, match="4096 bytes; the virtual machine's has 512"):
        hardware_release(image("8.0", 4096), "8.0")


def test_libvirt_gets_the_hardware_of_the_images_release(image: Callable[..., Path]) -> None:
    done = CliRunner().invoke(app, ["libvirt-xml", "--firmware", "bios", str(image("6.7"))])
    assert done.exit_code == 0, done.output
    assert 'bus="ide"' in done.stdout
    assert '<model type="e1000" />' in done.stdout
