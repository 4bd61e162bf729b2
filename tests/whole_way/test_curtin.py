"""The stand-in curtin without a machine: its decisions, and its story against runs of curtin itself."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from esxforge_target.contract.token import Token
from standin.curtin.choices import (
    Devices,
    InstallationError,
    LookupFailedError,
    devices_to_clear,
    disk_path,
    kernel_parameter,
    lookup_disk,
    target_device,
)
from standin.curtin.clearing import MEBIBYTE, zero_ends
from standin.curtin.commands import CommandError, Log
from standin.curtin.holders import Layer, drawn, layer_of, teardown_order
from standin.curtin.install import Installation
from standin.curtin.machine import Machine, image_command
from standin.curtin.reporting import Reporter, poster
from standin.maas_metadata import FakeMetadataService, MachineStatus

DATA = Path(__file__).parents[1] / "data"
BY_ID = {
    "ata-QEMU_HARDDISK_0S1": "/dev/sdb",
    "ata-QEMU_HARDDISK_S1-part1": "/dev/sda1",
    "ata-QEMU_HARDDISK_S1": "/dev/sda",
    "wwn-0x5000c500a1b2c3d4": "/dev/sda",
    "ata-QEMU_HARDDISK_S2": "/dev/sdc",
}
MACHINE = Devices(BY_ID, frozenset(BY_ID.values()), ("sda", "sdb", "sdc"))
BOOT = {"id": "boot", "serial": "S1", "grub_device": True, "wipe": "superblock"}
DATA_DISK = {"id": "data", "serial": "S2", "wipe": "superblock"}


def storage(*disks: Mapping[str, Any]) -> dict[str, Any]:
    return {"storage": {"config": [{"type": "disk", **disk} for disk in disks]}}


def silent(line: str) -> None:
    """Warn nobody."""


# -- Which disk ---------------------------------------------------------------------------------------------------


def test_a_disk_is_the_shortest_name_that_contains_the_serial() -> None:
    assert lookup_disk(MACHINE, "S1") == "/dev/sda", "0S1 contains S1 too, and comes first"
    assert lookup_disk(MACHINE, "QEMU HARDDISK_S2") == "/dev/sdc", "blanks are udev's underscores"
    assert target_device(storage(DATA_DISK, BOOT), MACHINE, [], silent) == "/dev/sda"
    with pytest.raises(LookupFailedError, match="no disk with serial 'S9'"):
        lookup_disk(MACHINE, "S9")


def test_a_shorter_name_of_another_disk_wins() -> None:
    by_id = {"ata-LONGER_MODEL_S1": "/dev/sda", "ata-M_XS1": "/dev/sdb"}
    assert lookup_disk(Devices(by_id, by_id.values()), "S1") == "/dev/sdb"


@pytest.mark.parametrize("order", [1, -1])
def test_of_names_of_one_length_the_first_in_the_directory_wins(order: int) -> None:
    """Which that is, the file system decides: no source settles it."""
    names = [("ata-A_S1", "/dev/sda"), ("ata-B_S1", "/dev/sdb")][::order]
    assert lookup_disk(Devices(dict(names), dict(names).values()), "S1") == names[0][1]


def test_a_disk_to_clear_is_found_by_wwn_before_serial_before_path() -> None:
    wwn, path = "0x5000c500a1b2c3d4", "/dev/disk/by-id/ata-QEMU_HARDDISK_0S1"
    assert disk_path(MACHINE, {"wwn": wwn, "serial": "S2", "path": path}) == "/dev/sda"
    assert disk_path(MACHINE, {"wwn": "gone", "serial": "S2", "path": path}) == "/dev/sdc"
    assert disk_path(MACHINE, {"serial": "gone", "path": path}) == "/dev/sdb"
    with pytest.raises(LookupFailedError):
        disk_path(MACHINE, {"id": "x", "path": "/dev/sdz"})


def test_the_boot_disks_wwn_and_path_do_not_choose_where_the_image_goes() -> None:
    boot = {**BOOT, "wwn": "0x5000c500a1b2c3d4", "path": "/dev/sda", "serial": "gone"}
    config = storage(boot, {"id": "data", "path": "/dev/sdb", "wipe": "superblock"})
    cleared = devices_to_clear(config, MACHINE)
    assert cleared == ["/dev/sda", "/dev/sdb"]
    del boot["serial"]
    assert target_device(storage(boot, DATA_DISK), MACHINE, ["/dev/sdc", "/dev/sdb"], silent) == "/dev/sdb"


def test_without_the_boot_disk_the_image_goes_to_the_first_cleared_disk_a_data_disk() -> None:
    warnings: list[str] = []
    config = storage({**BOOT, "serial": "gone"}, DATA_DISK, {"id": "more", "path": "/dev/sdb", "wipe": "superblock"})
    cleared = devices_to_clear(config, MACHINE)
    assert cleared == ["/dev/sdc", "/dev/sdb"], "the missing one is skipped without a word"
    assert target_device(config, MACHINE, cleared, warnings.append) == "/dev/sdb"
    assert warnings[-1].startswith("using /dev/sdb")


def test_disks_that_are_not_marked_and_partitions_that_are_not_there_are_not_cleared() -> None:
    config = storage({**BOOT, "wipe": ""}, {**DATA_DISK, "wipe": "none"})
    config["storage"]["config"] += [
        {"type": "partition", "id": "p1", "device": "boot", "number": 1, "wipe": "superblock"},
        {"type": "partition", "id": "p8", "device": "boot", "number": 8, "wipe": "superblock"},
        {"type": "partition", "id": "px", "device": "nothing", "number": 1, "wipe": "superblock"},
    ]
    assert devices_to_clear(config, MACHINE) == ["/dev/sda1"]
    with pytest.raises(InstallationError, match="both wipe and preserve"):
        devices_to_clear(storage({**BOOT, "preserve": True}), MACHINE)


def test_partitions_that_were_cleared_away_are_no_targets() -> None:
    left = Devices(BY_ID, {"/dev/sda", "/dev/sdc"})
    assert target_device(storage(), left, ["/dev/sdc", "/dev/sda1", "/dev/sda"], silent) == "/dev/sda"
    with pytest.raises(InstallationError, match="is there any more"):
        target_device(storage(), left, ["/dev/sdx", "/dev/sdy"], silent)


def test_with_nothing_to_clear_any_disk_will_do() -> None:
    assert target_device(storage({**BOOT, "serial": "gone"}), MACHINE, [], silent) == "/dev/sda"
    with pytest.raises(InstallationError, match="no disk to install on"):
        target_device({}, Devices({}, ()), [], silent)


# -- Clearing -----------------------------------------------------------------------------------------------------


def block_device(sys: Path, name: str, *, inside: str = "", uuid: str = "", holders: Sequence[str] = ()) -> None:
    """A device in /sys/class/block."""
    node = sys / "devices" / inside / name
    (node / "holders").mkdir(parents=True)
    for holder in holders:
        (node / "holders" / holder).symlink_to(sys / "devices" / holder)
    if inside:
        (node / "partition").write_text("1\n")
    if uuid:
        (node / "dm").mkdir()
        (node / "dm/uuid").write_text(uuid + "\n")
    (sys / "class/block").mkdir(parents=True, exist_ok=True)
    (sys / "class/block" / name).symlink_to(node)


def test_layers_are_taken_down_from_the_top(tmp_path: Path) -> None:
    for disk in ("sda", "sdb"):
        block_device(tmp_path, disk)
        block_device(tmp_path, f"{disk}1", inside=disk, holders=["md0"])
        block_device(tmp_path, f"{disk}2", inside=disk)
    block_device(tmp_path, "md0", holders=["dm-0", "dm-1"])
    block_device(tmp_path, "dm-0", uuid="LVM-abc")
    block_device(tmp_path, "dm-1", uuid="CRYPT-LUKS2-abc")
    trees = [layer_of("sda", tmp_path), layer_of("sdb", tmp_path)]
    assert drawn(trees)[:3] == ["sda (disk)", "  sda1 (partition)", "    md0 (raid)"]
    order = [layer.name for layer in teardown_order(trees)]
    assert sorted(order) == ["dm-0", "dm-1", "md0", "sda", "sda1", "sda2", "sdb", "sdb1", "sdb2"]
    assert order.index("dm-1") < order.index("dm-0") < order.index("md0")
    assert order.index("md0") < min(order.index("sda1"), order.index("sdb1"))
    assert max(order.index("sda1"), order.index("sda2")) < order.index("sda")


def test_a_partition_of_a_multipath_disk_is_a_partition(tmp_path: Path) -> None:
    block_device(tmp_path, "dm-1", uuid="part1-mpath-3600508b1")
    block_device(tmp_path, "dm-0", uuid="mpath-3600508b1", holders=["dm-1"])
    assert layer_of("dm-0", tmp_path) == Layer("dm-0", "disk", (Layer("dm-1", "partition"),))


def test_wiping_leaves_all_but_one_mebibyte_at_both_ends(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * (3 * MEBIBYTE + 5))
    zero_ends(str(disk))
    data = disk.read_bytes()
    assert data == bytes(MEBIBYTE) + b"x" * (MEBIBYTE + 5) + bytes(MEBIBYTE)
    disk.write_bytes(b"x" * 100)
    zero_ends(str(disk))
    assert disk.read_bytes() == bytes(100)


# -- The story ----------------------------------------------------------------------------------------------------


class ImageInDirectory(Machine):
    """A machine whose boot disk is a directory: everything that needs the real one is only noted."""

    def __init__(self, roots: Mapping[str, bool]) -> None:
        self.roots = roots
        self.done: list[str] = []

    def devices(self) -> Devices:
        return MACHINE

    def clear(self, devices: Any, log: Log) -> None:
        self.done.append(f"clear {' '.join(devices)}")

    def write_image(self, address: str, device: str, log: Log) -> None:
        self.done.append(f"write {address} {device}")
        log.say("0 bytes copied, 0.1 s, 0.0 kB/s")

    def partitions(self, device: str) -> list[str]:
        return list(self.roots)

    def is_root(self, partition: str, directory: str) -> bool:
        return self.roots[partition]

    def mount(self, device: str, directory: str, log: Log) -> None:
        self.done.append(f"mount {device}")
        hook = Path(directory) / "curtin/curtin-hooks"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\necho esxforge: hook\n")
        hook.chmod(0o755)

    def unmount(self, directory: str) -> None:
        log = Path(directory) / "root/curtin-install.log"
        self.done.append("unmount, the log on the volume" if log.is_file() else "unmount")


HOOK = """#!/bin/sh
echo "esxforge: the image is on sda"
echo "cwd $PWD stdin $(readlink /proc/self/fd/0) arguments $#" > {seen}
env | grep -E '^(CONFIG|CURTIN_[A-Z]*|OUTPUT_[A-Z_]*|TARGET_MOUNT_POINT|WORKING_DIR|PYTHONPATH)=' | sort >> {seen}
(cd $TARGET_MOUNT_POINT && find . -type f | sort) >> {seen}
[ {status} = 0 ] || echo "esxforge: this host was NOT prepared:"
exit {status}
"""


def sample(directory: Path) -> dict[str, Any]:
    """What MAAS rendered, with the log's files in ``directory``."""
    path = DATA / "curtin/maas3.6.5-esxi8-vmfs7-dhcp-only.yaml"
    config: dict[str, Any] = yaml.safe_load(path.read_text("utf-8").replace("/tmp/", f"{directory}/"))
    return config


