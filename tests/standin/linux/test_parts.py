"""The parts of a Linux guest, judged by programs that we did not write."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge.errors import ProcessError
from standin.linux.contents import DISKS, FILE_SYSTEMS, NETWORK, add_python, modules_in_order
from standin.linux.cpio import Archive
from standin.linux.efi import add_sections, unified_program
from standin.linux.fetched import find_guest_linux


def written(archive: Archive) -> bytes:
    out = io.BytesIO()
    archive.write(out)
    return out.getvalue()


def test_busybox_unpacks_the_archive_to_what_went_in(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "directory" / "left-out").mkdir(parents=True)
    (source / "directory" / "left-out" / "file").write_text("no")
    (source / "directory" / "file").write_bytes(bytes(range(256)))
    (source / "directory" / "link").symlink_to("file")
    archive = Archive()
    archive.add_tree("tree", source, keep=lambda path: path.name != "left-out")
    archive.add("/odd", "x", 0o1755)
    archive.add("deep/er/est", b"1234")
    archive.add_directory("empty", 0o700)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["busybox", "cpio", "-i"], input=written(archive), cwd=out, check=True)
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    assert found == sorted(archive.paths)
    assert "tree/directory/left-out" not in found
    assert (out / "tree/directory/file").read_bytes() == bytes(range(256))
    assert (out / "tree/directory/link").readlink() == Path("file")
    assert (out / "deep/er/est").read_bytes() == b"1234"
    assert (out / "odd").stat().st_mode & 0o7777 == 0o1755
    assert (out / "empty").stat().st_mode & 0o7777 == 0o700


def test_equal_contents_give_equal_bytes_in_whatever_order_they_came() -> None:
    one, other = Archive(), Archive()
    one.add("a/file", "1")
    one.add_link("b", "a")
    other.add_link("/b", "a")
    other.add("a/file", "1")
    assert written(one) == written(other)


def test_a_file_cannot_take_the_place_of_a_directory() -> None:
    archive = Archive()
    archive.add("a/file", "1")
    with pytest.raises(ValueError, match="is a directory already"):
        archive.add("a", "2")


def test_each_module_stands_behind_those_that_it_needs() -> None:
    linux = find_guest_linux()
    order = modules_in_order(linux, (*DISKS, *FILE_SYSTEMS, *NETWORK))
    assert len(order) == len(set(order))
    names = [file.name for file in order]
    for line in (linux.modules / "modules.dep").read_text().splitlines():
        file, _, needs = line.partition(":")
        if linux.modules / file in order:
            own = names.index(Path(file).name)
            assert all(names.index(Path(need).name) < own for need in needs.split()), line


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(ProcessError, match="no module “flux_capacitor”"):
        modules_in_order(find_guest_linux(), ["ahci", "flux_capacitor"])


def test_sections_are_added_behind_those_of_the_stub(tmp_path: Path) -> None:
    linux = find_guest_linux()
    program = unified_program(linux.stub.read_bytes(), kernel=b"K" * 5000, initramfs=b"I" * 700, command_line="a=b")
    sections = _sections(program)
    assert [name for name, *_ in sections[-3:]] == [".cmdline", ".linux", ".initrd"]
    assert [program[at : at + size] for _, size, _, at in sections[-3:]] == [b"a=b\0", b"K" * 5000, b"I" * 700]
    ends = 0
    for _, size, address, _ in sorted(sections, key=lambda section: section[2]):
        assert address >= ends
        ends = address + size


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PE file"):
        add_sections(bytes(512), ())


def test_a_python_brings_all_that_it_needs(tmp_path: Path) -> None:
    archive = Archive()
    program = add_python(archive, Path(sys.executable), tmp_path / "work")
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["busybox", "cpio", "-i"], input=written(archive), cwd=root, check=True)
    # By its own loader and libraries: as in a root that holds nothing else.
    loader = next(path for path in archive.paths if "/ld-linux" in path)
    directories = {str((root / path).parent) for path in archive.paths if ".so" in path and "lib-dynload" not in path}
    asked = subprocess.run(
        [str(root / loader), "--library-path", ":".join(directories), str(root / program.lstrip("/")), "-I", "-S", "-c",
         "import os, json, ctypes, ssl, socket, hashlib; print(os.__file__)"],
        capture_output=True, text=True, check=False, env={},
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr


def _sections(program: bytes) -> list[tuple[str, int, int, int]]:
    pe = struct.unpack_from("<I", program, 0x3C)[0]
    count, optional = struct.unpack_from("<H", program, pe + 6)[0], struct.unpack_from("<H", program, pe + 20)[0]
    found = []
    for number in range(count):
        name, size, address, _, at = struct.unpack_from("<8sIIII", program, pe + 24 + optional + 40 * number)
        found.append((name.rstrip(b"\0").decode(), size, address, at))
    return found
