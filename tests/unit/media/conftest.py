"""Stand-in ISOs, made once for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.standin_iso.iso import make_standin_iso


@pytest.fixture(scope="session")
def small_iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest stand-in of 8.0; not to be changed."""
    path = tmp_path_factory.mktemp("small") / "esxi-8.0.iso"
    make_standin_iso(path, release="8.0")
    return path


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory, small_iso: Path) -> Path:
    """The files of ``small_iso`` as xorriso extracts them; not to be changed."""
    from esxforge.local.processes import run

    directory = tmp_path_factory.mktemp("extracted") / "tree"
    run(["xorriso", "-osirrox", "on", "-indev", str(small_iso), "-extract", "/", str(directory)], timeout=60)
    run(["chmod", "-R", "u+rwX", str(directory)], timeout=60)
    return directory
