"""esxcli's answers are read in each form that releases give them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.esxi.esxcli import CommandError, Esxcli, parse_keyvalue
from esxforge_target.runtime.commands import Result, Runner


class Answers(Runner):
    """Answers each command line with what was prepared for it, and remembers them all."""

    def __init__(self, answers: dict[str, Result]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        self.asked.append(" ".join(arguments))
        return self.answers.get(self.asked[-1], Result(1, "", "Unknown command or namespace"))


def ask(stdout: str) -> list[dict[str, object]]:
    runner = Answers({"esxcli --formatter=json network nic list": Result(0, stdout)})
    return [record.values for record in Esxcli(runner).records("network nic list")]


@pytest.mark.parametrize(
    "row",
    [
        {"MACAddress": "52:54:00:AA:00:01", "LinkStatus": "Up", "MTU": 1500},
        {"MAC Address": "52:54:00:AA:00:01", "Link Status": "Up", "MTU": "1500"},
    ],
    ids=["keys without blanks, natives", "keys with blanks, texts"],
)
def test_both_spellings_of_json_mean_the_same(row: dict[str, object]) -> None:
    runner = Answers({"esxcli --formatter=json network nic list": Result(0, json.dumps([row]))})
    (record,) = Esxcli(runner).records("network nic list")
    assert record.text("macaddress") == "52:54:00:AA:00:01"
    assert record.truth("linkstatus")
    assert record.number("mtu") == 1500


def test_one_structure_may_come_without_a_list() -> None:
    assert ask('{"Version": "8.0.3"}') == [{"version": "8.0.3"}] == ask('[{"Version": "8.0.3"}]')


def test_keyvalue_is_the_fallback() -> None:
    keyvalue = (
        "structure[0].NicEntry.Name.string=vmnic0\nstructure[0].NicEntry.MTU.integer=1500\n"
        "structure[1].NicEntry.Name.string=vmnic1\nstructure[1].NicEntry.Uplinks.string[0].string=a\n"
        "structure[1].NicEntry.Uplinks.string[1].string=b\nstructure[1].NicEntry.Empty.string[] = \n"
    )
    runner = Answers(
        {
            "esxcli --formatter=json network nic list": Result(0, "no JSON"),
            "esxcli --formatter=keyvalue network nic list": Result(0, keyvalue),
        }
    )
    first, second = Esxcli(runner).records("network nic list")
    assert first.number("mtu") == 1500
    assert second.names("uplinks") == ["a", "b"]
    assert second.names("empty") == []


def test_a_failure_names_command_status_and_output() -> None:
    runner = Answers({"esxcli --formatter=json network nic list": Result(1, "", "Connect to localhost failed\n")})
    with pytest.raises(CommandError) as caught:
        Esxcli(runner).records("network nic list")
    assert caught.value.message == "esxcli network nic list ended with status 1: Connect to localhost failed"
    assert caught.value.hint


def test_localcli_takes_its_place_where_hostd_is_down() -> None:
    runner = Answers({"localcli --formatter=json network nic list": Result(0, "[]")})
    assert Esxcli(runner, "localcli").records("network nic list") == []


@settings(deadline=None)
@given(st.text())
def test_keyvalue_of_any_kind_is_read_without_a_traceback(text: str) -> None:
    parse_keyvalue(text)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_json_of_any_shape_is_read_or_is_an_error(document: object) -> None:
    try:
        records = ask(json.dumps(document))
    except CommandError:
        return
    assert isinstance(records, list)
