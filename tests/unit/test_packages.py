"""Packages that people install: they bring all that they need, and run where nothing else is.

`make .stamps/wheels` fetches the pinned wheels once; the tests use no network.
"""

from __future__ import annotations

import email
import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from esxforge import __version__
from esxforge.standin_iso.iso import make_standin_iso

ROOT = Path(__file__).parents[2]
WHEELS = ROOT / "build" / "wheels"
# crypt of a password that nothing uses: with a hash a build can be repeated.
HASH = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."


def run(*arguments: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """Output of a command that must succeed, in an environment that holds nothing of ours."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "PIP_NO_CACHE_DIR": "1",
        **variables,
    }
    done = subprocess.run(
        [str(one) for one in arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def wheels() -> Path:
    if not list(WHEELS.glob("*.whl")):
        pytest.skip("no pinned wheels in build/wheels: make .stamps/wheels fetches them")
    return WHEELS


def python_of_this_version() -> dict[str, str]:
    """For the launcher, whose own is in /usr/bin, where another version may be or only a part of this one."""
    return {"ESXFORGE_PYTHON": os.path.realpath(sys.executable)}


def build_an_image(esxforge: Path, directory: Path, **variables: str) -> bytes:
    """The image that this esxforge makes of a stand-in ISO; it verifies it too."""
    make_standin_iso(directory / "s.iso", release="8.0")
    image = directory / "image.dd.gz"
    run(
        *(esxforge, "build", directory / "s.iso", "-o", image, "--accept-eula", "--root-password-hash", HASH),
        cwd=directory,
        **variables,
    )
    run(esxforge, "verify", image, cwd=directory, **variables)
    return image.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_into_an_empty_environment_and_runs(kind: str, tmp_path: Path) -> None:
    found = wheels()
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", tmp_path / "dist")
    (package,) = (tmp_path / "dist").iterdir()
    run(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    options = ("--isolated", "--disable-pip-version-check", "--no-index", "--find-links", found)
    run(python, "-m", "pip", "install", *options, package, cwd=tmp_path)
    esxforge = tmp_path / "empty" / "bin" / "esxforge"
    assert run(esxforge, "--version", cwd=tmp_path).strip() == f"esxforge {__version__}"
    assert run(python, "-m", "pip", "check", cwd=tmp_path)
    build_an_image(esxforge, tmp_path)


def test_the_wheel_says_what_it_is(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
        tops = {one.split("/")[0] for one in archive.namelist()}
    assert {metadata[key] for key in ("Name", "License-Expression", "License-File")} == {
        "esxforge",
        "Apache-2.0",
        "LICENSE",
    }
    for key in ("Summary", "Author", "Keywords", "Description-Content-Type", "Requires-Python"):
        assert metadata[key], key
    classifiers = metadata.get_all("Classifier") or []
    assert "Intended Audience :: System Administrators" in classifiers
    assert any(one.startswith("Development Status ::") for one in classifiers)
    assert tops == {"esxforge", "esxforge_target", f"esxforge-{__version__}.dist-info"}


def test_the_source_package_holds_what_make_needs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "Makefile",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "requirements/dev.txt",
        "tools/setup",
        "docs/seen.md",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("build/", "dist/", ".venv/", ".stamps/"))]


@pytest.mark.slow
def test_the_debian_package_can_be_made_again_runs_from_any_place_and_makes_the_same_image(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb on this machine")
    made, again = tmp_path / "dist", tmp_path / "dist again"
    root, work = tmp_path / "a place of its own", tmp_path / "work"
    work.mkdir()
    # Compressing takes longer than all the rest.
    variables = {"DPKG_DEB_COMPRESSOR_TYPE": "none", "SOURCE_DATE_EPOCH": "1700000000"}
    for directory in (made, again):
        run(sys.executable, ROOT / "tools" / "make_deb.py", wheels(), directory, cwd=ROOT, **variables)
    (package,) = made.iterdir()
    assert package.read_bytes() == (again / package.name).read_bytes()
    run("dpkg-deb", "-x", package, root)
    esxforge = root / "usr/bin/esxforge"
    python = python_of_this_version()
    assert run(esxforge, "--version", cwd=work, **python).strip() == f"esxforge {__version__}"
    before = {one: one.stat().st_mtime_ns for one in root.rglob("*")}

    # The environment's packages are not seen, and nothing is written beside the code.
    (work / "pydantic.py").write_text("raise SystemExit('the wrong pydantic')\n", encoding="ascii")
    image = build_an_image(esxforge, work, PYTHONPATH=str(work), **python)
    assert {one: one.stat().st_mtime_ns for one in root.rglob("*")} == before
    ours = tmp_path / "ours"
    ours.mkdir()
    assert build_an_image(Path(sys.executable).parent / "esxforge", ours) == image

    man = root / "usr/share/man/man1"
    assert b".SH NAME\nesxforge\\-build" in gzip.decompress((man / "esxforge-build.1.gz").read_bytes())
    for place in ("bash-completion/completions/esxforge", "zsh/vendor-completions/_esxforge"):
        assert "_esxforge_completion" in (root / "usr/share" / place).read_text(encoding="utf-8")
    assert "complete --command esxforge" in (root / "usr/share/fish/vendor_completions.d/esxforge.fish").read_text(
        "utf-8"
    )
    assert "Apache License" in (root / "usr/share/doc/esxforge/copyright").read_text(encoding="utf-8")

    fields = email.message_from_string(run("dpkg-deb", "-f", package))
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python3 (>= {minor})" in fields["Depends"]
    assert "libc6 (>=" in fields["Depends"] or not list(root.rglob("*.so"))
    (control := tmp_path / "control").mkdir()
    run("dpkg-deb", "-e", package, control)
    run("md5sum", "--quiet", "-c", control / "md5sums", cwd=root)