@pytest.mark.parametrize(("name", "status"), [("finished", 0), ("refused", 1)])
def test_events_log_and_the_hooks_surroundings_are_those_of_curtin_itself(
    name: str, status: int, tmp_path: Path
) -> None:
    recorded = json.loads((DATA / "curtin-runs" / f"{name}.json").read_text("utf-8"))
    seen = tmp_path / "seen"
    hook = tmp_path / "image/curtin/curtin-hooks"
    hook.parent.mkdir(parents=True)
    hook.write_text(HOOK.format(seen=seen, status=status))
    hook.chmod(0o755)
    config = sample(tmp_path)
    config["partitioning_commands"] = {"builtin": ["sh", "-c", f"cp -r {tmp_path}/image/. $TARGET_MOUNT_POINT"]}
    config["late_commands"] = {"maas": ["echo", "netboot off"]}
    events: list[Mapping[str, Any]] = []
    source = "dd-gz:http://10.0.0.2:5248/images/root-dd.gz"
    installation = Installation(config, source, ImageInDirectory({}), Reporter(events.append), str(tmp_path))
    if status:
        with pytest.raises(CommandError):
            installation.run()
    else:
        installation.run()

    def normal(text: str) -> str:
        return text.replace(str(installation.top), "/tmp/TOP").replace(str(tmp_path), "/curtin")

    assert normal(seen.read_text()).splitlines() == recorded["hook"]
    told = [{key: value for key, value in event.items() if key not in ("timestamp", "origin")} for event in events]
    for event in told:
        if "files" in event:
            files = event["files"]
            event["files"] = [{"path": one["path"], "sent": one["content"] is not None} for one in files]
    text = json.dumps(recorded["events"]).replace("/tmp/image/", f"{tmp_path}/image/")
    assert told == json.loads(
        text.replace('"/tmp/install.log', f'"{tmp_path}/install.log').replace(
            '"/tmp/curtin-logs.tar', f'"{tmp_path}/curtin-logs.tar'
        )
    )
    known = re.compile(
        r" *(start:|finish:|esxforge:|curtin:|Running command|Traceback|[\w.]*Error: |Unexpected error|Command:|"
        r"Exit code:|Reason:|Stdout:|Stderr:|netboot off|third party)"
    )
    lines = [line for line in normal((tmp_path / "install.log").read_text("utf-8")).splitlines() if known.match(line)]
    assert list(map(without_module, lines)) == list(map(without_module, recorded["log"]))


