"""The block layer: exact reads and writes, errors that say where, and devices that take whole sectors only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esxforge_target.runtime.blocks import DiskError, FileBlocks, MemoryBlocks, Window, write_whole


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * 32)
    return path


def test_a_file_is_read_written_and_made_safe(file: Path) -> None:
    with FileBlocks(str(file), writable=True) as disk:
        assert (disk.size, disk.sector_size) == (8192, 512)
        assert disk.read_at(255, 3) == b"\xff\x00\x01"
        disk.write_at(511, b"abc")
        disk.flush()
        disk.drop_cache()
        assert disk.read_at(510, 5) == b"\xfeabc\x02"
    assert file.stat().st_size == 8192


def test_a_file_is_read_only_unless_asked(file: Path) -> None:
    with FileBlocks(str(file)) as disk, pytest.raises(DiskError, match=r"disk: writing at byte 0 failed: Bad file"):
        disk.write_at(0, b"x")


def test_nothing_is_read_or_written_past_the_end(file: Path) -> None:
    with FileBlocks(str(file), writable=True) as disk:
        for offset, length in ((8190, 3), (9000, 1), (-1, 1)):
            with pytest.raises(DiskError, match="it is 8192 bytes long"):
                disk.read_at(offset, length)
            with pytest.raises(DiskError, match="it is 8192 bytes long"):
                disk.write_at(offset, bytes(length))
        with pytest.raises(DiskError, match="The partition at byte 100"):
            Window(disk, 100, 10).read_at(5, 6)
        with pytest.raises(DiskError, match="reaches past the end"):
            Window(disk, 8000, 1000)
    with pytest.raises(DiskError, match="memory"):
        MemoryBlocks(b"abc").write_at(2, b"xy")


def test_a_file_that_shrinks_while_it_is_read_is_named_with_the_place(file: Path) -> None:
    with FileBlocks(str(file)) as disk:
        os.truncate(file, 1000)
        with pytest.raises(DiskError, match="disk ends at byte 1000, 24 bytes too early"):
            disk.read_at(512, 512)


def test_short_reads_and_writes_are_gone_on_with(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 7), offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:5], offset))
    with FileBlocks(str(file), writable=True) as disk:
        disk.write_at(100, b"0123456789" * 10)
        assert disk.read_at(100, 100) == b"0123456789" * 10
        assert disk.read_at(0, 100) == bytes(range(100))


def test_a_disk_that_takes_nothing_more_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)
    with FileBlocks(str(file), writable=True) as disk, pytest.raises(DiskError, match=r"nothing more .* at byte 3"):
        disk.write_at(3, b"x")


def test_a_device_is_read_and_written_in_whole_sectors(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    seen: list[tuple[int, int]] = []

    def aligned_read(descriptor: int, length: int, offset: int) -> bytes:
        seen.append((offset, length))
        return pread(descriptor, length, offset)

    def aligned_write(descriptor: int, data: bytes, offset: int) -> int:
        seen.append((offset, len(data)))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pread", aligned_read)
    monkeypatch.setattr(os, "pwrite", aligned_write)
    monkeypatch.setattr("stat.S_ISREG", lambda mode: False)
    with FileBlocks(str(file), writable=True, sector_size=512) as disk:
        assert disk.read_at(500, 20) == bytes(range(244, 256)) + bytes(range(8))
        disk.write_at(1000, b"x" * 600)
        disk.write_at(512, bytes(512))
    assert seen
    assert all(offset % 512 == 0 and length % 512 == 0 for offset, length in seen)
    data = file.read_bytes()
    assert data[512:1024] == bytes(512)
    assert data[1024:1600] == b"x" * 576
    assert data[1600:1602] == bytes((64, 65))


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="gone cannot be opened: No such file") as caught:
        FileBlocks(str(tmp_path / "gone"))
    assert "read" in caught.value.hint
    (tmp_path / "there").touch()
    disk = FileBlocks(str(tmp_path / "there"))
    disk.close()
    disk.close()
    with pytest.raises(DiskError, match="closed already"):
        disk.flush()


def test_what_the_system_takes_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:1000]))
    data = bytes(range(256)) * 33
    descriptor = os.open(tmp_path / "whole", os.O_WRONLY | os.O_CREAT)
    try:
        write_whole(descriptor, data)
    finally:
        os.close(descriptor)
    assert (tmp_path / "whole").read_bytes() == data
