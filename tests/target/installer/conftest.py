"""Hosts that the hook prepared, in ESXi's installer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from target.hook.conftest import Deployed, deployed, image_of
from target.installer.site import Site

__all__ = ["deployed", "image_of"]

Prepared = Callable[..., Site]


@pytest.fixture
def prepared(deployed: Deployed, tmp_path: Path) -> Prepared:
    """A site in the installer of ``release``; ``before`` may change the bench's disks after the hook has run."""

    def make(
        name: str = "simple-static",
        release: str = "8.0",
        sector_size: int = 512,
        before: Callable[[Any, Path], None] = lambda bench, disks: None,
        without: tuple[str, ...] = (),
        **recipe: Any,
    ) -> Site:
        bench, config = deployed(name, sector_size, release, **recipe)
        assert bench.run(config) == 0, bench.output
        before(bench, tmp_path / "esxi/root/vmfs/devices/disks")
        return Site(bench, tmp_path / "esxi", release, without)

    return make
