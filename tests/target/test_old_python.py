"""All of esxforge_target keeps to Python 3.5, and runs on the Pythons of ESXi and Ubuntu that this machine has."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import esxforge_target
import esxforge_target.runtime.documents
from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json
from esxforge_target.plan.planner import make_plan
from standin.pythons import find_python
from target.plan.configs import SAMPLES, sample

PACKAGE = Path(esxforge_target.__file__).parent
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "vendor" not in path.parts)
VERSIONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
PLAN = """
import importlib, json, pkgutil, sys
import esxforge_target
import esxforge_target.runtime.documents
names = [m.name for m in pkgutil.walk_packages(esxforge_target.__path__, "esxforge_target.")]
for name in names:
    if ".vendor" not in name:
        importlib.import_module(name)
from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.document import inventory_from_json, inventory_to_json
from esxforge_target.runtime.documents import plain
from esxforge_target.plan.planner import make_plan
found = []
for case in json.load(sys.stdin):
    if "config" in case:
        host = desired_host_from_config(case["config"])
        assert desired_host_from_json(desired_host_to_json(host)) == host
    host = desired_host_from_json(case["desired"])
    found.append(plain(make_plan(host, inventory_from_json(case["inventory"]))))
json.dump(found, sys.stdout, sort_keys=True)
"""

# What `typing` had in Python 3.5.0, which ESXi 6.5 may have: Type, TYPE_CHECKING, Text and others came with 3.5.2.
TYPING = """
import importlib, pkgutil, sys, typing
first = (
    "AbstractSet Any AnyStr BinaryIO ByteString Callable Container Dict FrozenSet Generator Generic Hashable IO "
    "ItemsView Iterable Iterator KeysView List Mapping MappingView MutableMapping MutableSequence MutableSet "
    "NamedTuple Optional Reversible Sequence Set Sized SupportsAbs SupportsFloat SupportsInt SupportsRound TextIO "
    "Tuple TypeVar Union ValuesView cast get_type_hints no_type_check no_type_check_decorator overload"
).split()
for name in set(typing.__all__) - {"GenericMeta"}:
    if name not in first:
        delattr(typing, name)
import esxforge_target
for one in pkgutil.walk_packages(esxforge_target.__path__, "esxforge_target."):
    if ".vendor" not in one.name:
        importlib.import_module(one.name)
"""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_grammar_is_that_of_python_3_5(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if sys.version_info < (3, 12):
        ast.parse(source, feature_version=(3, 5))
    tree = ast.parse(source)
    later = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    found = [f"line {node.lineno}: {type(node).__name__}" for node in ast.walk(tree) if isinstance(node, later)]
    assert not found, found


def test_the_library_is_that_of_python_3_5() -> None:
    files = [str(path) for path in SOURCES]
    command = [
        str(Path(sys.executable).with_name("vermin")),
        "-t=3.5-",
        "--no-tips",
        "--eval-annotations",
        "--violations",
        *files,
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_all_is_imported_where_typing_is_that_of_python_3_5_0() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [find_python("3.6"), "-W", "error", "-c", TYPING]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr


def cases() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for path in SAMPLES:
        config = sample(path.stem)
        host = stamped(desired_host_from_config(config))
        now = assumed_inventory(host, "6.7.0" if "esxi67" in path.stem else "8.0.3")
        found.append({"config": config, "desired": desired_host_to_json(host), "inventory": inventory_to_json(now)})
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_real_old_pythons_make_the_same_plans(version: str) -> None:
    program = find_python(version)
    given = cases()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = subprocess.run(
        [program, "-W", "error", "-c", PLAN],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert asked.returncode == 0, asked.stderr
    expected = []
    for case in given:
        host = desired_host_from_json(str(case["desired"]))
        expected.append(
            esxforge_target.runtime.documents.plain(make_plan(host, inventory_from_json(str(case["inventory"]))))
        )
    assert json.loads(asked.stdout) == json.loads(json.dumps(expected))
