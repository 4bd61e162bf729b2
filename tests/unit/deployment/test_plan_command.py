"""``esxforge plan --machine`` and ``--answers`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from esxforge import __version__
from standin.maas_region import Fault
from standin.maas_region.machines import ALLOCATED, DEPLOYED, DEPLOYING

from .conftest import Run
from .pairs import named
from .site import Site

OURS = f"VMware ESXi 8.0U3e (esxforge {__version__})"
COMPARED = ("release", "assumed", "errors", "notices", "network", "free_nics", "routes", "name_servers", "steps")


@pytest.fixture
def ready(maas: Site) -> Site:
    maas.machine("big_mixed", system_id="abc123", hostname="esx01")
    maas.image(title=OURS)
    return maas


def test_a_machine_is_planned_before_its_deployment(run: Run, ready: Site) -> None:
    status, out, err = run("plan", "--machine", "esx01", maas=ready)
    assert (status, err) == (0, "")
    assert out.startswith(f"esx01.maas (abc123): Ready, image esxi/8.0.3 “{OURS}”; the configuration is predicted")
    assert "10.73.0.3/24 (guess)" in out
    assert "Guess: 10.73.0.3." in out
    assert "esxcli network vswitch standard add -v vSwitch1" in out
    assert not [request for request in ready.region.requests if request[0] != "GET"], "a plan changes nothing"


def test_json_has_the_plan_and_beside_it_what_is_known_of_the_deployment(run: Run, ready: Site) -> None:
    status, out, _ = run("plan", "--machine", "abc123", "--json", maas=ready)
    document = json.loads(out)
    assert status == 0
    assert document["machine"] == {"system_id": "abc123", "fqdn": "esx01.maas", "status": "Ready", "owner": None}
    assert document["image"] == {"name": "esxi/8.0.3", "title": OURS}
    assert document["release"] == "8.0.3"
    assert document["reasons"] == []
    assert document["is_final"] is False
    assert {"subject": "Address of eth0", "guess": "10.73.0.3"}.items() <= document["unknown"][0].items()


def test_saved_answers_give_the_same_plan_without_maas(run: Run, ready: Site, tmp_path: Path) -> None:
    _, live, err = run("plan", "--machine", "esx01", "--json", "--save", tmp_path / "kept", maas=ready)
    assert f"answers are in {tmp_path / 'kept'}" in err
    ready.region.requests.clear()
    status, again, _ = run("plan", "--answers", tmp_path / "kept", "--json")
    assert status == 0
    assert json.loads(again) == json.loads(live)
    assert not ready.region.requests


def test_the_plan_from_answers_is_the_plan_from_the_configuration(run: Run, tmp_path: Path) -> None:
    found = named("rack_elsewhere")
    for name, document in found.documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    config: dict[str, Any] = found.curtin
    for item in config["network"]["config"]:
        if item["type"] == "nameserver":
            item["address"].remove("192.0.2.2")
    (tmp_path / "curtin.yaml").write_text(yaml.safe_dump(config))
    _, before, _ = run("plan", "--answers", tmp_path, "--json")
    _, after, _ = run("plan", "--curtin-config", tmp_path / "curtin.yaml", "--json")
    assert {key: json.loads(before)[key] for key in COMPARED} == {key: json.loads(after)[key] for key in COMPARED}


def test_reasons_are_all_said_and_the_status_is_1(run: Run, ready: Site) -> None:
    ready.region.nodes.machines["abc123"].own.update(bios_boot_method="pxe", locked=True)
    for option in ((), ("--summary",), ("--json",)):
        status, out, err = run("plan", "--machine", "esx01", *option, maas=ready)
        assert status == 1
        told = out if option == ("--json",) else err
        assert "legacy BIOS" in told
        assert "is locked" in told


@pytest.mark.parametrize("status", [DEPLOYING, DEPLOYED])
def test_while_and_after_deploying_maass_own_configuration_is_planned(run: Run, ready: Site, status: int) -> None:
    machine = ready.region.nodes.machines["abc123"]
    machine.become(status, owner="h2admin", osystem="esxi", distro_series="8.0.3")
    status, out, _ = run("plan", "--machine", "esx01", "--json", maas=ready)
    document = json.loads(out)
    assert status == 0
    assert document["is_final"] is True
    assert document["unknown"] == []
    assert "192.0.2.2" in document["name_servers"], "MAAS's own address is known now"


def test_a_plain_user_plans_a_free_machine_and_hears_what_maas_hides(run: Run, ready: Site) -> None:
    ready.as_user()
    status, out, _ = run("plan", "--machine", "esx01", "--json", maas=ready)
    document = json.loads(out)
    assert status == 0
    assert "10.73.0.5" not in document["name_servers"], "the rack controller is not shown to this user"
    assert any("administrators only" in one["reason"] for one in document["unknown"])
    assert any("administrators only" in one for one in document["not_known"])


def test_a_plain_user_does_not_see_somebody_elses_machine(run: Run, ready: Site) -> None:
    ready.region.nodes.machines["abc123"].become(ALLOCATED, owner="h2admin")
    ready.as_user()
    status, out, err = run("plan", "--machine", "abc123", maas=ready)
    assert (status, out) == (1, "")
    assert "belongs to somebody else" in err
    assert "API key of its owner" in err


def test_an_answer_without_a_field_names_it(run: Run, ready: Site) -> None:
    del ready.region.nodes.machines["abc123"].documents["interfaces"][0]["enabled"]
    status, _, err = run("plan", "--machine", "esx01", maas=ready)
    assert status == 1
    assert "“interfaces” cannot be used: 0.enabled is missing" in err


def test_optional_answers_that_maas_does_not_give_are_unknown(run: Run, ready: Site) -> None:
    del ready.region.nodes.settings["node_timeout"]
    ready.region.faults = [Fault("GET", "busy", path="fabrics/")]
    status, out, _ = run("plan", "--machine", "esx01", "--json", maas=ready)
    assert status == 0
    assert any("node_timeout" in one["message"] for one in json.loads(out)["warnings"])


def test_a_lost_connection_is_asked_again(run: Run, ready: Site) -> None:
    ready.region.faults = [Fault("GET", "drop-after", path="interfaces/"), Fault("GET", "cut", path="blockdevices/")]
    assert run("plan", "--machine", "esx01", maas=ready)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--machine", "a", "--answers", "b"),
        ("--machine", "a", "--curtin-config", "b"),
        ("--answers", "a", "--save", "b"),
        ("--machine", "a", "--json", "--summary"),
        ("--machine", "a", "--release", "nine"),
        ("--curtin-config", "a", "--image", "esxi/8.0.3"),
        ("--curtin-config", "a", "--boot-nic", "eth0"),
        ("--curtin-config", "a", "--profile", "p"),
        ("--answers", "a", "--maas-url", "http://m:5240/MAAS"),
        ("--answers", "a", "--insecure"),
    ],
)
def test_a_wrong_command_line_is_status_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("plan", *arguments)[0] == 2


def test_a_nic_that_the_machine_has_not_is_refused(run: Run, ready: Site) -> None:
    status, _, err = run("plan", "--machine", "esx01", "--boot-nic", "eth9", maas=ready)
    assert status == 1
    assert "no NIC eth9" in err
    assert "eth0" in err


def test_text_from_maas_does_not_drive_the_terminal(run: Run, ready: Site) -> None:
    resource = next(iter(ready.region.resources.values()))
    resource.title = "evil \x1b[2J\x07 title\u202e"
    ready.region.nodes.machines["abc123"].own["status_name"] = "Ready\x1b]0;x"
    _, out, err = run("plan", "--machine", "esx01", maas=ready)
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in out + err


def test_the_page_is_written_too(run: Run, ready: Site, tmp_path: Path) -> None:
    status, out, err = run("plan", "--machine", "esx01", "--json", "--html", tmp_path / "p.html", maas=ready)
    assert status == 0
    assert f"note: the page is in {tmp_path / 'p.html'}\n" in err
    assert json.loads(out), "the note is not among the output for programs"
    page = (tmp_path / "p.html").read_text()
    assert "bond7.10" in page
    assert "<h1>esx01.maas (abc123)</h1>" in page


@pytest.mark.parametrize("options", [(), ("--json",), ("--summary",)])
def test_the_page_is_written_for_a_machine_that_is_refused_too(
    run: Run, ready: Site, tmp_path: Path, options: tuple[str, ...]
) -> None:
    bond = next(one for one in ready.region.nodes.machines["abc123"].documents["interfaces"] if one["type"] == "bond")
    bond["params"]["bond_mode"] = "balance-tlb"
    status, _, err = run("plan", "--machine", "esx01", *options, "--html", tmp_path / "p.html", maas=ready)
    assert status == 1, err
    assert "balance-tlb" in (tmp_path / "p.html").read_text()
