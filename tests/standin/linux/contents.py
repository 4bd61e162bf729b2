"""The usual parts of a guest: busybox, kernel modules in the order of loading, a Python with its libraries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from esxforge.errors import ProcessError
from esxforge.local import processes
from standin.linux.cpio import Archive
from standin.linux.fetched import GuestLinux

DISKS = ("ahci", "ata_piix", "nvme", "xhci_pci", "usb_storage", "uas", "sd_mod", "sr_mod")
LAYERS = ("dm_mod", "md_mod", "raid1")
FILE_SYSTEMS = ("vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8", "isofs", "efivarfs")
NETWORK_CARDS = ("e1000", "e1000e", "vmxnet3", "virtio_net", "virtio_pci")
NETWORK = (*NETWORK_CARDS, "bonding", "8021q")
# A guest never needs them, and they are half of the library.
_NOT_KEPT = frozenset((
    "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "pydoc_data", "distutils", "venv",
    "site-packages", "dist-packages", "__pycache__", "turtle.py", "pydoc.py", "doctest.py",
))  # fmt: skip
_NO_LIBRARY = re.compile(r"config-|_test|_tkinter|.*\.a$")


def add_busybox(archive: Archive, directory: str = "bin", *, leave_out: Iterable[str] = ()) -> None:
    """Busybox (statically linked) in ``directory``, and a link for each of its programs but those of ``leave_out``."""
    busybox = Path(processes.find_program("busybox", hint="Install busybox-static."))
    if processes.run(["ldd", str(busybox)], timeout=20, check=False).status == 0:
        raise ProcessError(f"{busybox} needs shared libraries.", "Install busybox-static in the place of busybox.")
    archive.add_file(f"{directory}/busybox", busybox, 0o755)
    names = processes.run([str(busybox), "--list"], timeout=20).stdout.split()
    for name in sorted(set(names) - {"busybox", *leave_out}):
        archive.add_link(f"{directory}/{name}", "busybox")


def modules_in_order(linux: GuestLinux, names: Iterable[str]) -> list[Path]:
    """The files of the modules called ``names``, each behind those that it needs.

    A module that is built into the kernel has no file. Raises :class:`ProcessError` for one that does not exist.
    """
    files, needs = _dependencies(linux.modules)
    before = _soft_dependencies(linux.modules)
    built_in = {_module_name(line) for line in (linux.modules / "modules.builtin").read_text().splitlines()}
    ordered: dict[str, None] = {}
    for name in names:
        desired = name.replace("-", "_")
        if desired in files:
            # modules.dep names everything that a module needs, the deepest last.
            for file in [*reversed(needs[desired]), files[desired]]:
                for soft in before.get(_module_name(file), ()):
                    ordered.update(dict.fromkeys([*reversed(needs[soft]), files[soft]]))
                ordered[file] = None
        elif desired not in built_in:
            raise ProcessError(f"Linux {linux.version} has no module “{name}” in {linux.modules}.")
    return [linux.modules / file for file in ordered]


def add_modules(archive: Archive, linux: GuestLinux, names: Iterable[str]) -> None:
    """The modules and what they need, below ``/lib/modules``; ``/lib/modules/order`` lists their paths, a line each.

    Load them with ``while read path; do insmod $path; done < /lib/modules/order``.
    """
    paths = []
    for file in modules_in_order(linux, names):
        path = f"lib/modules/{file.name}"
        archive.add_file(path, file, 0o644)
        paths.append(f"/{path}\n")
    archive.add("lib/modules/order", "".join(paths))


def shared_libraries(program: Path) -> list[Path]:
    """The libraries, and the loader, that a program or library of this computer needs, as the loader names them."""
    found = processes.run(["ldd", str(program)], timeout=20).stdout
    return [Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", found, re.MULTILINE)]


@dataclass(frozen=True, slots=True)
class _Facts:
    program: Path
    version: str
    library: Path
    dynamic: Path


def add_python(archive: Archive, program: Path, work: Path, prefix: str = "usr/lib/python") -> str:
    """Python ``program`` of this computer, its standard library compiled, and the shared libraries of both.

    It stands below ``prefix``, complete in itself, whatever else the guest holds; returns the guest's path of the
    program. ``work``: a directory for the compiled library, which the archive reads when it is written.
    """
    facts = _ask(program)
    compiled = work / f"python{facts.version}"
    shutil.copytree(facts.library, compiled, ignore=_ignored, symlinks=False)
    if not (compiled / "lib-dynload").is_dir():
        shutil.copytree(facts.dynamic, compiled / "lib-dynload", ignore=_ignored)
    # Python files beside their sources, sources away: half the size, and no time of a file to compare at each start.
    processes.run([str(facts.program), "-m", "compileall", "-q", "-b", str(compiled)], timeout=300)
    for source in compiled.rglob("*.py"):
        if source.with_suffix(".pyc").exists():
            source.unlink()
    inside = f"{prefix.strip('/')}/bin/python{facts.version}"
    archive.add_file(inside, facts.program, 0o755)
    archive.add_tree(f"{prefix}/lib/python{facts.version}", compiled)
    needed = {library for binary in [facts.program, *compiled.rglob("*.so")] for library in shared_libraries(binary)}
    # glibc looks for this one by its name when a thread ends, and ends the program where it is missing.
    needed |= {beside for library in needed if (beside := library.with_name("libgcc_s.so.1")).exists()}
    for library in sorted(needed):
        archive.add_file(str(library), library.resolve(), 0o755)
    return f"/{inside}"


def _ignored(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _NOT_KEPT or _NO_LIBRARY.match(name)}


def _ask(program: Path) -> _Facts:
    code = (
        "import os, sys, sysconfig; print('%d.%d' % sys.version_info[:2]); print(sysconfig.get_paths()['stdlib']); "
        "print(sysconfig.get_config_var('DESTSHARED')); print(os.path.realpath(sys.executable))"
    )
    lines = processes.run([str(program), "-I", "-c", code], timeout=30).stdout.splitlines()
    version, library, dynamic, own = lines
    return _Facts(Path(own), version, Path(library), Path(dynamic))


@cache
def _dependencies(modules: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    files: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, others = line.partition(":")
        files[_module_name(file)] = file
        needs[_module_name(file)] = others.split()
    return files, needs


@cache
def _soft_dependencies(modules: Path) -> dict[str, list[str]]:
    """What a module asks for by a name that it only uses at run time, such as a checksum: module → modules.

    Of several that serve the generic one is taken, since the others need instructions that not every CPU has.
    """
    files, _ = _dependencies(modules)
    serving: dict[str, list[str]] = {}
    for line in (modules / "modules.alias").read_text().splitlines():
        words = line.split()
        if words[:1] == ["alias"] and words[2] in files:
            serving.setdefault(words[1], []).append(words[2])
    found: dict[str, list[str]] = {}
    for line in (modules / "modules.softdep").read_text().splitlines():
        words = line.split()
        if words[:1] == ["softdep"] and "pre:" in words:
            asked = words[words.index("pre:") + 1 : words.index("post:") if "post:" in words else None]
            for name in asked:
                known = [name.replace("-", "_")] if name.replace("-", "_") in files else serving.get(name, [])
                generic = [one for one in known if one.endswith("_generic")] or known
                found.setdefault(words[1], []).extend(generic[:1])
    return found


def _module_name(path: str) -> str:
    return PurePosixPath(path).name.split(".ko")[0].replace("-", "_")
