"""``esxforge plan`` from the outside: outputs, exit status, and what never appears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from esxforge.cli.main import app
from esxforge.errors import FormatError, InputError
from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.document import inventory_to_json

SAMPLES = Path(__file__).parents[2] / "data" / "curtin"
BOND = SAMPLES / "maas3.6.5-esxi8-vmfs7-bond-vlan-alias-ipv6.yaml"
BRIDGE = SAMPLES / "maas3.6.5-esxi8-bridge-not-refused.yaml"


PLANNER = Path(__file__).parents[2] / "data" / "planner"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def bomb(line: str) -> bytes:
    """A document of some hundred bytes that grows tenfold with each line."""
    lines = [line.format(n=n, inner=", ".join([f"*a{n - 1}"] * 10)) for n in range(1, 12)]
    return "\n".join(["a: &a0 {x: 1}", *lines]).encode()


def test_tables_and_commands_go_to_stdout() -> None:
    done = run("--curtin-config", BOND)
    assert done.exit_code == 0
    assert "│ eno1 = vmnic0" in done.stdout
    assert (
        "esxcli network vswitch standard policy failover set -v vSwitch0 -a vmnic0 -s vmnic1 -l explicit" in done.stdout
    )
    assert "a fresh install is assumed" in done.stdout


def test_tables_in_a_pipe_are_as_wide_as_what_they_hold(tmp_path: Path) -> None:
    name = "disk-" + "x" * 150
    (tmp_path / "config.yaml").write_text(BOND.read_text().replace("    name: sda\n", f"    name: {name}\n"))
    done = run("--curtin-config", tmp_path / "config.yaml")
    assert done.exit_code == 0, done.stderr
    assert any(name in line and line.startswith("│") for line in done.stdout.splitlines())


def test_json_is_one_document() -> None:
    done = run("--curtin-config", BOND, "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["assumed"] is True
    assert document["steps"][0]["command"][0] == "esxcli"


def test_the_summary_has_no_commands() -> None:
    done = run("--curtin-config", BOND, "--summary")
    assert done.exit_code == 0
    assert "esxcli" not in done.stdout
    assert "vmk0 on Management Network (vSwitch0: eno1 = vmnic0, eno2 = vmnic1): 10.0.0.10/24" in done.stdout


def test_of_a_golden_image_the_plan_says_what_its_hosts_share() -> None:
    installer, golden = (run("--curtin-config", BOND, "--json", "--kind", kind) for kind in ("installer", "golden"))
    of_both = [json.loads(done.stdout)["notices"] for done in (installer, golden)]
    assert of_both[1][:-1] == of_both[0]
    assert "the UUID of the OSDATA volume" in of_both[1][-1]
    assert "the UUID of the OSDATA volume" in " ".join(run("--curtin-config", BOND, "--kind", "golden").stdout.split())
    assert run("--curtin-config", BOND, "--kind", "brass").exit_code == 2


@pytest.mark.parametrize("option", ["--json", "--summary", "--release=8.0"])
def test_refusals_give_all_reasons_and_status_1(option: str, tmp_path: Path) -> None:
    config = yaml.safe_load(BRIDGE.read_text(encoding="utf-8"))
    config["network"]["config"].append({"type": "infiniband", "name": "ib0"})
    path = tmp_path / "curtin.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = run("--curtin-config", path, option)
    assert done.exit_code == 1
    text = done.stdout if option == "--json" else done.stderr
    for reason in ("ESXi has no bridges", "interfaces of type “infiniband” are not known"):
        assert reason in text
    if option == "--json":
        assert len(json.loads(done.stdout)["errors"]) == 2


def test_an_inventory_replays_at_a_desk(tmp_path: Path) -> None:
    desired = stamped(desired_host_from_config(yaml.safe_load(BOND.read_text(encoding="utf-8"))))
    path = tmp_path / "inventory.json"
    path.write_text(inventory_to_json(assumed_inventory(desired, "7.0.3")), encoding="utf-8")
    with_it = run("--curtin-config", BOND, "--inventory", path, "--json")
    without = run("--curtin-config", BOND, "--release", "7U3d", "--json")
    first, second = json.loads(with_it.stdout), json.loads(without.stdout)
    assert first["steps"] == second["steps"]
    assert first["assumed"] is False
    assert not any("assumed" in notice for notice in first["notices"])


def test_json_is_taken_as_yaml_is(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(yaml.safe_load(BOND.read_text(encoding="utf-8"))), encoding="utf-8")
    assert run("--curtin-config", path, "--json").stdout == run("--curtin-config", BOND, "--json").stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"network: [1, 2\nstorage: {",
            "expected ',' or ']', but got ':' (line 2, column 8)",
        ),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b'{"network": ', "line 1"),
        (b"a: !!python/object/apply:os.system ['true']", "line 1, column 4"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: !!bool maybe\n", "what is tagged as bool is none (line 1, column 4)"),
        (b"a: 1\nb: !!int ''", "what is tagged as int is none (line 2, column 4)"),
        (b"a: !!int {=: 1}", "what is tagged as int is none (line 1, column 4)"),
        (b"a: !!float x", "what is tagged as float is none (line 1, column 4)"),
        (b"a: !!timestamp tomorrow", "what is tagged as timestamp is none (line 1, column 4)"),
        (b"a: !!timestamp 2001-99-99", "is not YAML that can be read"),
        (b"a: !!binary x", "failed to decode base64 data"),
        (b"network: &a [*a]", "nested more than 40 levels"),
        (b"\0", "is not YAML that can be read"),
        (bomb("a: &a{n} [{inner}]"), "grows to more than 50000 values"),
        (bomb("a: &a{n} {{<<: [{inner}]}}"), "grows to more than 50000 values"),
    ],
)
def test_broken_files_are_told_with_their_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    done = run("--curtin-config", path)
    assert isinstance(done.exception, FormatError)
    assert words in done.exception.message
    assert str(path) in done.exception.message


def test_the_line_that_is_broken_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("token_secret: hNAMjPLjr0n4p7NNFihBB1RrceSQhJgl: :", encoding="utf-8")
    done = run("--curtin-config", path)
    assert isinstance(done.exception, FormatError)
    assert "hNAMjPLjr0n4p7NNFihBB1RrceSQhJgl" not in done.exception.message


@pytest.mark.parametrize("arguments", [["--json", "--summary"], ["--release", "5.5"], ["--release", "new"]])
def test_wrong_usage_has_status_2(arguments: list[str]) -> None:
    assert run("--curtin-config", BOND, *arguments).exit_code == 2


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    done = run("--curtin-config", tmp_path / "nowhere")
    assert isinstance(done.exception, InputError)
    done = run("--curtin-config", BOND, "--inventory", tmp_path / "nowhere")
    assert isinstance(done.exception, InputError)


def test_files_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"a: 1\n" * 300_000)
    done = run("--curtin-config", path)
    assert isinstance(done.exception, InputError)
    assert "larger than 1 MiB" in done.exception.message
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    done = run("--curtin-config", BOND, "--inventory", path)
    assert isinstance(done.exception, InputError)
    assert "larger than 16 MiB" in done.exception.message


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("option", ["--json", "--summary", "--release=8.0"])
def test_no_output_shows_a_secret(path: Path, option: str, tmp_path: Path) -> None:
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    page = tmp_path / "plan.html"
    done = run("--curtin-config", path, option, "--html", page)
    shown = done.stdout + done.stderr + page.read_text(encoding="utf-8")
    for key in ("consumer_key", "token_key", "token_secret"):
        assert config["reporting"]["maas"][key] not in shown


def test_macs_without_quotes_stay_macs(tmp_path: Path) -> None:
    text = BOND.read_text(encoding="utf-8").replace("'52:54:00:00:00:0", "52:54:00:00:00:0").replace("1'\n", "1\n")
    for digit in "1234":
        text = text.replace(f"00:0{digit}'\n", f"00:0{digit}\n")
    assert "52:54:00:00:00:01\n" in text
    path = tmp_path / "curtin.yaml"
    path.write_text(text, encoding="utf-8")
    assert run("--curtin-config", path, "--json").stdout == run("--curtin-config", BOND, "--json").stdout


def swapped(tmp_path: Path, *, guids: bool, alike: bool = False) -> tuple[Path, Path]:
    """A configuration with two disks of one model, 100 and 200 GiB, and the inventory of a host that lists the larger
    one first."""
    config = yaml.safe_load((PLANNER / "layout-blank.yaml").read_text(encoding="utf-8"))
    disks = {"small": ("5G" if alike else "100G"), "large": ("5G" if alike else "200G")}
    entries = config["storage"]["config"][:1]
    for number, (name, room) in enumerate(disks.items()):
        entries += [
            {"type": "disk", "id": f"sd{number}", "name": name, "model": "Samsung SSD 870 EVO", "serial": name},
            {"type": "partition", "id": f"p{number}", "device": f"sd{number}", "number": 1, "size": room},
            {"type": "vmfs6", "id": name, "name": name, "devices": [f"p{number}"]},
        ]
    config["storage"]["config"] = entries
    path = tmp_path / "curtin.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    desired = stamped(desired_host_from_config(config))
    host = assumed_inventory(desired)
    boot, small, large = host.devices
    host = host.replace(
        devices=(
            boot,
            large.replace(name="naa.large", vendor="ATA", model="Samsung SSD 870"),
            small.replace(name="naa.small", vendor="ATA", model="Samsung SSD 870"),
        )
    )
    known = {one.id: one.disk_guid for one in desired.disks if one.disk_guid}
    inventory = tmp_path / "esxforge.inv"
    inventory.write_text(inventory_to_json(host, known if guids else None), encoding="utf-8")
    return path, inventory


@pytest.mark.parametrize(("guids", "alike"), [(True, False), (False, False), (True, True)])
def test_the_desk_takes_the_disk_that_the_host_took(tmp_path: Path, guids: bool, alike: bool) -> None:
    config, inventory = swapped(tmp_path, guids=guids, alike=alike)
    done = run("--curtin-config", config, "--inventory", inventory, "--json")
    assert done.exit_code == 0, done.stderr
    shown = json.loads(done.stdout)
    assert {disk["name"]: disk["device"] for disk in shown["disks"][1:]} == {
        "small": "naa.small",
        "large": "naa.large",
    }
    assert not any("which disk is which" in one for one in shown["notices"])


def test_where_the_inventory_leaves_a_choice_the_desk_says_that_it_guesses(tmp_path: Path) -> None:
    config, inventory = swapped(tmp_path, guids=False, alike=True)
    shown = json.loads(run("--curtin-config", config, "--inventory", inventory, "--json").stdout)
    assert (
        "The inventory does not say which disk is which: small is taken for naa.large, and could be any of naa.small. "
        "The host itself knows."
    ) in shown["notices"]


@pytest.mark.parametrize("release", ["6.7", "8.0"])
def test_the_size_of_a_boot_disk_that_maas_does_not_give_is_unknown(release: str) -> None:
    done = run("--curtin-config", PLANNER / "layout-blank.yaml", f"--release={release}", "--json")
    (disk,) = json.loads(done.stdout)["disks"]
    assert (disk["size"], disk["parts"]) == (None, [])
    done = run("--curtin-config", PLANNER / "layout-blank.yaml", f"--release={release}")
    assert "size unknown" in done.stdout
    assert "how large the boot disk is" in " ".join(done.stdout.split())
