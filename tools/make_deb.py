"""What ``make deb`` runs: a Debian package that carries all that esxforge needs besides Python.

    python tools/make_deb.py WHEELS OUTPUT_DIRECTORY

Debian's own pydantic and httpx are older than what esxforge needs, so the pinned wheels in WHEELS go into
/usr/lib/esxforge, where nothing else sees them. A virtual environment would be bound to its path; this is a directory
of modules, and a launcher that finds it from its own place. Compiled wheels belong to one minor version of Python, and
so does the package. The same commit and wheels give the same bytes; SOURCE_DATE_EPOCH is the time of its files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARY = Path("usr/lib/esxforge")
_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
_NEXT_MINOR = f"{sys.version_info.major}.{sys.version_info.minor + 1}"
_LAUNCHER = f"""#!/bin/sh
# Neither the caller's Python environment nor Debian's packages count: what esxforge needs is beside this file.
here=$(dirname "$(readlink -f "$0")")
exec "${{ESXFORGE_PYTHON:-/usr/bin/python{_MINOR}}}" -I -S -c 'import sys
sys.path.insert(0, sys.argv[1])
sys.argv[:2] = ["esxforge"]
from esxforge.cli.main import main
main()' "$here/python" "$@"
"""
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/esxforge",
    "zsh": "usr/share/zsh/vendor-completions/_esxforge",
    "fish": "usr/share/fish/vendor_completions.d/esxforge.fish",
}


def run(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        [str(one) for one in arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"deb: exit status {done.returncode}: {' '.join(str(one) for one in arguments)}")
    return done.stdout


def write(path: Path, text: str | bytes, mode: int = 0o644) -> None:
    """A file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


def install(root: Path, wheels: Path, work: Path) -> None:
    """The modules, compiled so that nothing is ever written beside them, and the launcher."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", work)
    (wheel,) = work.glob("esxforge-*.whl")
    target = root / LIBRARY / "python"
    options = ("--isolated", "--quiet", "--no-index", "--find-links", wheels, "--only-binary", ":all:", "--no-compile")
    run(sys.executable, "-m", "pip", "install", *options, "--target", target, wheel)
    for unused in ("bin", "share"):
        shutil.rmtree(target / unused, ignore_errors=True)
    # pip's own notes: one says where the wheel came from, which differs from build to build, the other has its hash.
    for name in ("direct_url.json", "RECORD"):
        for note in target.glob(f"*.dist-info/{name}"):
            note.unlink()
    compiling = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", root, "-p", "/")
    run(sys.executable, *compiling, target)
    write(root / LIBRARY / "esxforge", _LAUNCHER, 0o755)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/esxforge").symlink_to("../lib/esxforge/esxforge")


def document(root: Path, work: Path) -> None:
    """Man pages, completions, licence and changes."""
    run(sys.executable, ROOT / "tools" / "man_pages.py", work / "man")
    for page in sorted((work / "man").iterdir()):
        write(root / "usr/share/man/man1" / f"{page.name}.gz", gzip.compress(page.read_bytes(), 9, mtime=0))
    here = {"ESXFORGE_PYTHON": sys.executable}  # the computer that builds may have its Python elsewhere
    for shell, place in _COMPLETIONS.items():
        script = run(root / "usr/bin/esxforge", environment={**here, "_ESXFORGE_COMPLETE": f"source_{shell}"})
        write(root / place, script.lstrip("\n"))
    pages = root / "usr/share/doc/esxforge"
    licences = (
        "esxforge is licensed under the Apache License 2.0, which follows; on Debian it is also in\n"
        "/usr/share/common-licenses/Apache-2.0. The licences of the Python packages that it carries are in their\n"
        f"directories, /{LIBRARY}/python/*.dist-info.\n\n"
    )
    write(pages / "copyright", licences + (ROOT / "LICENSE").read_text(encoding="utf-8"))
    write(pages / "changelog.gz", gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), 9, mtime=0))


def control(root: Path, version: str) -> str:
    """The package's own description. Its C library is as new as the newest that a wheel asks for."""
    tags = "".join(path.read_text(encoding="utf-8") for path in (root / LIBRARY).rglob("*.dist-info/WHEEL"))
    pairs = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", tags)]
    libc = "".join(f", libc6 (>= {major}.{minor})" for major, minor in sorted(pairs)[-1:])
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) >> 10
    name, address = (
        os.environ.get("DEBFULLNAME", "The esxforge developers"),
        os.environ.get("DEBEMAIL", "root@localhost"),
    )
    return (
        f"Package: esxforge\nVersion: {version}\nArchitecture: {run('dpkg', '--print-architecture').strip()}\n"
        f"Maintainer: {name} <{address}>\nInstalled-Size: {size}\n"
        f"Depends: python3 (>= {_MINOR}), python3 (<< {_NEXT_MINOR}){libc}\n"
        "Suggests: qemu-system-x86, ovmf\nSection: admin\nPriority: optional\n"
        "Description: VMware ESXi images that MAAS deploys\n"
        " esxforge turns VMware's installer ISO into an image for MAAS, uploads it, and deploys it.\n"
        " A build needs no root, no KVM and no network. The ISO is not part of this package.\n"
        " .\n The Python packages that esxforge needs are in the package.\n"
    )


def build(wheels: Path, output: Path) -> Path:
    """The package's file."""
    os.umask(0o022)
    if "SOURCE_DATE_EPOCH" not in os.environ:
        os.environ["SOURCE_DATE_EPOCH"] = run("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory(prefix="esxforge-deb-") as directory:
        work, root = Path(directory), Path(directory) / "root"
        install(root, wheels, work)
        document(root, work)
        version = run(root / "usr/bin/esxforge", "--version", environment={"ESXFORGE_PYTHON": sys.executable}).split()[
            1
        ]
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]
        description = control(root, version)
        write(root / "DEBIAN/md5sums", "".join(sums))
        write(root / "DEBIAN/control", description)
        output.mkdir(parents=True, exist_ok=True)
        architecture = re.search(r"^Architecture: (\S+)$", description, re.MULTILINE)
        assert architecture is not None
        made = output / f"esxforge_{version}_{architecture.group(1)}.deb"
        run("dpkg-deb", "--root-owner-group", "--build", root, made)
        return made


if __name__ == "__main__":
    print(build(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
