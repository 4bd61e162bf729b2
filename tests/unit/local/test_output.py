"""Outputs appear complete or not at all, and nothing but a regular file is ever overwritten."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge.errors import OutputError
from esxforge.local import output_errors
from esxforge.local.output import output_file, reserve
from unit.local.set_writer import KINDS, complete, contents, limit, write_set


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system can."""
    limit(request.param, monkeypatch.setattr)
    return str(request.param)


@pytest.mark.usefixtures("kind")
def test_a_finished_file_has_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    with output_file(tmp_path / "image") as stream:
        stream.write(b"all of it")
        assert not (tmp_path / "image").exists()
    assert contents(tmp_path) == {"image": b"all of it"}


@pytest.mark.usefixtures("kind")
def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), output_file(tmp_path / "image") as stream:
        stream.write(b"half of it")
        raise RuntimeError
    assert contents(tmp_path) == {}


@pytest.mark.usefixtures("kind")
def test_an_existing_output_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already") as caught, output_file(tmp_path / "image"):
        pass
    assert "--force" in caught.value.hint
    assert (caught.value.code, caught.value.place) == ("output.exists", str(tmp_path / "image"))
    assert contents(tmp_path) == {"image": b"precious"}


@pytest.mark.usefixtures("kind")
def test_overwriting_keeps_the_old_file_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"old")
    with pytest.raises(RuntimeError), output_file(tmp_path / "image", overwrite=True) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert contents(tmp_path) == {"image": b"old"}
    with output_file(tmp_path / "image", overwrite=True) as stream:
        stream.write(b"new")
    assert contents(tmp_path) == {"image": b"new"}


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_appears_meanwhile_is_not_overwritten_unless_that_was_asked_for(
    tmp_path: Path, overwrite: bool
) -> None:
    expected = contextlib.nullcontext() if overwrite else pytest.raises(OutputError, match="in the meantime")
    with expected, output_file(tmp_path / "image", overwrite=overwrite) as stream:
        stream.write(b"ours")
        (tmp_path / "image").write_bytes(b"theirs")
    assert contents(tmp_path) == {"image": b"ours" if overwrite else b"theirs"}


@pytest.mark.usefixtures("kind")
def test_a_link_that_appears_meanwhile_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    with pytest.raises(OutputError, match="is a symbolic link"), output_file(tmp_path / "image", overwrite=True):
        (tmp_path / "image").symlink_to("target")
    assert contents(tmp_path) == {"image": b"precious", "target": b"precious"}


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


NOT_FILES: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a socket": _make_socket,
    "a symbolic link to": lambda path: path.symlink_to("elsewhere"),
    "a directory": Path.mkdir,
}


