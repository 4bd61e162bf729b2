"""Named files: what is opened, how much of it is read, and for how long a pipe is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import InputError
from esxforge.local.reading import check_readable, open_regular, read_file


def read(path: Path, largest: int = 100, *, pipes: bool = True, seconds: float = 10) -> bytes:
    return read_file(path, largest=largest, pipes=pipes, seconds=seconds)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.hint
    assert caught.value.place
    return caught.value.message


def write_later(path: Path, *parts: bytes, pause: float = 0.05) -> threading.Thread:
    """A program at the other end of a FIFO, which takes its time."""

    def write() -> None:
        time.sleep(pause)
        with path.open("wb", buffering=0) as stream:
            for part in parts:
                time.sleep(pause)
                try:
                    stream.write(part)
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def test_a_file_is_read_up_to_its_bound_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read(path) == b"x" * 100
    path.write_bytes(b"x" * 101)
    assert "larger than 100 bytes" in refusal(lambda: read(path))


def test_a_sparse_file_of_a_tebibyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    assert "larger than 1 MiB" in refusal(lambda: read(path, 1 << 20))
    assert "larger than 1 GiB" in refusal(lambda: open_regular(path, largest=1 << 30))


def test_a_file_whose_size_is_not_known_beforehand_is_bounded_too() -> None:
    assert read(Path("/proc/self/cmdline"), 1 << 20)
    assert "larger than 10 bytes" in refusal(lambda: read(Path("/proc/self/status"), 10))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "There is no file"),
        (Path.mkdir, "is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "is a character device"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    ],
)
@pytest.mark.parametrize("pipes", [False, True])
def test_what_is_not_a_file_is_refused_in_words(
    make: Callable[[Path], None], words: str, pipes: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    make(path)
    assert words in refusal(lambda: read(path, pipes=pipes))
    assert words in refusal(lambda: open_regular(path, largest=1))
    assert words in refusal(lambda: check_readable(path, pipes=pipes))


def test_a_name_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    assert "null byte" in refusal(lambda: read(tmp_path / "a\0b"))
    assert "too long" in refusal(lambda: read(tmp_path / ("x" * 300)))
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory" in refusal(lambda: read(tmp_path / "file" / "x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "file").chmod(0)
    assert "Not allowed to read" in refusal(lambda: read(tmp_path / "file"))


def test_a_pipe_is_refused_at_once_where_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "is a FIFO" in refusal(lambda: read(tmp_path / "fifo", pipes=False))
    assert "is a FIFO" in refusal(lambda: open_regular(tmp_path / "fifo", largest=None))


def test_a_pipe_is_read_to_its_end_whenever_the_writer_comes(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    check_readable(path, pipes=True)  # takes nothing, and does not hang up on the writer
    writer = write_later(path, b"pass", b"word\n")
    assert read(path) == b"password\n"
    writer.join(10)
    # A recipe's files are looked at more than once; a pipe brings them once.
    assert read(path) == b"password\n"


def test_a_pipe_is_read_up_to_its_bound_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = write_later(path, *[b"x" * 60] * 1000, pause=0)
    assert "larger than 100 bytes" in refusal(lambda: read(path))
    writer.join(10)


@pytest.mark.parametrize("parts", [[], [b"x"] * 1000], ids=["silent", "a byte now and then"])
def test_a_pipe_that_does_not_end_is_given_up(parts: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)  # a writer that never closes
    writer = write_later(path, *parts)
    started = time.monotonic()
    assert "did not end within 0.3 seconds" in refusal(lambda: read(path, 10_000, seconds=0.3))
    assert time.monotonic() - started < 5
    os.close(keep)
    writer.join(10)


def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "did not end within 0.2 seconds" in refusal(lambda: read(tmp_path / "fifo", seconds=0.2))


def test_a_shells_process_substitution_works() -> None:
    script = (
        "import sys; from pathlib import Path; from esxforge.local.reading import *\n"
        "path = Path(sys.argv[1]); check_readable(path, pipes=True)\n"
        "print(read_file(path, largest=100, pipes=True), read_file(path, largest=100, pipes=True))"
    )
    command = f'"{sys.executable}" -c "$0" <(sleep 0.1; echo secret)'
    done = subprocess.run(["bash", "-c", command, script], capture_output=True, text=True, check=True)
    assert done.stdout == "b'secret\\n' b'secret\\n'\n"


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_a_dash_is_standard_input(kind: str, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom esxforge.local.reading import check_readable, read_file\n"
        "check_readable(Path('-'), pipes=True)\n"
        "print([read_file(Path('-'), largest=100, pipes=True) for _ in range(2)])"
    )
    (tmp_path / "file").write_bytes(b"secret\n")
    with (tmp_path / "file").open("rb") as stream:
        given: dict[str, Any] = {"input": b"secret\n"} if kind == "pipe" else {"stdin": stream}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60, **given)
    assert done.stdout == b"[b'secret\\n', b'secret\\n']\n", done.stderr


def test_a_dash_is_a_name_where_only_files_are_read() -> None:
    assert refusal(lambda: read(Path("-"), pipes=False)) == "There is no file -."
