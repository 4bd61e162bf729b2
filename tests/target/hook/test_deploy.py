"""From a built image and MAAS's configuration to a disk that tools which we did not write find right."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt import VMFS
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.tar_module import read
from esxforge_target.runtime.blocks import FileBlocks, Window
from target.hook.bench import Bench
from target.hook.conftest import HASH, Deployed
from target.plan.configs import SAMPLES

OFFSET = 1 << 20


def from_volume(bench: Bench, path: str) -> bytes:
    """A file of the boot volume as mtools reads it."""
    command = ["mtype", "-i", f"{bench.root}/dev/sda@@{OFFSET}", f"::/{path}"]
    environment = {"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, check=True, capture_output=True, env=environment).stdout


def host_files(bench: Bench) -> dict[str, bytes]:
    """The host module's files, unpacked by gzip and read as a tar."""
    packed = from_volume(bench, "ESXFORGE.TGZ")
    tar = subprocess.run(["gzip", "-dc"], input=packed, check=True, capture_output=True).stdout
    return {entry.name: entry.data for entry in read(tar)}


def check_volume(bench: Bench, tmp_path: Path) -> None:
    """fsck.fat finds nothing to repair, and the length is the image's."""
    with FileBlocks(str(bench.root / "dev/sda"), False, bench.sector_size) as disk:
        offset, length = read_table(disk).table.byte_range(1)
    volume = tmp_path / "volume"
    command = ["dd", f"if={bench.root}/dev/sda", f"of={volume}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"]
    subprocess.run([*command, f"skip={offset}", f"count={length}", "status=none"], check=True)
    with volume.open("ab") as file:
        file.truncate(length)
    checked = subprocess.run(["fsck.fat", "-n", "-v", str(volume)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def check_table(path: Path, sector_size: int) -> None:
    """sgdisk finds no fault with a partition table; of files it reads those with sectors of 512 bytes only."""
    if sector_size == 512:
        said = subprocess.run(["sgdisk", "-v", str(path)], capture_output=True, text=True, check=True).stdout
        assert "No problems found" in said, said


def used_disks(config: dict[str, Any]) -> list[str]:
    """Disks besides the boot disk that carry a datastore."""
    host = desired_host_from_config(config)
    return [disk.name for disk in host.datastore_disks()]


@pytest.mark.parametrize("sector_size", [512, 4096])
@pytest.mark.parametrize("name", [path.stem for path in SAMPLES])
def test_a_built_image_and_a_sample_config_become_a_disk_that_passes_every_judge(
    name: str, sector_size: int, deployed: Deployed, tmp_path: Path
) -> None:
    bench, config = deployed(name, sector_size)
    assert bench.run(config) == 0, bench.output
    check_table(bench.root / "dev/sda", sector_size)
    check_volume(bench, tmp_path)
    for path in ("BOOT.CFG", "EFI/BOOT/BOOT.CFG"):
        text = from_volume(bench, path).decode()
        assert len(re.findall(r"^kernelopt=.*runweasel.* ks=file:///esxforge/ks\.cfg\b", text, re.MULTILINE)) == 1
        assert "/esxforge.tgz" in text
    files = host_files(bench)
    host = json.loads(files["esxforge/host.json"])
    desired = desired_host_from_json(files["esxforge/desired.json"].decode())
    assert host["boot_order"] == ["0003", "0001"]
    assert desired.boot_mac == "52:54:00:00:00:01"
    assert desired.maas.addresses == ("10.0.0.2",)
    for disk in ["sda", *used_disks(config)]:
        check_table(bench.root / "dev" / disk, sector_size)
        with FileBlocks(str(bench.root / "dev" / disk), False, sector_size) as blocks:
            reading = read_table(blocks)
        assert reading.problems == ()
        assert str(reading.table.disk_guid) == desired.disk(disk).disk_guid
    assert "esxforge/lib/esxforge_target/hook/main.py" in files
    assert "esxforge/lib/yaml/__init__.py" in files


def serial(bench: Bench) -> bytes:
    """The serial number of the boot volume."""
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        return FatVolume(Window(disk, *read_table(disk).table.byte_range(1))).serial()


def guids(bench: Bench, *disks: str) -> set[str]:
    """GUIDs of disks and of their partitions."""
    found = []
    for disk in disks:
        with FileBlocks(str(bench.root / "dev" / disk)) as blocks:
            table = read_table(blocks).table
        found += [str(table.disk_guid), *(str(one.guid) for _, one in table.partitions)]
    assert len(set(found)) == len(found)
    return set(found)


def test_no_guid_and_no_serial_number_of_the_image_is_left_on_any_disk(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    disks = ["sda", *used_disks(config)]
    assert len(disks) > 1
    image, image_serial = guids(bench, "sda"), serial(bench)
    assert bench.run(config) == 0, bench.output
    host = guids(bench, *disks)
    assert len(host) == 2 * len(disks)
    assert not image & host
    assert len(serial(bench)) == len(image_serial) == 4
    assert serial(bench) != image_serial


def test_data_disks_get_aligned_vmfs_partitions_of_the_sizes_asked_for(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    remnant = b"\xed\xfe\xba\xab" * 1024
    for disk in ("sdb", "sdc", "nvme0n1"):
        with FileBlocks(str(bench.root / "dev" / disk), True) as blocks:
            blocks.write_at(0x1000000 + (4 << 20), remnant)  # where an old datastore on a partition at 4 MiB began
    assert bench.run(config) == 0, bench.output
    for disk, size in (("sdb", 107365793792), ("sdc", 214739976192)):
        with FileBlocks(str(bench.root / "dev" / disk), False) as blocks:
            ((number, partition),) = read_table(blocks).table.partitions
            assert (number, partition.type_guid) == (1, VMFS)
            assert partition.first_lba * 512 % (1 << 20) == 0
            assert partition.sectors * 512 == size
            offset = partition.first_lba * 512
            assert not any(blocks.read_at(offset, 16 << 20)), "the head of an old datastore is still there"
            assert not any(blocks.read_at(offset + size - (1 << 20), 1 << 20))
    with FileBlocks(str(bench.root / "dev/nvme0n1"), False) as unused:
        assert unused.read_at(0x1000000 + (4 << 20), 4096) == remnant
    assert ("nvme0n1", True) not in bench.opened


def test_no_secret_is_left_but_in_the_one_file_whose_place_is_known(deployed: Deployed) -> None:
    bench, config = deployed()
    assert bench.run(config) == 0, bench.output
    token = config["reporting"]["maas"]
    secrets = [token["token_secret"].encode(), HASH.encode()]
    files = host_files(bench)
    extent = json.loads(files["esxforge/host.json"])["secrets"]
    with FileBlocks(str(bench.root / "dev/sda"), False) as disk:
        at_place = disk.read_at(extent["offset"], extent["length"])
        whole = disk.read_at(OFFSET, read_table(disk).table.byte_range(1)[1])
    assert extent["offset"] % 512 == extent["length"] % 4096 == 0
    document = json.loads(at_place)
    assert document["maas"]["token_secret"] == token["token_secret"]
    assert document["rootpw"] == "rootpw --iscrypted " + HASH
    for secret in secrets:
        assert secret not in bench.output.encode()
        assert whole.count(secret) == 1, "the secret stands elsewhere on the boot volume too"
    listing = subprocess.run(
        ["mdir", "-b", "-/", "-i", f"{bench.root}/dev/sda@@{OFFSET}", "::"], capture_output=True, text=True, check=True
    ).stdout
    assert "curtin" not in listing
    assert "%include /esxforge/run/rootpw.cfg" in files["esxforge/ks.cfg"].decode()


def test_a_second_run_is_refused_as_the_hook_is_gone(deployed: Deployed) -> None:
    bench, config = deployed()
    assert bench.run(config) == 0
    writes = len(bench.writes)
    assert bench.run(config) == 1
    assert len(bench.writes) == writes


def test_a_repeated_run_over_a_half_personalised_image_is_refused(deployed: Deployed) -> None:
    bench, config = deployed()
    bench.fail_at = 9
    assert bench.run(config) == 1
    bench.fail_at = -1
    writes = len(bench.writes)
    assert bench.run(config) == 1
    assert "Redeploy the machine" in bench.said
    assert len(bench.writes) == writes
