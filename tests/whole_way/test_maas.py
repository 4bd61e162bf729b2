"""MAAS as one: what is uploaded is what a machine gets, and the story is told in order."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path

import pytest

from standin.curtin.reporting import MaasClient, get
from standin.maas_metadata import MachineStatus
from whole_way import order
from whole_way.maas import HOST, Maas, running_maas


def reached_here(url: str) -> str:
    """The address of something on MAAS, for a program on this computer."""
    return url.replace(HOST, "127.0.0.1")


def user_data(maas: Maas) -> dict[str, object]:
    """What the deploying system is told, got in its way."""
    (url,) = [word.partition("=")[2] for word in maas.kernel_words().split() if word.startswith("cloud-config-url")]
    datasource = json.loads(get(reached_here(url)))["datasource"]["MAAS"]
    told = json.loads(MaasClient(datasource).request(reached_here(datasource["metadata_url"]) + "/latest/user-data"))
    assert isinstance(told, dict)
    return told


def test_an_uploaded_image_is_served_to_the_machine_and_all_is_told_in_order(tmp_path: Path) -> None:
    image = tmp_path / "i.dd.gz"
    image.write_bytes(bytes(range(256)) * 40_000)
    with running_maas(order.dhcp()) as maas:
        assert maas.publish(image).sent == image.stat().st_size
        told = user_data(maas)
        assert told["config"] == maas.machine.config
        source = str(told["source"])
        assert source.startswith("dd-gz:http://10.0.0.2:")
        assert get(reached_here(source.partition(":")[2])) == image.read_bytes()
        assert get(reached_here(maas.machine.config["late_commands"]["maas"][2]), body=b"op=netboot_off") == b"OK"
        assert maas.machine.netboot is False
        assert maas.status is MachineStatus.DEPLOYING, "none of this is the host's own user-data"
        by_id = f"latest/by-id/{maas.order.system_id}/"
        assert maas.story() == [
            f"GET {by_id}?op=get_preseed",
            "GET curtin/latest/user-data",
            f"GET {source[len(f'dd-gz:http://{HOST}:{maas.service.port}') :]}",
            f"POST {by_id}",
        ]


def test_the_configuration_is_for_the_machine_alone_and_for_a_token_only() -> None:
    with running_maas(order.dhcp()) as maas, pytest.raises(urllib.error.HTTPError, match="401"):
        maas.machine.token_secret = "another"
        words = order.Token()
        MaasClient(vars(words)).request(f"http://127.0.0.1:{maas.service.port}/MAAS/metadata/curtin/latest/user-data")


def test_two_orders_share_no_token_and_keep_nothing_of_the_samples() -> None:
    first, second = order.everything(), order.everything()
    assert not set(first.token.parts) & set(second.token.parts)
    text = json.dumps(first.config(4711))
    assert "WZDhWn3W2uCYC6hpuX" not in text
    assert ":5248" not in text
    assert text.count(first.token.token_secret) >= 3, "reporting, the datasource, debconf"
    assert first.macs() == tuple(f"52:54:00:00:00:0{number}" for number in range(1, 5))
    assert len(order.dhcp().macs()) == 1
