"""The recipe: one model from a file and flags; every error at once, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.errors import RecipeError
from esxforge.recipe.describe import example, schema
from esxforge.recipe.load import load_recipe

CASES = Path(__file__).parents[2] / "data" / "hostile" / "recipe"


def _write(directory: Path, text: str) -> Path:
    path = directory / "esxforge.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_recipe_at_all_is_the_default_one() -> None:
    recipe = load_recipe(None)
    assert recipe.image.kind == "installer"
    assert recipe.image.sector_size == 512
    assert not recipe.install.accept_eula
    assert not recipe.root_password.given


def test_flags_lie_over_the_file_and_flags_not_given_change_nothing(tmp_path: Path) -> None:
    path = _write(tmp_path, '[image]\nformat = "raw"\nsector_size = 4096\n[maas]\nname = "esxi/8"\n')
    recipe = load_recipe(path, {"image": {"format": "ddgz"}})
    assert (recipe.image.format, recipe.image.sector_size, recipe.maas.name) == ("ddgz", 4096, "esxi/8")


def test_paths_in_the_file_are_relative_to_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "ks.cfg").touch()
    (directory / "driver.vib").touch()
    path = _write(
        directory, '[install]\nkickstart = "ks.cfg"\n[[files]]\nsource = "driver.vib"\npath = "drivers/driver.vib"\n'
    )
    recipe = load_recipe(path)
    assert recipe.install.kickstart == directory / "ks.cfg"
    assert recipe.files[0].source == directory / "driver.vib"


def test_every_error_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        """
        [image]
        kind = "gold"
        sector_sise = 512
        [install]
        kernel_options = ["ks=http://x/ks.cfg", "two words"]
        [root_password]
        hash = "secret-in-clear"
        [maas]
        name = "esxi/8/3"
        [[files]]
        source = "a"
        path = "../etc/passwd"
        """,
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    text = caught.value.message
    for piece in (
        "image.kind:",
        "image.sector_sise: unknown key; did you mean “sector_size”?",
        "install.kernel_options: ks=http://x/ks.cfg is set by esxforge itself",
        "root_password.hash: not a crypt hash",
        "maas.name: it must be esxi/",
        "files.0.path: not a relative path",
    ):
        assert piece in text
    assert len(caught.value.problems) == 6
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    assert "secret-in-clear" not in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[root_password]\nhash = "$6$a$b"\nrandom = true\n', "hash and random exclude each other"),
        ('[root_password]\npublic_key = "k.pem"\n', "public_key goes with random = true"),
        ('[vcenter]\nserver = "v"\ndatacenter = "d"\n', "the certificate is always verified"),
        ('[install]\nssh_keys = ["-----BEGIN OPENSSH PRIVATE KEY-----"]\n', "that is a private key"),
        ('[install]\nssh_keys = ["hello"]\n', "is not an SSH public key line"),
        ('[install]\nkickstart = "absent.cfg"\n', "install.kickstart: "),
        ("[image\n", "not TOML: "),
        ("[install]\naccept_eula = 'maybe'\n", "install.accept_eula: "),
        (
            '[[files]]\nsource="/dev/null"\npath="A"\n[[files]]\nsource="/dev/null"\npath="a"\n',
            "files: a is named twice",
        ),
        ("image = 3\n", "image: "),
        ('[install]\naccept_eula = "yes"\n', "install.accept_eula: Input should be a valid boolean"),
        ("[install]\naccept_eula = 1\n", "install.accept_eula: Input should be a valid boolean"),
        ('[golden]\nmemory = "8192"\n', "golden.memory: Input should be a valid integer"),
        ("[golden]\nmemory = 99999999999999999999\n", "golden.memory: Input should be less than"),
        ("[golden]\ntimeout = inf\n", "golden.timeout: "),
        ('[install]\nssh_keys = ["ssh-ed25519 AAAA"]\n', "is not an SSH public key line: "),
        ('[maas]\ntitle = "a\\u001b[2J"\n', "maas.title: it holds characters that cannot be shown"),
        ('[maas]\ntitle = "a\\u202eb"\n', "maas.title: it holds characters that cannot be shown"),
        (f'[maas]\ntitle = "{"x" * 256}"\n', "maas.title: it has more than 255 characters"),
        ('[maas]\nname = "esxi/-x"\n', "maas.name: it must be esxi/"),
        (
            '[vcenter]\nserver = "v\\u001b"\ndatacenter = "d"\nthumbprint = "00"\n',
            "vcenter.server: vcenter_server is not a host name or an address.",
        ),
        ('"a\\nb" = 1\n', "'a\\nb': unknown key."),
    ],
)
def test_each_mistake_has_its_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(_write(tmp_path, text))
    assert sentence in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tilde", "install.kickstart: "),
        ("nul", "embedded null byte"),
        ("digits", "digits.toml: "),
        ("ansi", "'a\\x1b[31mb': unknown key."),
        ("ansi2", "'x\\x1b': unknown key."),
    ],
)
def test_recipes_that_once_ended_in_a_traceback_have_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(CASES / f"{name}.toml")
    assert sentence in caught.value.message
    assert "\x1b" not in caught.value.message


def test_unreadable_binary_and_huge_recipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="There is no file"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "binary")
    (tmp_path / "huge").write_bytes(b"#" * (2 << 20))
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        load_recipe(tmp_path / "huge")


def test_the_example_is_itself_a_recipe_with_every_key(tmp_path: Path) -> None:
    text = example()
    assert load_recipe(_write(tmp_path, text)) == load_recipe(None)
    properties = {name for part in schema()["$defs"].values() for name in part["properties"]}
    assert properties
    assert [name for name in properties if f"{name} = " not in text] == []


def test_a_password_hash_is_not_shown_by_repr() -> None:
    recipe = load_recipe(None, {"root_password": {"hash": "$6$salt$verysecret"}})
    assert "verysecret" not in repr(recipe)


@given(st.text(max_size=200))
def test_no_text_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("recipe") / "esxforge.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_recipe(path)
    except RecipeError as error:
        assert error.problems  # noqa: PT017 - either outcome is right; a traceback is not
