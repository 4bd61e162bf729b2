"""``esxforge run``, ``libvirt-xml`` and ``doctor`` as a person starts them; Ctrl-C and SIGTERM at every phase."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vm.guests import HANG, POWER_OFF, boot_sector
from vm.traces import processes_naming

pytestmark = pytest.mark.vm
ESXFORGE = [sys.executable, "-m", "esxforge"]
SLOW = ["--accel", "tcg", "--firmware", "bios", "--memory", "64", "--cpus", "1"]


def _esxforge(*arguments: object, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ESXFORGE, *map(str, arguments)],
        env=_environment(directory),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def _environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(directory), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def _image(directory: Path, sector: bytes, size: int = 1 << 20) -> Path:
    path = directory / "image.raw"
    path.write_bytes(sector.ljust(size, b"\0"))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_an_image_runs_and_stays_as_it_is(tmp_path: Path, work: Path, packed: bool) -> None:
    image = _image(tmp_path, boot_sector("from the image", POWER_OFF, write_disk=True), 32 << 20)
    if packed:
        plain, image = image, tmp_path / "image.dd.gz"
        image.write_bytes(gzip.compress(plain.read_bytes(), 1))
    before = image.read_bytes()
    done = _esxforge("run", *SLOW, "--serial", image, directory=work)
    assert (done.returncode, done.stdout) == (0, "from the image"), done.stderr
    assert image.read_bytes() == before
    assert not list(work.iterdir())


def test_the_address_of_a_vnc_display_is_printed(tmp_path: Path, work: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        display = probe.getsockname()[1] - 5900
    image = _image(tmp_path, boot_sector("", POWER_OFF, write_disk=True), 32 << 20)
    done = _esxforge("run", *SLOW, "--vnc", display, image, directory=work)
    assert done.returncode == 0, done.stderr
    assert f"note: VNC display on 127.0.0.1:{5900 + display}, without a password" in done.stderr


def test_a_failed_run_keeps_its_directory_and_names_it(tmp_path: Path, work: Path) -> None:
    image = _image(tmp_path, boot_sector("(F11) Accept and Continue", HANG))
    done = _esxforge("run", *SLOW, "--timeout", "1", image, directory=work)
    assert done.returncode == 1
    assert "waiting at a prompt" in done.stderr
    assert "http://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr
    (kept,) = work.iterdir()
    assert str(kept) in done.stderr
    assert (kept / "last-screen.png").is_file()
    assert "-name image " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--release", "5"], 1, "No virtual hardware"),
        (["--vnc", "x"], 1, "VNC"),
        (["--firmware", "coreboot"], 2, "not one of 'uefi', 'bios'"),
        (["--accel", "xen"], 2, "not one of 'auto'"),
        (["--nic", "virtio"], 2, "not one of 'e1000'"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    tmp_path: Path, work: Path, arguments: list[str], status: int, said: str
) -> None:
    image = _image(tmp_path, boot_sector("x", HANG))
    done = _esxforge("run", *SLOW, *arguments, image, directory=work)
    assert done.returncode == status
    assert said in " ".join(done.stderr.split())
    assert not list(work.iterdir())


def test_what_is_no_image_is_refused(tmp_path: Path, work: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no disk")
    damaged = tmp_path / "damaged.dd.gz"
    damaged.write_bytes(gzip.compress(bytes(range(256)) * 99)[:-20])
    for path, said in ((text, "partition table"), (damaged, "damaged"), (tmp_path / "none", "There is no file")):
        done = _esxforge("run", *SLOW, path, directory=work)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not list(work.iterdir())


# A phase is recognised by a file that it makes in the work directory; the last by what the guest has said.
PHASES = {
    "unpacking": "esxforge-*/image.raw",
    "making the overlay": "esxforge-*/disk.qcow2",
    "starting QEMU": "esxforge-*/qemu.log",
    "running": "esxforge-*/serial.log",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_at_every_phase_leaves_nothing(
    tmp_path: Path, work: Path, phase: str, number: signal.Signals
) -> None:
    image = tmp_path / "image.dd.gz"
    # Large enough that unpacking is seen.
    image.write_bytes(gzip.compress(boot_sector("running", HANG).ljust(64 << 20, b"\0"), 1))
    with _started("run", *SLOW, image, directory=work) as process:
        _wait_for(process, work, PHASES[phase], content=b"running" if phase == "running" else b"")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not list(work.iterdir())
    assert processes_naming(str(work)) == []


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_qemu_does_not_outlive_us_when_we_are_killed(tmp_path: Path, work: Path) -> None:
    image = _image(tmp_path, boot_sector("running", HANG))
    with _started("run", *SLOW, image, directory=work) as process:
        _wait_for(process, work, PHASES["running"], content=b"running")
        process.kill()
        process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while processes_naming(str(work)) and time.monotonic() < deadline:
        pass
    assert processes_naming(str(work)) == []


def test_doctor_tells_the_same_to_people_and_programs(work: Path) -> None:
    said = _esxforge("doctor", "--kind", "golden", "--accel", "tcg", "--output", work, directory=work)
    told = _esxforge("doctor", "--kind", "golden", "--accel", "tcg", "--output", work, "--json", directory=work)
    document = json.loads(told.stdout)
    assert said.returncode == told.returncode == (0 if document["ok"] else 1)
    for check in document["checks"]:
        assert check["name"] in said.stdout
        assert set(check) == {"name", "found", "needed", "status", "hint"}
        assert bool(check["hint"]) == (check["status"] != "ok")
    assert not list(work.iterdir())


def test_doctor_fails_where_something_is_missing(tmp_path: Path, work: Path) -> None:
    done = _esxforge("doctor", "--output", tmp_path / "none", "--json", directory=work)
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_doctor_with_a_maas_that_is_not_there_fails_and_says_why(tmp_path: Path, work: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a:b:c")
    key.chmod(0o600)
    done = _esxforge("doctor", "--maas-url", "http://127.0.0.1:9/MAAS", "--api-key-file", key, directory=work)
    assert done.returncode == 1
    assert "missing  MAAS" in done.stdout
    assert "Traceback" not in done.stderr


def test_libvirt_xml_prints_a_domain_and_refuses_what_libvirt_cannot_read(tmp_path: Path, work: Path) -> None:
    image = _image(tmp_path, boot_sector("x", HANG))
    done = _esxforge("libvirt-xml", "--firmware", "bios", "--name", "a & b", image, directory=work)
    assert done.returncode == 0
    assert "<name>a &amp; b</name>" in done.stdout
    assert f'file="{image}"' in done.stdout
    packed = tmp_path / "image.dd.gz"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    refused = _esxforge("libvirt-xml", packed, directory=work)
    assert refused.returncode == 1
    assert "gunzip" in refused.stderr


@contextmanager
def _started(*arguments: object, directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*ESXFORGE, *map(str, arguments)],
        env=_environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[str], directory: Path, pattern: str, *, content: bytes) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(content in path.read_bytes()[: 1 << 16] for path in directory.glob(pattern)):
            return
    pytest.fail(f"{pattern} was never seen; exit status {process.poll()}")
