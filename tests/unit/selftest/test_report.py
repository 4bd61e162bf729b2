"""The report is whole, the same for people and programs, says whose ISO it was, and holds nothing of its owner."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from esxforge.errors import OutputError
from esxforge.selftest.claims import CLAIMS, judge
from esxforge.selftest.evidence import Stage, Stop
from esxforge.selftest.redaction import ReportRedactor, redactor_here
from esxforge.selftest.report import STANDIN_NOTICE, document, markdown
from esxforge.selftest.verdicts import VerdictStatus
from esxforge.selftest.written import reserve_report, write_report
from unit.selftest.made_up import answer, good, told, until, with_boot


def test_the_document_is_json_and_has_every_claim() -> None:
    run = good()
    made = document(run, judge(run))
    assert json.loads(json.dumps(made)) == made
    assert [claim["id"] for claim in made["claims"]] == [claim.id for claim in CLAIMS]
    assert made["ok"] is True
    assert sum(made["summary"].values()) + made["not_part_of_this_run"] == len(CLAIMS)


def test_people_read_what_programs_read() -> None:
    run = good()
    made = document(run, judge(run))
    text = markdown(made)
    for claim in made["claims"]:
        assert f"`{claim['id']}`" in text
    assert run.subject.iso_sha256 in text
    assert "**Good**" in text
    assert "$ esxcli" in text


def test_a_standin_cannot_be_mistaken() -> None:
    run = good()
    standin = replace(run, subject=replace(run.subject, is_standin=True))
    made = document(standin, judge(standin))
    assert made["standin"] is True
    assert STANDIN_NOTICE in markdown(made)
    assert STANDIN_NOTICE not in markdown(document(run, judge(run)))


def test_the_end_of_a_console_is_shown_where_it_went_wrong_only() -> None:
    run = until(
        with_boot(
            good(), Stage.INSTALL, stop=Stop.STUCK, console="a | pipe\n<b>\nthe last word", diagnosis="It <sticks>."
        ),
        Stage.FIRST_BOOT,
    )
    text = markdown(document(run, judge(run)))
    assert "    the last word" in text
    assert "It &lt;sticks&gt;." in text
    assert "End of the console, 1-interactive" not in text


def test_a_cell_of_a_table_stays_one() -> None:
    run = with_boot(until(good(), Stage.FIRST_BOOT), Stage.INSTALL, stop=Stop.TIMED_OUT, diagnosis="one | two\nthree")
    text = markdown(document(run, judge(run)))
    assert "one \\| two three" in text
    assert "| one | two" not in text
    assert "\nthree" not in text


def test_paths_names_and_secrets_are_taken_out_wherever_they_stand() -> None:
    redactor = ReportRedactor(
        {"/home/jane": "[home]", "/home/jane/work/esxforge-x": "[work]"},
        {"workhorse": "[computer]", "jane": "[user]", "root": "[user]", "ab": "[user]"},
        ["s3cr3t.key"],
    )
    given = {
        "a": ["/home/jane/work/esxforge-x/serial.log", "/home/janet/x", "on workhorse.example: jane said s3cr3t.key"],
        "jane": {"n": 7, "t": True, "x": None},
        "b": "root, ab, janet, workhorses",
    }
    assert redactor.document(given) == {
        "a": ["[work]/serial.log", "/home/janet/x", "on [computer].example: [user] said [secret]"],
        "[user]": {"n": 7, "t": True, "x": None},
        "b": "root, ab, janet, workhorses",
    }


def test_this_computer_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "workhorse.example")
    monkeypatch.setattr("getpass.getuser", lambda: "jane")
    monkeypatch.setenv("HOME", "/home/jane")
    redactor = redactor_here({tmp_path: "[work]"}, ["secret"])
    text = redactor.text(f"{tmp_path}/x /home/jane/y workhorse workhorse.example jane secret")
    assert text == "[work]/x [home]/y [computer] [computer] [user] [secret]"


@pytest.mark.parametrize("name", ["report", "report.md", "report.json"])
def test_the_files_are_written_beside_each_other_with_the_pictures(name: str, tmp_path: Path) -> None:
    run = good()
    made = document(run, judge(run))
    pictures, place = tmp_path / "work", tmp_path / "out"
    pictures.mkdir()
    place.mkdir()
    (pictures / "2-install-end.png").write_bytes(b"\x89PNG")
    with reserve_report(place / name, overwrite=False) as files:
        write_report(files, made, pictures)
    assert sorted(path.name for path in place.rglob("*")) == [
        "2-install-end.png",
        "report-screens",
        "report.json",
        "report.md",
    ]
    assert json.loads((place / "report.json").read_text("utf-8")) == made
    with pytest.raises(OutputError, match="exists already"), reserve_report(place / name, overwrite=False):
        pass
    with reserve_report(place / name, overwrite=True) as files:
        write_report(files, made, pictures)


def test_a_file_where_the_pictures_go_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "report-screens").symlink_to("/etc")
    with pytest.raises(OutputError, match="go to the directory"), reserve_report(tmp_path / "report", overwrite=True):
        pass


def test_pictures_of_an_earlier_run_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "report-screens").mkdir()
    with reserve_report(tmp_path / "report", overwrite=False):
        pass
    (tmp_path / "report-screens" / "2-install-end.png").write_bytes(b"\x89PNG")
    with pytest.raises(OutputError, match="holds others"), reserve_report(tmp_path / "report", overwrite=False):
        pass
    with reserve_report(tmp_path / "report", overwrite=True):
        pass


def test_an_answer_of_the_host_that_cannot_be_read_costs_its_own_claim_only() -> None:
    run = good()
    assert run.told is not None
    ntp = answer({"Enabled": True, "Servers": {"Server": "192.0.2.1"}})
    verdicts = judge(replace(run, told=told(ntp=ntp)))
    odd = [verdict for verdict in verdicts.values() if "cannot be judged" in verdict.evidence]
    assert [verdict.status for verdict in odd] == [VerdictStatus.NOT_SEEN]
