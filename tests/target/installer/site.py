"""A host whose disks the hook prepared, running ESXi's installer: the real step on the stateful fake."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

from esxforge_target.installer import post, pre
from esxforge_target.installer.environment import LOG, Installer
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.runtime.clock import Clock
from esxforge_target.runtime.consoles import CONSOLES
from standin.esxi.installer import FakeInstaller
from standin.esxi.presets import disk
from target.hook.bench import Bench
from target.hook.test_deploy import from_volume

PLAIN = "plain ESXi"
AGENT = "ESXi with the agent"


class NoWait(Clock):
    """Sleeping takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class Site:
    """``devices`` tells ESXi's name of each of Linux's disks. ``installer`` is what the step sees."""

    def __init__(self, bench: Bench, directory: Path, release: str, without: tuple[str, ...] = ()) -> None:
        self.bench = bench
        place = directory / "root/vmfs/devices/disks"
        place.mkdir(parents=True, exist_ok=True)
        self.devices: dict[str, str] = {}
        for number, path in enumerate(sorted((bench.root / "dev").iterdir())):
            if path.is_file() and path.name not in without:
                self.devices[path.name] = f"naa.600508b1001c{number:04d}"
                os.link(path, place / self.devices[path.name])
        names = [*self.devices.values(), *(path.name for path in place.iterdir())]
        self.fake = FakeInstaller.start(
            str(directory), release, [self._disk(place / name) for name in sorted(set(names))]
        )
        self.fake.unpack(from_volume(bench, "ESXFORGE.TGZ"))
        self.output = io.StringIO()
        self.clock = NoWait()
        self.installer = self.environment()

    def environment(self, **seams: Any) -> Installer:
        """The step's surroundings; ``seams`` replace parts of them."""
        given = {
            "runner": self.fake, "devices": DeviceDirectory(self.fake.devices, 1.0), "clock": self.clock,
            "stream": self.output, **seams,
        }  # fmt: skip
        return Installer(self.fake.root, **given)

    def _disk(self, path: Path) -> dict[str, Any]:
        size = path.stat().st_size
        return disk(path.name, size, "sas", sector_size=self.bench.sector_size, dead=path.is_fifo())

    @property
    def boot(self) -> str:
        """ESXi's name of the boot disk."""
        return self.devices["sda"]

    def raw(self, device: str) -> Path:
        """The file that is a disk."""
        return Path(self.fake.devices) / device

    def ram(self, path: str) -> Path:
        """A file of the installer's RAM disk."""
        return Path(self.fake.path(path))

    def pre(self) -> int:
        """Run %pre's step."""
        return pre.main(self.installer)

    def install(self) -> None:
        """What ESXi's installer does after %pre."""
        self.fake.install(self.ram("/esxforge/run/install.cfg").read_text())

    def post(self) -> int:
        """Run %post's step."""
        return post.main(self.installer)

    def run(self) -> None:
        """All of it, which must go well."""
        assert self.pre() == 0, self.output.getvalue()
        self.install()
        assert self.post() == 0, self.output.getvalue()

    @property
    def said(self) -> str:
        """The section's output as one line, to look for sentences in."""
        return " ".join(self.output.getvalue().replace("esxforge: ", "").split())

    def consoles(self) -> list[str]:
        """What stands on each console."""
        return [self.ram(console).read_text() for console in CONSOLES]

    def log(self) -> str:
        """Our log in the RAM disk."""
        return self.ram(LOG).read_text()

    def bank(self, number: int = 5, device: str = "") -> Path:
        """The directory of a boot bank of the installed disk."""
        banks = self.fake.hardware["banks"]
        desired = (device or self.boot, number)
        (found,) = [bank["uuid"] for bank in banks if (bank["device"], bank["partition"]) == desired]
        return self.ram(f"/vmfs/volumes/{found}")

    def boots(self) -> str:
        """What the installed disk boots; AssertionError where the boot loader would stop. Not the product's code."""
        best = max(
            (fields for fields in map(_fields, (self.bank(5), self.bank(6))) if fields.get("bootstate") in ("0", "1")),
            key=lambda fields: int(fields["updated"]),
        )
        modules = [module.strip() for module in best["modules"].split("---")]
        for module in [best["kernel"], *modules]:
            assert (Path(best["directory"]) / module).is_file(), f"boot.cfg names {module}, which is not there"
        if "esxforge.tgz" not in modules:
            return PLAIN
        assert modules[-1] == "esxforge.tgz"
        names = {member.name for member in self.module()}
        assert {"esxforge/host.json", "esxforge/secrets.json", "etc/rc.local.d/999.esxforge.sh"} <= names
        return AGENT

    def module(self, number: int = 5) -> list[tarfile.TarInfo]:
        """The bank module's entries, as gzip and tarfile read them."""
        packed = (self.bank(number) / "esxforge.tgz").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
            return archive.getmembers()

    def module_files(self) -> dict[str, bytes]:
        """The bank module's files."""
        packed = (self.bank() / "esxforge.tgz").read_bytes()
        files = {}
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
            for member in archive.getmembers():
                stream = archive.extractfile(member)
                if stream is not None:
                    files[member.name] = stream.read()
        return files


def _fields(directory: Path) -> dict[str, str]:
    lines = (directory / "boot.cfg").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {"directory": str(directory), **{key: value for key, _, value in pairs}}
