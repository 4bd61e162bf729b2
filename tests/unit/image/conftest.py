"""Stand-in ISOs and images built from them, made once for each worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esxforge import events
from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.image.image_files import BuildResult
from esxforge.recipe.load import load_recipe
from esxforge.standin_iso.iso import make_standin_iso

HASH = "$6$saltsalt$" + "a" * 86


@pytest.fixture(scope="session")
def iso_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The stand-in ISO of a release."""
    directory = tmp_path_factory.mktemp("isos")

    def make(release: str) -> Path:
        path = directory / f"esxi-{release}.iso"
        if not path.exists():
            make_standin_iso(path, release=release)
        return path

    return make


class Builder:
    """Builds with a recipe that is complete unless ``flags`` say otherwise, and keeps what was told."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []

    def __call__(
        self, iso: Path, output: Path, *, sbom: bool = False, force: bool = False, **flags: Any
    ) -> BuildResult:
        complete = {"install": {"accept_eula": True}, "root_password": {"hash": HASH}}
        recipe = load_recipe(None, {**complete, **flags})
        return build_installer_image(iso, recipe, BuildOptions(output, force, sbom), self.told.append)

    @property
    def notices(self) -> list[str]:
        """The notices told so far."""
        return [event.text for event in self.told if isinstance(event, events.Notice)]


@pytest.fixture
def build() -> Builder:
    """A builder."""
    return Builder()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, iso_of: Callable[[str], Path]) -> BuildResult:
    """An image of 8.0, raw: to be copied, not changed."""
    return Builder()(iso_of("8.0"), tmp_path_factory.mktemp("built") / "image.raw", image={"format": "raw"})


@pytest.fixture(scope="session")
def built_gzip(tmp_path_factory: pytest.TempPathFactory, iso_of: Callable[[str], Path]) -> BuildResult:
    """The same as ``.dd.gz``."""
    return Builder()(iso_of("8.0"), tmp_path_factory.mktemp("built") / "image.dd.gz")