@pytest.mark.parametrize("what", NOT_FILES)
@pytest.mark.parametrize("name", ["image", "image.manifest", "image.sbom"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_anything_but_a_file_is_refused_even_with_force(
    what: str, name: str, overwrite: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    NOT_FILES[what](Path(name))
    before = (tmp_path / name).lstat()
    with pytest.raises(OutputError, match=what) as caught:
        write_set(Path(), "new", overwrite=overwrite)
    assert caught.value.code == "output.kind"
    assert "--force" not in caught.value.hint
    assert (tmp_path / name).lstat() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/"])
def test_devices_are_refused_and_nothing_is_created_beside_them(path: str) -> None:
    before = sorted(os.listdir(Path(path).parent))  # noqa: PTH208
    with pytest.raises(OutputError) as caught, output_file(Path(path), overwrite=True):
        pass
    assert caught.value.code == "output.kind"
    assert sorted(os.listdir(Path(path).parent)) == before  # noqa: PTH208


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_node_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    node = tmp_path / "sdz"
    try:
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("no device nodes in this container")
    with pytest.raises(OutputError, match="is a block device") as caught, output_file(node, overwrite=True):
        pass
    assert "dd" in caught.value.hint
    assert stat.S_ISBLK(node.lstat().st_mode)


@pytest.mark.usefixtures("kind")
def test_links_planted_where_hidden_files_go_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)  # an attacker who guesses right
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    directory = tmp_path / "out"
    directory.mkdir()
    planted = [f".image.{'0' * 16}.{number}.{role}" for number in range(3) for role in ("partial", "ready", "old")]
    for name in [".image.partial", ".image.manifest.partial", *planted]:
        (directory / name).symlink_to(victim)
    with contextlib.suppress(OutputError):
        write_set(directory, "new")
    assert victim.read_bytes() == b"precious"
    assert victim.stat().st_nlink == 1


@pytest.mark.parametrize("planted", ["link", "directory"])
def test_something_planted_where_the_lock_goes_is_refused(planted: str, tmp_path: Path) -> None:
    lock = tmp_path / ".image.lock"
    lock.symlink_to(tmp_path / "victim") if planted == "link" else lock.mkdir()
    with pytest.raises(OutputError) as caught, output_file(tmp_path / "image"):
        pass
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [".image.lock"]


@pytest.mark.usefixtures("kind")
def test_a_set_is_complete_and_private_where_that_is_asked_for(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_set(tmp_path, "new")
    finally:
        os.umask(old)
    assert contents(tmp_path) == complete("new")
    assert stat.S_IMODE((tmp_path / "image").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "image.manifest").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("umask", "mode", "found"), [(0o077, None, 0o600), (0o002, None, 0o664), (0o077, 0o644, 0o644)]
)
def test_modes_are_the_ones_asked_for_or_what_the_umask_leaves(
    umask: int, mode: int | None, found: int, tmp_path: Path
) -> None:
    old = os.umask(umask)
    try:
        with output_file(tmp_path / "page", mode=mode):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == found


@pytest.mark.usefixtures("kind")
def test_companions_of_another_image_are_kept_without_force_and_replaced_with_it(tmp_path: Path) -> None:
    write_set(tmp_path, "old")
    (tmp_path / "image").rename(tmp_path / "moved")
    with pytest.raises(OutputError, match=r"image\.manifest exists already, without image") as caught:
        write_set(tmp_path, "new")
    assert "--force" in caught.value.hint
    write_set(tmp_path, "new", overwrite=True)
    assert contents(tmp_path) == {**complete("new"), "moved": b" of old"}


@pytest.mark.usefixtures("kind")
def test_a_companion_that_is_not_written_again_goes_with_the_old_image(tmp_path: Path) -> None:
    write_set(tmp_path, "old")
    write_set(tmp_path, "new", overwrite=True, sbom=False)
    expected = complete("new")
    del expected["image.sbom"]
    assert contents(tmp_path) == expected


@pytest.mark.usefixtures("kind")
def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    iso = tmp_path / "image"
    iso.write_bytes(b"precious")
    with (
        pytest.raises(OutputError, match="is the ISO itself") as caught,
        reserve(iso, overwrite=True, inputs={"the ISO": iso, "the recipe": tmp_path / "absent"}),
    ):
        pass
    assert caught.value.code == "output.input"
    assert contents(tmp_path) == {"image": b"precious"}


def test_a_second_writer_fails_before_it_overwrites_anything(tmp_path: Path) -> None:
    write_set(tmp_path, "old")
    with reserve(tmp_path / "image", (tmp_path / "image.manifest",), overwrite=True) as reservation:
        with pytest.raises(OutputError, match="Another run of esxforge is writing") as caught:
            write_set(tmp_path, "second", overwrite=True)
        assert caught.value.code == "output.in-use"
        assert "fuser" in caught.value.hint
        with reservation.write({tmp_path / "image": None, tmp_path / "image.manifest": None}) as streams:
            for stream in streams.values():
                stream.write(b"first")
    write_set(tmp_path, "third", overwrite=True)
    assert contents(tmp_path) == complete("third")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["force", "free"])
def test_of_processes_that_race_the_set_is_always_that_of_one(how: str, tmp_path: Path) -> None:
    for number in range(8):
        directory = tmp_path / str(number)
        directory.mkdir()
        racers = [
            subprocess.Popen(
                [sys.executable, "-m", "unit.local.set_writer", directory, name, how, "unnamed"],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
            for name in "abc"
        ]
        said = {name: racer.communicate(timeout=60)[0].strip() for name, racer in zip("abc", racers, strict=True)}
        winners = [name for name, word in said.items() if word == "written"]
        assert set(said.values()) <= {"written", "output.in-use", "output.exists"}
        assert winners if how == "force" else len(winners) == 1
        assert contents(directory) in [complete(name) for name in winners]


@pytest.mark.parametrize(
    ("number", "words", "code", "hint"),
    [
        (errno.ENOSPC, "No space left for .*image after 2 MiB", "output.no-space", "df -h"),
        (errno.EDQUOT, "Your disk quota has no room for .* after 2 MiB", "output.no-space", "quota"),
        (errno.EIO, "Input/output error; nothing of it was kept", "output.disk", "dmesg"),
        (errno.EROFS, "is on a read-only file system", "output.read-only", "mount"),
        (errno.EACCES, "Not allowed to write .*: Permission denied", "output.permission", "ls -ld"),
        (errno.EFBIG, "File too large; nothing of it was kept", "output.too-large", "ulimit"),
        (errno.ESTALE, "Stale file handle; nothing of it was kept", "output", "disk"),
    ],
)
@pytest.mark.usefixtures("kind")
def test_what_the_system_refuses_is_told_by_its_cause(
    number: int, words: str, code: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=words) as caught, output_file(tmp_path / "image") as stream:
        stream.write(bytes(2 << 20))
        stream.flush()
        raise OSError(number, os.strerror(number))
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["fsync", "link", "replace", "unlink"])
@pytest.mark.parametrize("failing", range(9))
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.usefixtures("kind")
def test_whatever_call_fails_no_image_gets_another_ones_companions(  # noqa: PLR0917
    number: int, call: str, failing: int, for_good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call fails once, or from then on, as on a disk that dies; afterwards the next run works."""
    write_set(tmp_path, "old")
    real, count = getattr(os, call), 0

    def fail(*arguments: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == failing + 1 or (for_good and count > failing):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **more)

    error = None
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        try:
            write_set(tmp_path, "new", overwrite=True)
        except OutputError as caught:
            error = caught
    found = {name: content for name, content in contents(tmp_path).items() if not name.startswith(".")}
    text = found["image"].decode().removeprefix(" of ")
    assert all(complete(text)[name] == content for name, content in found.items())
    if error is None:
        assert found == complete("new")
    else:
        assert error.hint
        assert text == ("new" if error.code == "output.incomplete" else "old")
        if not for_good and text == "old":
            assert contents(tmp_path) == complete("old")
    write_set(tmp_path, "newer", overwrite=True)
    assert contents(tmp_path) == complete("newer")


@pytest.mark.parametrize("written", [100, 5 << 20])
def test_a_full_disk_is_said_even_where_the_rest_is_still_buffered(tmp_path: Path, written: int) -> None:
    script = (
        "import errno, resource, sys; from pathlib import Path; from esxforge.local.output import output_file\n"
        "from esxforge.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "try:\n"
        "    with output_file(Path(sys.argv[1])) as stream:\n"
        "        stream.write(bytes(int(sys.argv[2])))\n"
        "        stream.seek(10)\n"
        "except OutputError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "image", str(written)], capture_output=True, text=True, check=True
    )
    assert f"Could not write {tmp_path / 'image'}: File too large; nothing of it was kept." in done.stdout
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("path", "words", "code"),
    [
        ("no/image", "The directory .*/no does not exist", "output.no-directory"),
        ("file/image", "file is not a directory", "output.no-directory"),
        ("x" * 300, "name of the output is too long", "output.name"),
        ("", "is a directory", "output.kind"),
        ("..", "is a directory", "output.kind"),
    ],
)
def test_a_name_that_cannot_be_is_told_by_its_cause(path: str, words: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=words) as caught, output_file(tmp_path / path, overwrite=True):
        pass
    assert caught.value.code == code
    assert caught.value.hint


def test_the_longest_name_works(tmp_path: Path) -> None:
    name = "x" * 255
    with output_file(tmp_path / name) as stream:
        stream.write(b"long")
    assert contents(tmp_path) == {name: b"long"}


_AS_NOBODY = """
import os, sys
from pathlib import Path
from esxforge.errors import OutputError
from esxforge.local.output import output_file
if os.getuid() == 0:  # root is asked for no permission
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    with output_file(Path(sys.argv[1])):
        pass
except OutputError as error:
    print(error.message, error.hint, error.code)
"""


def test_a_directory_where_one_may_not_write_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        image = Path(name, "image")
        done = subprocess.run([sys.executable, "-c", _AS_NOBODY, image], capture_output=True, text=True, check=True)
    assert f"Not allowed to write {image}: Permission denied." in done.stdout
    assert f"ls -ld {name}" in done.stdout
    assert "output.permission" in done.stdout


@pytest.mark.usefixtures("kind")
def test_leftovers_of_a_dead_run_go_and_files_of_others_stay(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    for role in ("partial", "ready", "old"):
        for number in range(3):
            (tmp_path / f".image.{token}.{number}.{role}").write_bytes(b"half")
    (tmp_path / ".image.lock").write_bytes(b"")
    others = {".image.partial", ".image.0123.0.partial", f".image2.{token}.0.partial", f".image.{token}.0.other", "x"}
    for name in others:
        (tmp_path / name).write_bytes(b"theirs")
    (tmp_path / f".image.{token}.9.partial").symlink_to("x")
    with output_file(tmp_path / "image") as stream:
        stream.write(b"new")
    assert set(contents(tmp_path)) == {"image", *others, f".image.{token}.9.partial"}


def test_without_locks_nothing_is_swept_since_it_may_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    monkeypatch.setattr("fcntl.flock", unsupported)
    left = tmp_path / ".image.0123456789abcdef.0.partial"
    left.write_bytes(b"perhaps of a live run")
    with output_file(tmp_path / "image") as stream:
        stream.write(b"new")
    assert set(contents(tmp_path)) == {"image", left.name}


def test_sigkill_in_the_middle_leaves_nothing_under_the_final_name_and_the_next_run_works(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from esxforge.local.output import output_file\n"
        "with output_file(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'x' * 100000); stream.flush(); print('half', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "image")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "image").exists()
    with output_file(tmp_path / "image") as stream:
        stream.write(b"whole")
    assert contents(tmp_path) == {"image": b"whole"}


def test_commands_in_hints_can_be_pasted(tmp_path: Path) -> None:
    parent = tmp_path / "a b; c"
    parent.mkdir()
    error = output_errors.system_error(parent / "x", OSError(errno.ENOSPC, "No space"), "-o")
    assert f"(df -h '{parent}')" in error.hint
