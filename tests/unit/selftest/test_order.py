"""What the self-test orders is what the hook takes, and what ESXi can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.recipe.load import load_recipe
from esxforge.selftest.file_host import CREDENTIALS, FileHost, HostDirectory, volume_of
from esxforge.selftest.order import (
    BOOT_DATASTORE,
    BOOT_SERIAL,
    DATA_DATASTORE,
    DATA_SERIAL,
    SECOND,
    GuestToken,
    Order,
    curtin_config,
    smallest_disks,
)
from esxforge.standin_iso.iso import make_standin_iso
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.hook.main import main
from esxforge_target.runtime.blocks import FileBlocks

ENDPOINT = f"http://{SECOND.gateway}:5248/MAAS/metadata/status/abc"


@pytest.mark.parametrize("release", ["6.5", "6.7.0", "7.0.3", "8.0.3", "9.0.0"])
def test_the_order_is_a_host_with_both_datastores_and_an_address_on_the_second_nic(release: str) -> None:
    order = Order(release, *smallest_disks(release))
    desired = desired_host_from_config(curtin_config(order, ENDPOINT, GuestToken()), SECOND.mac)
    assert [one.name for one in desired.datastores] == [BOOT_DATASTORE, DATA_DATASTORE]
    assert desired.boot_datastore() is not None
    assert [disk.serial for disk in desired.disks] == [BOOT_SERIAL, DATA_SERIAL]
    assert desired.maas.addresses == (SECOND.gateway,)
    assert not desired.notices


def test_a_small_boot_disk_gets_no_datastore() -> None:
    order = Order("8.0.3", 33 << 30, 8 << 30)
    desired = desired_host_from_config(curtin_config(order, ENDPOINT, GuestToken()), SECOND.mac)
    assert [one.name for one in desired.datastores] == [DATA_DATASTORE]


def test_a_token_is_never_shown_and_never_the_same() -> None:
    one, other = GuestToken(), GuestToken()
    assert not set(one.secrets) & set(other.secrets)
    assert not any(secret in repr(one) for secret in one.secrets)


@pytest.mark.parametrize("release", ["6.7", "8.0"])
def test_the_hook_prepares_the_virtual_host_in_process(
    release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    iso = tmp_path / "s.iso"
    make_standin_iso(iso, release=release)
    directory = HostDirectory(tmp_path / "host", boot_mac=SECOND.mac)
    recipe = load_recipe(
        None,
        {
            "image": {"format": "raw"},
            "install": {"accept_eula": True},
            "root_password": {"hash": "$6$saltsalt$" + "a" * 86},
        },
    )
    build_installer_image(iso, recipe, BuildOptions(directory.device("sda")), lambda event: None)
    order = Order(release, *smallest_disks(release))
    directory.attach("sda", order.boot_bytes, BOOT_SERIAL)
    directory.attach("sdb", order.data_bytes, DATA_SERIAL)
    directory.partition("sda", "sda1")
    token = GuestToken()
    config = curtin_config(order, ENDPOINT, token)
    directory.credentials("sda", config)
    status = main(FileHost(directory), directory.variables(config))
    said = capsys.readouterr().out
    assert status == 0, said
    assert not any(secret in said for secret in token.secrets)
    with FileBlocks(str(directory.device("sda"))) as disk:
        assert volume_of(disk).find(CREDENTIALS) is None
