"""Plays the virtual host without QEMU: what the installer and the agent would do to the disks and say to MAAS."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from esxforge.events import Listener
from esxforge.selftest.boots import BootPlan, Progress
from esxforge.selftest.evidence import Boot, Stage, Stop
from esxforge.selftest.file_host import volume_of
from esxforge.selftest.judge_host import PHASES
from esxforge.selftest.order import SECOND
from esxforge.vm.hardware import Ovmf, SeaBios
from esxforge.vm.phases import Phase
from esxforge.vm.watch import WatchPage
from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.secrets import Secrets
from esxforge_target.formats import tar_module
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.runtime.blocks import FileBlocks
from unit.selftest import made_up
from unit.selftest.installed import CFG, delete, install_onto, module, put

Firmware = Ovmf | SeaBios
MARKS = ((Phase.BOOT_LOADER, 1.0), (Phase.KERNEL, 2.0), (Phase.INSTALLER, 3.0))


class Play:
    """Stands for ``run_boot``. ``fails`` names a stage at which it goes wrong, as it would."""

    def __init__(self, fails: Stage | None = None) -> None:
        self.fails = fails
        self.stages: list[Stage] = []
        self.firmware: Firmware = SeaBios()
        self._client: MetadataClient | None = None
        self._secrets = b""

    def __call__(self, plan: BootPlan, _listener: Listener, _page: WatchPage | None = None) -> Boot:
        self.stages.append(plan.stage)
        disk = plan.machine.disks[0].path
        if self.fails is plan.stage:
            return self._boot(plan, Stop.TIMED_OUT, marks=())
        if plan.stage in (Stage.INSTALL, Stage.SECURE_INSTALL):
            self._install(disk)
            return self._boot(plan, Stop.RESTARTED)
        if plan.stage is Stage.SECURE_BOOT:
            self.firmware = plan.machine.firmware
        if plan.stage in (Stage.FIRST_BOOT, Stage.SECURE_BOOT):
            self._start("inventory")
        if plan.stage is Stage.SECOND_BOOT:
            self._deploy(disk)
        if plan.stage is Stage.GOLDEN_BOOT:
            self._read_module(disk)
            self._start("inventory")
            self._client_now.user_data()
        if plan.stage is Stage.LATER_BOOT:
            with listening(plan.machine.nics[1].forwards[0].port):
                plan.enough(Progress(seconds=20.0))
                plan.enough(Progress(seconds=120.0))
        return self._boot(plan, Stop.ENOUGH)

    def _boot(self, plan: BootPlan, stop: Stop, **more: Any) -> Boot:
        (plan.directory / f"{plan.stage.value}-end.png").write_bytes(b"\x89PNG")
        return Boot(plan.stage, stop, 60.0, more.pop("marks", MARKS), screens=(f"{plan.stage.value}-end.png",), **more)

    @property
    def _client_now(self) -> MetadataClient:
        assert self._client is not None
        return self._client

    def _read_module(self, disk: Path) -> None:
        """What the hook wrote is read from the image, as the installer's RAM disk would have it."""
        with FileBlocks(str(disk)) as blocks:
            data = volume_of(blocks).read_file("ESXFORGE.TGZ")
        files = {entry.name: entry.data for entry in tar_module.read(data)}
        self._secrets = files["esxforge/secrets.json"]
        maas = desired_host_from_json(files["esxforge/desired.json"].decode()).maas
        maas = parse_endpoint(maas.url.replace(SECOND.gateway, "127.0.0.1"))
        self._client = MetadataClient(maas, Secrets.from_bytes(self._secrets).token)

    def _install(self, disk: Path) -> None:
        self._read_module(disk)
        install_onto(disk)
        put(disk, 5, "esxforge.tgz", module(self._secrets))
        put(disk, 5, "boot.cfg", CFG.format(" --- esxforge.tgz").encode())
        put(disk, 5, "esxfinst.log", b"t10.x is storage sda\nthe installer gets: install --disk=t10.x\n")

    def _start(self, phase: str) -> None:
        self._client_now.report_start(phase, f"doing {phase}")

    def _deploy(self, disk: Path) -> None:
        for phase in PHASES:
            self._start(phase)
        script = (self._client_now.user_data() or b"").decode()
        found = re.search(r'^TELL = "http://[^/]+:(\d+)(/\S+)"$', script, re.MULTILINE)
        assert found is not None
        request = urllib.request.Request(f"http://127.0.0.1:{found[1]}{found[2]}", json.dumps(made_up.told()).encode())
        urllib.request.urlopen(request).close()  # noqa: S310
        put(disk, 5, "boot.cfg", CFG.format("").encode())
        delete(disk, 5, "esxforge.tgz")
        start = disk.stat().st_size
        wipe(disk, self._secrets.strip())
        assert disk.stat().st_size == start
        put(disk, 5, "esxforge.log", f"the firmware's boot order is as before\n{made_up.READINESS}\n".encode())


def wipe(disk: Path, text: bytes) -> None:
    """Overwrite a text wherever it stands in the banks."""
    with disk.open("r+b") as stream:
        data = stream.read(200 << 20)
        at = data.find(text)
        while at >= 0:
            stream.seek(at)
            stream.write(bytes(len(text)))
            at = data.find(text, at + 1)


@contextmanager
def listening(port: int) -> Iterator[None]:
    """A host without a management service: connections are closed at once."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
