"""docs/recipe.md, the example, the schema and the flags are made from the declaration of each setting."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
import typer.main

from esxforge.cli.main import app
from esxforge.recipe.describe import example, flags_page, keys_page, schema
from esxforge.recipe.load import load_recipe
from esxforge.recipe.model import Recipe
from esxforge.recipe.setting import Key, flags_of, tables_of

PAGE = Path(__file__).parents[3] / "docs" / "recipe.md"
RENEW = "renew it: ESXFORGE_RENEW_GOLDEN=1 .venv/bin/pytest tests/unit/recipe/test_describe.py"
KEYS = [key for table in tables_of(Recipe) for key in table.keys]


def _with_tables(page: str) -> str:
    for name, table in {"flags": flags_page(), "keys": keys_page()}.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        page = f"{before}<!-- {name} -->\n{table}<!-- end -->{rest.partition('<!-- end -->')[2]}"
    return page


def test_the_tables_of_the_page_are_made_from_the_declarations() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {"<!-- flags -->", "<!-- keys -->"} <= set(page.splitlines())
    if os.environ.get("ESXFORGE_RENEW_GOLDEN"):
        PAGE.write_text(_with_tables(page), encoding="utf-8")
    assert page == _with_tables(page), RENEW


def test_the_page_names_every_key_with_its_default() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert '| `kind` | `"installer"`, `"golden"` | `"installer"` |' in page
    assert "| `disk_size` | number | 32; 10 for 6.x |" in page
    assert "| `source` | path | required |" in page
    assert all(f"| `{key.name}` |" in page for key in KEYS)


def _options(verb: str) -> dict[str, Any]:
    command: Any = typer.main.get_command(app)
    return {name: option for option in command.commands[verb].params for name in option.opts}


@pytest.mark.parametrize("verb", ["build", "capture"])
def test_each_declared_flag_is_an_option_with_the_declared_help_and_choices(verb: str) -> None:
    command: Any = typer.main.get_command(app)
    options = _options(verb)
    for key in flags_of(Recipe, verb):
        shown, text = options[key.setting.flag].get_help_record(typer.Context(command.commands[verb]))
        assert text.startswith(key.setting.help)
        assert not key.choices or shown == f"{key.setting.flag} <{'|'.join(map(str, key.choices))}>"


def test_the_default_that_the_help_names_is_the_one_of_the_recipe() -> None:
    assert "[default: installer]" in _options("build")["--kind"].help
    assert "[default: 512]" in _options("build")["--sector-size"].help
    assert "[default: 60; 360 without KVM]" in _options("build")["--timeout"].help


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.place)
def test_each_key_is_described_in_the_example_and_the_schema(key: Key) -> None:
    assert re.search(rf"^(# )?{key.name} = .*  # {re.escape(key.setting.help)}$", example(), re.M)
    described = [
        table["properties"][key.name]["description"]
        for table in schema()["$defs"].values()
        if key.name in table["properties"]
    ]
    assert key.setting.help in described


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.default is None or key.default is MISSING], ids=lambda key: key.place
)
def test_a_key_without_a_default_has_an_example(key: Key) -> None:
    assert key.setting.example


def test_the_example_is_a_valid_recipe_of_defaults(tmp_path: Path) -> None:
    (tmp_path / "esxforge.toml").write_text(example(), encoding="utf-8")
    assert load_recipe(tmp_path / "esxforge.toml") == load_recipe(None)


def test_the_declarations_need_nothing_that_is_slow_to_import() -> None:
    script = (
        "import sys; import esxforge.recipe.model as model; from esxforge.recipe.setting import tables_of\n"
        "tables_of(model.Recipe); print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
