"""Outputs have the shape of real ones, and every formatter tells the same."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.esxi.esxcli import normal, parse_keyvalue
from standin.esxi import FakeEsxi

SAMPLES = (Path(__file__).parents[1] / "data/esxi/esxcli-outputs.txt").read_text(encoding="utf-8")
LISTS = [
    "network nic list",
    "network vswitch standard list",
    "network vswitch standard portgroup list",
    "network vswitch standard policy failover get -v vSwitch0",
    "network ip interface list",
    "network ip interface ipv4 get",
    "network ip interface ipv6 get",
    "network ip interface ipv6 address list",
    "network ip interface tag get -i vmk0",
    "network ip route ipv4 list",
    "network ip route ipv6 list",
    "network ip dns server list",
    "network ip dns search list",
    "network ip netstack list",
    "network firewall get",
    "network firewall ruleset list",
    "network firewall ruleset rule list",
    "network firewall ruleset allowedip list",
    "system version get",
    "system hostname get",
    "system ntp get",
    "system boot device get",
    "storage core device list",
    "storage core device partition list",
    "storage core adapter list",
    "storage filesystem list",
    "storage vmfs extent list",
]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeEsxi:
    return FakeEsxi.create(str(tmp_path_factory.mktemp("outputs")), json_strings=False)


def answer(fake: FakeEsxi, *words: str) -> str:
    result = fake.run(["esxcli", *words])
    assert result.status == 0, result
    return result.stdout


def as_texts(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return [as_texts(one) for one in value] if isinstance(value, list) else str(value)


def from_json(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    rows = [document] if isinstance(document, dict) else document
    return [{normal(key): as_texts(value) for key, value in row.items()} for row in rows]


def from_keyvalue(text: str) -> list[dict[str, Any]]:
    return [dict(record.values) for record in parse_keyvalue(text)]


def from_csv(text: str) -> list[dict[str, Any]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0].endswith(",")  # as on a real host
    return [{normal(key): value for key, value in row.items() if key} for row in rows]


def joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lists as the text that CSV makes of them."""
    return [{k: ",".join(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]


def from_text(text: str) -> list[dict[str, str]]:
    """Tables by their rule of dashes, blocks by their lines."""
    lines = text.splitlines()
    if len(lines) > 1 and re.fullmatch(r"-[- ]*", lines[1]):
        spans = [match.span() for match in re.finditer(r"-+", lines[1])]
        names = [normal(lines[0][first:last]) for first, last in spans]
        return [
            dict(zip(names, (line[first:last].strip() for first, last in spans), strict=True)) for line in lines[2:]
        ]
    rows: list[dict[str, str]] = []
    for line in lines:
        if not line.startswith(" ") or not rows:
            rows.append({})
        if line.startswith(" "):
            name, _, value = line.strip().partition(":")
            rows[-1][normal(name)] = value.strip()
    return [row for row in rows if row]


@pytest.mark.parametrize("line", LISTS)
def test_every_formatter_tells_the_same(fake: FakeEsxi, line: str) -> None:
    rows = from_json(answer(fake, "--formatter=json", *line.split()))
    assert rows
    assert from_keyvalue(answer(fake, "--formatter=keyvalue", *line.split())) == rows
    assert from_csv(answer(fake, "--formatter", "csv", *line.split())) == joined(rows)
    shown = from_text(answer(fake, *line.split()))
    flat = [{key: value.replace(",", ", ") for key, value in row.items()} for row in joined(rows)]
    assert [{key: row[key] for key in seen} for row, seen in zip(flat, shown, strict=True)] == shown


def test_both_spellings_of_json_keys(tmp_path: Path) -> None:
    command = ["esxcli", "--formatter=json", "network", "nic", "list"]
    blanks = FakeEsxi.create(str(tmp_path / "a"), json_blanks=True, json_strings=False)
    together = FakeEsxi.create(str(tmp_path / "b"), json_blanks=False, json_strings=True)
    assert json.loads(blanks.run(command).stdout)[0]["MAC Address"] == "52:54:00:00:00:01"
    assert json.loads(blanks.run(command).stdout)[0]["Speed"] == 10000
    assert json.loads(together.run(command).stdout)[0]["MACAddress"] == "52:54:00:00:00:01"
    assert json.loads(together.run(command).stdout)[0]["Speed"] == "10000"


def sample(heading: str) -> list[str]:
    """The lines below the heading that starts so."""
    found = re.search(r"^##### " + re.escape(heading) + r".*\n((?:(?!#####).*\n)*)", SAMPLES, re.MULTILINE)
    assert found, heading
    return found.group(1).splitlines()


def labels_of(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines if line.startswith("   ")]


@pytest.mark.parametrize(
    "line",
    ["network vswitch standard list", "network ip interface list", "storage core device list", "network firewall get"],
)
def test_blocks_have_the_fields_of_real_ones_in_their_order(fake: FakeEsxi, line: str) -> None:
    real = labels_of(sample("esxcli " + line))
    ours = labels_of(answer(fake, *line.split()).splitlines())
    assert ours[: len(real)] == real


@pytest.mark.parametrize(
    "line",
    [
        "network nic list",
        "network vswitch standard portgroup list",
        "network ip interface ipv4 get",
        "storage filesystem list",
        "storage vmfs extent list",
    ],
)
def test_tables_have_the_columns_of_real_ones(fake: FakeEsxi, line: str) -> None:
    real, ours = sample("esxcli " + line), answer(fake, *line.split()).splitlines()
    assert re.split(r"  +", ours[0].strip()) == re.split(r"  +", real[0].strip())
    assert re.fullmatch(r"(-+(  )?)+", ours[1])


def test_numbers_and_truths_stand_on_the_right_as_in_real_tables(fake: FakeEsxi) -> None:
    real, ours = (
        sample("esxcli network vswitch standard portgroup list"),
        answer(fake, *["network", "vswitch", "standard", "portgroup", "list"]).splitlines(),
    )
    assert ours == real


def test_a_host_without_nics_shows_a_table_without_rows(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path))
    with fake.edit() as host:
        for nic in host.hardware["nics"]:
            nic["driver"] = ""
    assert answer(fake, "network", "nic", "list").splitlines() == [
        line.rstrip() for line in sample("localcli network nic list, no NIC at all")
    ]


def test_keyvalue_names_structures_fields_and_kinds(fake: FakeEsxi) -> None:
    lines = answer(fake, *["--formatter=keyvalue", "network", "vswitch", "standard", "list"]).splitlines()
    assert "structure[0].VirtualSwitch.BeaconRequiredBy.string[] = " in lines
    assert "structure[0].VirtualSwitch.MTU.integer=1500" in lines
    assert "structure[0].VirtualSwitch.Uplinks.string[0].string=vmnic0" in lines
    version = answer(fake, *["--formatter=keyvalue", "system", "version", "get"])
    assert "VersionGet.Version.string=8.0.3\n" in version
