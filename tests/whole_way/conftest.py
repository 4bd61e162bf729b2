"""What takes time to make, once for each worker; and a laboratory for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.recipe.load import load_recipe
from esxforge.standin_iso.iso import make_standin_iso
from standin.system.iso import make_bootable_iso
from whole_way.deployer import Deployer, make_deployer
from whole_way.laboratory import PLACES, Laboratory, laboratory
from whole_way.neighbour import Place
from whole_way.order import Order

ROOT_PASSWORD_HASH = "$6$9Qf2xLwKzT7uYbVn$" + ("wHo1eWayTestsHashOfNoPassword" * 3)[:86]

PutUp = Callable[..., AbstractContextManager[Laboratory]]


@pytest.fixture(scope="session")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    """The system that MAAS starts."""
    return make_deployer(tmp_path_factory.mktemp("deployer"))


@pytest.fixture(scope="session")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that deploys, and installs nothing: for what ends in the hook."""
    directory = tmp_path_factory.mktemp("small-image")
    iso, image = directory / "esxi.iso", directory / "esxi.dd.gz"
    make_standin_iso(iso, release="8.0")
    recipe = load_recipe(None, {"install": {"accept_eula": True}, "root_password": {"hash": ROOT_PASSWORD_HASH}})
    build_installer_image(iso, recipe, BuildOptions(image), lambda event: None)
    return image


@pytest.fixture
def put_up(tmp_path: Path) -> PutUp:
    """Puts up a laboratory; where its logs are is told with a failure. Each machine of a test has a directory."""
    machines: list[Path] = []

    @contextmanager
    def put(order: Order, on_segment: int = 1, places: Sequence[Place] = PLACES) -> Iterator[Laboratory]:
        machines.append(tmp_path / f"machine{len(machines) + 1}")
        machines[-1].mkdir()
        print(f"Serial logs, the last screen and MAAS's story: {machines[-1]}")
        with laboratory(order, machines[-1], on_segment=on_segment, places=places) as lab:
            yield lab

    return put


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the bootable stand-in ISO: it installs, and what it installs runs."""
    directory = tmp_path_factory.mktemp("image")
    iso, image = directory / "esxi.iso", directory / "esxi.dd.gz"
    make_bootable_iso(iso, release="8.0")
    recipe = load_recipe(None, {"install": {"accept_eula": True}, "root_password": {"hash": ROOT_PASSWORD_HASH}})
    build_installer_image(iso, recipe, BuildOptions(image), lambda event: None)
    iso.unlink()
    return image