def without_module(line: str) -> str:
    """A line of a traceback, whatever module the error is of."""
    return re.sub(r"^( *)[\w.]+Error: ", r"\1Error: ", line)


def run(tmp_path: Path, machine: ImageInDirectory, *disks: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], str]:
    """An installation with MAAS's own commands; its events and its log."""
    config = {**sample(tmp_path), **storage(*disks), "late_commands": {"maas": ["echo", "late"]}}
    events: list[Mapping[str, Any]] = []
    installation = Installation(config, "dd-gz:http://m/i", machine, Reporter(events.append), str(tmp_path))
    try:
        installation.run()
    except InstallationError as error:
        return events, f"{installation.log.text()}\nraised {error}"
    return events, installation.log.text()


def test_partitioning_clears_writes_and_mounts_the_last_root(tmp_path: Path) -> None:
    machine = ImageInDirectory({"/dev/sda1": True, "/dev/sda2": True, "/dev/sda3": False})
    events, log = run(tmp_path, machine, BOOT, DATA_DISK)
    assert machine.done == [
        "clear /dev/sda /dev/sdc",
        "write http://m/i /dev/sda",
        "mount /dev/sda2",
        "unmount, the log on the volume",
    ]
    stack = "cmd-install/stage-partitioning/builtin/cmd-block-meta"
    told = [(event["event_type"], event["name"]) for event in events if "partitioning" in event["name"]]
    assert told[2:5] == [("start", stack), ("start", f"{stack}/clear-holders"), ("finish", f"{stack}/clear-holders")]
    assert "\nesxforge: hook\n" in log
    assert log.endswith("late\ncurtin: Installation finished.\n")


