"""Tar modules, judged by GNU tar, gzip, pigz, busybox and Python's tarfile."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge_target.formats.stored_gzip import member_extent, stored_gzip, stored_length, stored_offset, with_member
from esxforge_target.formats.tar_module import OTHER, TarEntry, build, directory, file, link, read
from esxforge_target.runtime.errors import FormatError

SECRETS = b'{"token": "s"}'.ljust(8192)
ENTRIES = [
    directory("etc/rc.local.d", 0o1777),
    file("etc/rc.local.d/999.esxforge.sh", b"#!/bin/sh\n", 0o1777),
    file("esxforge/agent.py", b"print()\n" * 9000),
    file("esxforge/secrets.json", SECRETS, 0o600),
    file("esxforge/empty", b""),
    link("esxforge/current", "agent.py"),
]


def run(*arguments: str, stdin: bytes = b"") -> bytes:
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    done = subprocess.run(arguments, input=stdin, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_the_bytes_never_change() -> None:
    """Whatever the Python: images built twice must be equal. A change here needs a line in the changelog."""
    tar = build([directory("etc/rc.local.d", 0o1777), file("etc/rc.local.d/999.esxforge.sh", b"#!/bin/sh\n", 0o1777)])
    assert hashlib.sha256(tar).hexdigest() == "f2dac542b053449ea09e785e34c6438fd85773d5f0482cf4d7b18cb1ec90a822"


def test_directories_come_before_what_they_hold_with_the_modes_given() -> None:
    tar = build(ENTRIES)
    assert [(entry.name, entry.kind, entry.mode) for entry in read(tar)] == [
        ("etc", "directory", 0o755),
        ("etc/rc.local.d", "directory", 0o1777),
        ("etc/rc.local.d/999.esxforge.sh", "file", 0o1777),
        ("esxforge", "directory", 0o755),
        ("esxforge/agent.py", "file", 0o644),
        ("esxforge/secrets.json", "file", 0o600),
        ("esxforge/empty", "file", 0o644),
        ("esxforge/current", "link", 0o777),
    ]
    assert tar[257:265] == b"ustar  \0"
    assert len(tar) % 10240 == 0


def test_gnu_tar_lists_what_was_built() -> None:
    listing = run("tar", "--numeric-owner", "--full-time", "--utc", "-tvf", "-", stdin=build(ENTRIES)).decode()
    first = [line.split() for line in listing.splitlines()]
    assert first[1] == ["drwxrwxrwt", "0/0", "0", "2020-01-01", "00:00:00", "etc/rc.local.d/"]
    assert first[2] == ["-rwxrwxrwt", "0/0", "10", "2020-01-01", "00:00:00", "etc/rc.local.d/999.esxforge.sh"]
    assert first[-1][5:] == ["esxforge/current", "->", "agent.py"]


def test_gnu_tar_and_busybox_unpack_it_without_a_word(tmp_path: Path) -> None:
    module = stored_gzip(build(ENTRIES), 200_000, align="esxforge/secrets.json")
    for name, command in (("gnu", ["tar", "-xzf", "-"]), ("busybox", ["busybox", "tar", "-xz", "-f", "-"])):
        target = tmp_path / name
        target.mkdir()
        run(*command, "-C", str(target), stdin=module)
        assert (target / "esxforge/secrets.json").read_bytes() == SECRETS
        assert (target / "esxforge/current").read_bytes() == b"print()\n" * 9000


@pytest.mark.parametrize(
    "command",
    [
        ["gunzip", "-c"],
        ["zcat"],
        ["pigz", "-dc"],
        ["busybox", "gunzip", "-c"],
        ["busybox", "zcat"],
        ["python3", "-c", "import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("align", [None, "esxforge/secrets.json"])
def test_every_gunzip_reads_stored_gzip(command: list[str], align: str | None) -> None:
    tar = build(ENTRIES)
    module = stored_gzip(tar, 300_001, align=align)
    assert len(module) == 300_001
    unpacked = run(*command, stdin=module)
    assert unpacked[: len(tar)] == tar
    assert not unpacked[len(tar) :].strip(b"\0")
    assert len(unpacked) % 512 == 0


def test_gzip_tests_it_and_gnu_tar_lists_it() -> None:
    module = stored_gzip(build(ENTRIES), 150_000, align="esxforge/secrets.json")
    run("gzip", "-t", "-", stdin=module)
    assert run("tar", "-tzf", "-", stdin=module).decode().splitlines()[-1] == "esxforge/current"


@pytest.mark.parametrize("alignment", [512, 4096])
def test_the_aligned_member_starts_a_sector_and_lies_in_one_piece(alignment: int) -> None:
    module = stored_gzip(build(ENTRIES), 250_000, align="esxforge/secrets.json", alignment=alignment)
    offset, length = member_extent(module, "esxforge/secrets.json")
    assert offset % alignment == 0
    assert module[offset : offset + length] == SECRETS


def test_two_modules_take_the_same_room() -> None:
    one = stored_gzip(build([file("a", b"x")]), 65_536)
    other = stored_gzip(build([file("b/c", b"y" * 50_000), file("d", b"z")]), 65_536)
    assert len(one) == len(other)


def test_every_length_from_the_promised_one_is_possible() -> None:
    tar = build([file("a", b"x" * 60_000)])
    least = stored_length(tar, "a")
    assert len(stored_gzip(tar, least, "a")) == least
    for length in range(least + 2560, least + 2560 + 1100):
        module = stored_gzip(tar, length, "a")
        assert len(module) == length
        assert gzip.decompress(module)[: len(tar)] == tar
        assert member_extent(module, "a")[0] % 4096 == 0


def test_too_little_room_names_both_sizes() -> None:
    with pytest.raises(FormatError, match=r"its gzip needs 10263 bytes, but the room for it has 10000\."):
        stored_gzip(build([file("a", b"x")]), 10_000)
    with pytest.raises(FormatError, match="cannot be made 10264 bytes long"):
        stored_gzip(build([file("a", b"x")]), 10_264)


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(FormatError, match="it holds no file b"):
        stored_gzip(build([file("a", b"x")]), 20_000, align="b")
    with pytest.raises(FormatError, match="only files of 1 to 65024 bytes can be aligned"):
        stored_gzip(build([file("a", b"x" * 65_025)]), 200_000, align="a")


def test_a_member_is_replaced_in_place_and_the_crc_with_it() -> None:
    module = stored_gzip(build(ENTRIES), 200_000, align="esxforge/secrets.json")
    wiped = with_member(module, "esxforge/secrets.json", b"\0" * len(SECRETS))
    offset, length = member_extent(module, "esxforge/secrets.json")
    differing = {at for at in range(len(module)) if module[at] != wiped[at]}
    assert differing <= set(range(offset, offset + length)) | set(range(len(module) - 8, len(module) - 4))
    by_name = {entry.name: entry for entry in read(wiped)}
    assert by_name["esxforge/secrets.json"].data == b"\0" * len(SECRETS)
    assert by_name["esxforge/agent.py"].data == b"print()\n" * 9000
    with pytest.raises(FormatError, match="has 8192 bytes, not 1"):
        with_member(module, "esxforge/secrets.json", b"x")


def test_other_gzip_files_have_no_known_offsets() -> None:
    with pytest.raises(FormatError, match="not a gzip file of stored blocks"):
        stored_offset(gzip.compress(build(ENTRIES)), 0)


def test_a_member_across_blocks_has_no_extent() -> None:
    module = stored_gzip(build([file("a", b"x" * 100_000)]), 120_000)
    with pytest.raises(FormatError, match="does not lie in one piece"):
        member_extent(module, "a")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("/etc/x", b"")], "tar module: '/etc/x' is not a relative path within the root."),
        ([file("a/../x", b"")], "tar module: 'a/../x' is not a relative path within the root."),
        ([file("", b"")], "tar module: '' is not a relative path within the root."),
        ([file("ä", b"")], "tar module: the name 'ä' is not ASCII."),
        ([file("a", b""), file("a", b"")], "tar module: a is listed twice, or after something that lies in it."),
        (
            [file("a/b", b""), directory("a", 0o700)],
            "tar module: a is listed twice, or after something that lies in it.",
        ),
        ([file("a", b""), file("a/b", b"")], "tar module: a/b lies in a, which is a file."),
        ([TarEntry("a", OTHER)], "tar module: a is neither file, directory nor link."),
        ([TarEntry("a", mode=0o10000)], "tar module: a has the mode 10000, which is not a mode."),
        ([link("a", "")], "tar module: a: links have a target, and nothing else has."),
        (
            [file("x" * 100, b"")],
            f"tar module: the name {'x' * 100} has 100 characters; the format that ESXi reads takes 99.",
        ),
    ],
)
def test_what_cannot_be_built(entries: list[TarEntry], message: str) -> None:
    with pytest.raises(FormatError) as refusal:
        build(entries)
    assert refusal.value.message == message


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tars_of_other_writers_are_read(kind: int, mode: str) -> None:
    out = io.BytesIO()
    name = "/".join(["directory" * 5] * 4) + "/file"
    with tarfile.open(fileobj=out, mode=mode, format=kind) as tar:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
        member = tarfile.TarInfo("./" + "l" * 60)
        member.type, member.linkname = tarfile.SYMTYPE, "t" * 90
        tar.addfile(member)
    found, symlink = read(out.getvalue())
    assert (found.name, found.data) == (name, b"abc")
    assert (symlink.name, symlink.kind, symlink.target) == ("l" * 60, "link", "t" * 90)


def test_long_names_of_gnu_and_pax_are_read() -> None:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
            tar.addfile(tarfile.TarInfo("n" * 300))
            tar.addfile(tarfile.TarInfo("short"))
        assert [entry.name for entry in read(out.getvalue())] == ["n" * 300, "short"]


def damaged(at: int, replacement: bytes) -> bytes:
    tar = build([file("a", b"x" * 600), file("b", b"")])
    return tar[:at] + replacement + tar[at + len(replacement) :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "tar module: it ends at byte 0 without an end mark."),
        (build([file("a", b"x" * 600)])[:1536], "tar module: it ends at byte 1536 without an end mark."),
        (
            build([file("a", b"x" * 600)])[:700],
            "tar module: the entry at byte 0 says 600 bytes, but only 188 are left.",
        ),
        (damaged(0, b"c"), "tar module: the entry at byte 0 has a wrong checksum."),
        (damaged(1536 + 148, b"x"), "tar module: the entry at byte 1536 has no number as its checksum."),
        (gzip.compress(b"x" * 5000, mtime=0)[:30], "tar module: its gzip is damaged ("),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as refusal:
        read(data)
    assert refusal.value.message.startswith(message)


def test_names_that_leave_the_root_are_not_read() -> None:
    for name in ("../etc/passwd", "/etc/passwd", "a/../../b"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(FormatError, match="not a relative path within the root"):
            read(out.getvalue())


NAMES = st.lists(
    st.text("abc.", min_size=1, max_size=4).filter(lambda part: part.strip(".") != ""), min_size=1, max_size=3
)


@given(st.dictionaries(NAMES.map("/".join), st.binary(max_size=2000), max_size=5), st.integers(0, 5000))
def test_what_is_built_is_read_back(files: dict[str, bytes], room: int) -> None:
    entries = [file(name, data) for name, data in sorted(files.items())]
    try:
        tar = build(entries)
    except FormatError:
        assert any(one != other and other.startswith(one + "/") for one in files for other in files)
        return
    module = stored_gzip(tar, stored_length(tar) + 2560 + room)
    assert {entry.name: entry.data for entry in read(module) if entry.kind == "file"} == files
    with tarfile.open(fileobj=io.BytesIO(module)) as oracle:
        assert {member.name for member in oracle if member.isfile()} == set(files)
    for entry in read(tar):
        if entry.data:
            at = stored_offset(module, entry.offset)
            assert module[at : at + 1] == entry.data[:1]


@given(st.binary(max_size=1500), st.integers(0, 2000), st.binary(max_size=20), st.booleans())
def test_garbage_ends_in_a_format_error_or_entries(noise: bytes, at: int, patch: bytes, zipped: bool) -> None:
    tar = damaged(at, patch)
    for data in (noise, tar, stored_gzip(build([file("a", noise)]), 30_000)[:at] + patch):
        for reader in (read, lambda data: member_extent(data, "a")):
            with contextlib.suppress(FormatError):
                reader(gzip.compress(data) if zipped else data)


def test_a_small_module_is_read_where_memory_is_short(tmp_path: Path) -> None:
    """ESXi gives programs little: memory is taken as it is needed, never what the largest module would need."""
    module = tmp_path / "m.tgz"
    tar = build(ENTRIES)
    module.write_bytes(stored_gzip(tar, stored_length(tar)))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20));"
        "from esxforge_target.formats.tar_module import read; print(len(read(open(sys.argv[1], 'rb').read())))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(module)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(len(read(tar)))], done.stderr
