"""ESXi's rule for root passwords."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.formats.password_rules import hash_problems, is_weak_hash, password_problems, password_warnings

CLASSES = (
    "it counts as {} of the four classes (capitals, small letters, digits, others); three are needed, and a capital at "
    "the start and a digit at the end do not count."
)


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("VMware1!", []),  # In countless public kickstarts: ESXi takes it.
        ("xY7GqzpLm", []),
        ("correct horse 9 B", []),
        ("Xqgzpmw7", [CLASSES.format(1)]),
        ("xqGzpmw7", [CLASSES.format(2)]),
        ("xq7zpMw", []),
        ("Xq7zpmw", [CLASSES.format(2)]),
        ("aB3-", ["it has 4 characters; at least 7 are needed."]),
        ("aB3-" * 10, ["it has 40 characters; at most 39 are allowed."]),
        ("aB3-" * 9 + "xyz", []),
        ("aB3-äöüß", ["it has characters other than printable ASCII."]),
        ("", ["it has 0 characters; at least 7 are needed.", CLASSES.format(0)]),
    ],
)
def test_all_reasons_are_given(password: str, problems: list[str]) -> None:
    assert password_problems(password) == problems


@pytest.mark.parametrize("password", ["P@ssw0rd!x", "xdrowssap1", "vmware-7", "Qwertyuiop1!", "aaBaaB1a"])
def test_passwords_that_everybody_tries_first_are_warned_of(password: str) -> None:
    assert len(password_warnings(password)) == 1


@pytest.mark.parametrize("password", ["xY7GqzpLm", "vmware-but-with-More-9s-in-it"])
def test_others_are_not(password: str) -> None:
    assert password_warnings(password) == []


@pytest.mark.parametrize("kind", ["-1", "-6"])
def test_hashes_of_openssl_are_taken(kind: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run(
        ["openssl", "passwd", kind, "-stdin"], input="xY7GqzpLm\n", capture_output=True, text=True, check=True
    )
    assert hash_problems(done.stdout.strip()) == []
    assert is_weak_hash(done.stdout.strip()) == (kind == "-1")


@pytest.mark.parametrize(
    ("hashed", "problem"),
    [
        ("", "it is not a hash as crypt(3) writes them: $6$, a salt, $ and 86 characters."),
        ("secret", "it is not a hash as crypt(3) writes them: $6$, a salt, $ and 86 characters."),
        ("$6$salt$short", "it starts like a $6$ hash, but its salt or its length is not right."),
        ("$1$" + "a" * 9 + "$" + "a" * 22, "it starts like a $1$ hash, but its salt or its length is not right."),
        ("$5$salt$" + "a" * 43, "it is a $5$ hash; ESXi takes $6$ (SHA-512) and, weak as it is, $1$ (MD5)."),
        ("$y$j9T$abc$def", "it is a $y$ hash; ESXi takes $6$ (SHA-512) and, weak as it is, $1$ (MD5)."),
    ],
)
def test_other_hashes_are_refused(hashed: str, problem: str) -> None:
    assert hash_problems(hashed) == [problem]


@given(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert all(isinstance(problem, str) for problem in password_problems(text) + password_warnings(text))
    hash_problems(text)