def test_an_image_that_did_not_arrive_is_noticed_only_where_nothing_can_be_mounted(tmp_path: Path) -> None:
    events, log = run(tmp_path, ImageInDirectory({}), BOOT)
    assert "0 bytes copied" in log
    reason = "Did not find any filesystem on ['sda'] that contained one of ['curtin', "
    assert log.partition("\nraised ")[0].count(reason) == 4, "with a traceback and without, and all of that twice"
    failed = [event["name"] for event in events if event.get("result") == "FAIL"]
    assert failed[-3:] == ["cmd-install/stage-partitioning/builtin", "cmd-install/stage-partitioning", "cmd-install"]
    assert not [event for event in events if "curthooks" in event["name"]]


# -- The image's way, with the real tools -------------------------------------------------------------------------


@contextmanager
def image_server(reply: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The rack controller's port; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/image"
        finally:
            server.shutdown()
            thread.join()


def not_there(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Without a length: nobody can tell."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(gzip.compress(os.urandom(1 << 20))[: 1 << 19])


def complete(handler: BaseHTTPRequestHandler) -> None:
    data = gzip.compress(bytes(1 << 20))
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@pytest.mark.parametrize(
    ("reply", "device", "said", "fails"),
    [
        (not_there, "disk", ["ERROR 404: Not Found", "0 bytes copied"], False),
        (cut, "disk", ["unexpected end of file", "copied"], False),
        (complete, "disk", ["1048576 bytes"], False),
        (complete, "/dev/full", ["No space left on device"], True),
    ],
)
def test_only_dd_decides_whether_an_image_was_written(
    reply: Callable[[BaseHTTPRequestHandler], None], device: str, said: list[str], fails: bool, tmp_path: Path
) -> None:
    """The words that docs/troubleshooting.md has."""
    log = Log(tmp_path / "install.log")
    with image_server(reply) as address:
        command = image_command(address, str(tmp_path / device))
        if fails:
            with pytest.raises(CommandError):
                log.run(command)
        else:
            log.run(command)
    for words in said:
        assert words in log.text()


# -- MAAS ---------------------------------------------------------------------------------------------------------


def test_kernel_parameters_are_whole_words() -> None:
    line = "quiet XBOOTIF=no BOOTIF=01-52-54 cloud-config-url=http://m/?op=get_preseed"
    assert kernel_parameter(line, "BOOTIF") == "01-52-54"
    assert kernel_parameter(line, "cloud-config-url") == "http://m/?op=get_preseed"
    with pytest.raises(InstallationError):
        kernel_parameter(line, "ip")


def test_events_are_signed_for_maas_and_a_failed_run_fails_the_deployment() -> None:
    with FakeMetadataService() as maas:
        token = maas.reporting
        assert Token.from_config(token)
        reporter = Reporter(poster(token, maas.endpoint))
        with reporter.event("cmd-install/stage-a", "doing a"):
            assert maas.machine.status_changes == []
        with pytest.raises(InstallationError), reporter.event("cmd-install", "all of it"):
            raise InstallationError("no")
        assert maas.machine.status_changes == [MachineStatus.FAILED_DEPLOYMENT]
        assert [event["level"] for event in maas.machine.events] == ["INFO", "INFO", "INFO", "ERROR"]


def test_events_that_do_not_get_through_do_not_stop_the_installation(capsys: pytest.CaptureFixture[str]) -> None:
    token = {"consumer_key": "a", "token_key": "b", "token_secret": "c"}
    with Reporter(poster(token, "http://127.0.0.1:9/")).event("cmd-install", "all of it"):
        pass
    assert capsys.readouterr().out.count("an event was not posted") == 2
