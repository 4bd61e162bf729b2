"""Real installer images of a stand-in ISO, and machines that they were written to."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.recipe.load import load_recipe
from esxforge.standin_iso.iso import make_standin_iso
from target.hook.bench import Bench
from target.plan.configs import sample

HASH = "$6$saltsalt$" + "a" * 86
GB = 10**9
LOADER = "EFI/BOOT/BOOTX64.EFI"

Deployed = Callable[..., tuple[Bench, dict[str, Any]]]


@pytest.fixture(scope="session")
def image_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """A raw image for a release, a sector size and a recipe; made once for each worker."""
    directory = tmp_path_factory.mktemp("images")
    made: dict[str, Path] = {}

    def make(release: str = "8.0", sector_size: int = 512, loader: bytes | None = None, **recipe: Any) -> Path:
        signed = hashlib.sha256(loader or b"").hexdigest()[:8]
        key = f"{release} {sector_size} {signed} {recipe}"
        if key not in made:
            iso = directory / f"{release}-{signed}.iso"
            if not iso.exists():
                make_standin_iso(iso, release=release, extra_files={LOADER: loader} if loader else None)
            whole = {
                "install": {"accept_eula": True},
                "root_password": {"hash": HASH},
                **copy.deepcopy(recipe),
                "image": {"format": "raw", "sector_size": sector_size},
            }
            made[key] = directory / f"{len(made)}.raw"
            build_installer_image(iso, load_recipe(None, whole), BuildOptions(made[key]), lambda event: None)
        return made[key]

    yield make
    for path in made.values():
        path.unlink()


@pytest.fixture
def deployed(tmp_path: Path, image_of: Callable[..., Path]) -> Deployed:
    """A machine whose boot disk holds the image, with the disks of a sample configuration, and that configuration."""

    def make(
        name: str = "simple-static", sector_size: int = 512, release: str = "", **recipe: Any
    ) -> tuple[Bench, dict[str, Any]]:
        config = sample(name)
        bench = Bench(tmp_path / "machine", sector_size)
        image = image_of(release or ("6.7" if "esxi67" in name else "8.0"), sector_size, **recipe)
        for index, disk in enumerate(entry for entry in config["storage"]["config"] if entry["type"] == "disk"):
            bench.disk(
                disk["name"], (240 if index else 140) * GB // 4096 * 4096, disk["serial"], None if index else image
            )
        bench.partition("sda", "sda1")
        bench.credentials("sda", config)
        return bench, config

    return make
