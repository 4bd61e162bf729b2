"""The reader of an image that is being sent: another content is noticed, another name is not another content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge.maas.reader import ChangedError, ImageReader

DATA = bytes(range(256)) * 64


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.dd.gz"
    path.write_bytes(DATA)
    return path


def open_reader(path: Path) -> ImageReader:
    return ImageReader(path, len(DATA), hashlib.sha256(DATA).hexdigest(), 4096)


@pytest.mark.parametrize(
    "touch",
    [
        lambda path: os.link(path, path.with_suffix(".backup")),
        lambda path: path.chmod(0o400),
        os.utime,
    ],
    ids=["link", "mode", "times"],
)
def test_what_leaves_the_bytes_alone_does_not_end_an_upload(image: Path, touch: Callable[[Path], None]) -> None:
    with open_reader(image) as reader:
        assert reader.chunk(0) == DATA[:4096]
        touch(image)
        assert reader.chunk(4096) == DATA[4096:8192]
        assert reader.chunk(8192) == DATA[8192:12288]


def test_other_bytes_end_an_upload_wherever_they_are(image: Path) -> None:
    with open_reader(image) as reader:
        reader.chunk(0)
        with image.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")
        with pytest.raises(ChangedError):
            reader.chunk(4096)


def test_a_file_that_was_cut_is_not_right(image: Path) -> None:
    with open_reader(image) as reader:
        assert reader.is_right()
        os.truncate(image, 5000)
        assert not reader.is_right()
