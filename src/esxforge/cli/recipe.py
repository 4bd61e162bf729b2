"""``esxforge recipe``: the schema for editors, and an example to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli.help import App
from esxforge.cli.maas_options import JsonOption

app = App(help="Print the recipe's schema or an example, or check a recipe.")


@app.command()
def schema() -> None:
    """Print the JSON schema of esxforge.toml, for editors."""
    from esxforge.cli.render import print_json
    from esxforge.recipe.describe import schema as recipe_schema

    print_json(recipe_schema())


@app.command()
def example() -> None:
    """Print an esxforge.toml with every key, its default and its meaning."""
    from esxforge.recipe.describe import example as recipe_example

    sys.stdout.write(recipe_example())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Recipe (esxforge.toml).", show_default=False, readable=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Check a recipe and list all its errors."""
    from esxforge.cli.render import print_json
    from esxforge.recipe.load import load_recipe

    load_recipe(file)
    sys.stderr.write(f"{file}: no errors\n")
    if as_json:
        print_json({"file": str(file), "problems": []})
