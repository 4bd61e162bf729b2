"""Every input that went wrong once, and a short run of each target: the outcome is a value, or an error in words."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from esxforge_target.runtime.errors import ForgeError, FormatError
from fuzz import __main__ as fuzzing
from fuzz.target import CASES, Target

SOURCES = Path(__file__).parents[2] / "src"
CASE_FILES = [(target, path) for target in fuzzing.TARGETS for path in target.cases]


@pytest.mark.parametrize(
    ("target", "path"), CASE_FILES, ids=[f"{target.name}/{path.name}" for target, path in CASE_FILES]
)
def test_what_went_wrong_once_has_an_error_in_words(target: Target, path: Path) -> None:
    with suppress(ForgeError):
        target.run(path.read_bytes())


def test_every_case_belongs_to_a_target() -> None:
    assert {path.name for path in CASES.iterdir()} <= {target.name for target in fuzzing.TARGETS}


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.name)
def test_good_inputs_are_read_and_a_few_changes_are_told(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fuzzing.Run(target, Random(5))  # noqa: S311
    run.go(cases=25)
    assert run.findings == {}
    assert run.outcomes


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 511, 512, 513, 1024])
def test_a_target_can_change_inputs_of_every_size(target: Target, size: int) -> None:
    """A change may cut an input down to nothing, and the next one starts from there."""
    random = Random(size)  # noqa: S311
    for content in (bytes(size), random.randbytes(size), target.seeds()[0][:size]):
        data = content
        for _ in range(60):
            data = target.mutate(random, data if len(data) < 8192 else content)


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"[]", b"{}", b"{", b'{"a": [1]}', b"\xff\n"], ids=repr)
def test_a_target_takes_inputs_that_have_nothing_of_its_format(target: Target, data: bytes) -> None:
    """libFuzzer begins with an empty one."""
    with suppress(ForgeError):
        target.run(data)


def test_a_traceback_is_a_finding_whose_input_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        if data != b"good":
            raise KeyError("x")

    monkeypatch.chdir(tmp_path)
    run = fuzzing.Run(Target("broken", broken, lambda: [b"good"], lambda _, data: data + b"!", ()), Random(5))  # noqa: S311
    run.go(cases=10)
    (path,) = run.findings.values()
    assert path.read_bytes().startswith(b"good!")


def test_an_error_in_words_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(data: bytes) -> None:
        raise FormatError(f"no: {len(data)}")

    monkeypatch.chdir(tmp_path)
    run = fuzzing.Run(Target("strict", strict, lambda: [b"good"], lambda _, data: data + b"!", ()), Random(5))  # noqa: S311
    run.go(cases=10)
    assert run.findings == {}
    assert run.outcomes == {"FormatError: no: …"}


def test_a_change_that_fails_is_reported_as_the_fuzzers_own_defect_and_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(random: Random, data: bytes) -> bytes:
        if random.random() < 0.5:
            raise IndexError("none left")
        return data + b"!"

    monkeypatch.chdir(tmp_path)
    run = fuzzing.Run(Target("careless", lambda _: None, lambda: [b"good"], careless, ()), Random(5))  # noqa: S311
    run.go(cases=50)
    assert run.count == 50
    (what,) = run.findings
    assert what.startswith("the fuzzer's own change failed: IndexError at test_cases.py:")


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[list[bytes]] = []
    for _ in range(2):
        inputs: list[bytes] = []
        target = next(one for one in fuzzing.TARGETS if one.name == "boot-cfg")
        watched = Target(target.name, inputs.append, target.seeds, target.mutate, ())
        fuzzing.Run(watched, Random("18 boot-cfg")).go(cases=200)  # noqa: S311
        seen.append(inputs)
    assert seen[0] == seen[1]


FIRST_INPUTS = """
from hashlib import sha256
from fuzz import documents, machines
for target in (*documents.TARGETS, *machines.TARGETS):
    print(target.name, sha256(b"|".join(target.seeds())).hexdigest())
"""


def test_the_first_inputs_are_the_same_in_each_process(tmp_path: Path) -> None:
    """They depend neither on random identifiers of the stand-in nor on the names of temporary directories."""
    found = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": ":".join([str(Path(__file__).parents[1]), *filter(None, sys.path)]),
            "PYTHONHASHSEED": "0",
            "TMPDIR": str(tmp_path / name),
        }
        command = [sys.executable, "-c", FIRST_INPUTS]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout.splitlines())
    assert len(found[0]) > 20
    assert found[0] == found[1]


def test_names_of_targets_may_follow_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["fuzz", "0", "--cases", "30", "--seed", "5", "screen", "endpoint"])
    assert fuzzing.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 5"
    assert [line.split()[:2] for line in lines[1:3]] == [["endpoint", "30"], ["screen", "30"]]


@pytest.mark.parametrize("arguments", [["0"], ["5", "no-such-reader"]])
def test_a_run_that_would_look_at_nothing_is_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz", *arguments])
    with pytest.raises(SystemExit, match="2"):
        fuzzing.main()


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.name)
def test_a_target_names_functions_that_are_there(target: Target) -> None:
    for module in target.modules:
        path, _, names = module.partition(":")
        tree = ast.parse((SOURCES / path).read_text("utf-8"))
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        for one in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            there |= {f"{one.name}.{node.name}" for node in one.body if isinstance(node, ast.FunctionDef)}
        assert set(filter(None, names.split(","))) <= there, module
