from __future__ import annotations

import base64
import pickle
import shutil
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st
from passlib.hash import sha512_crypt

import esxforge_target
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.passwords import Password, PublicKey, draw_password, encrypt, hash_password
from standin.pythons import find_python, run_on

PRIVATE = rsa.generate_private_key(65537, 2048)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
SALTS = st.text("./" + string.digits + string.ascii_letters, min_size=1, max_size=16)


def public(private: rsa.RSAPrivateKey) -> PublicKey:
    numbers = private.public_key().public_numbers()
    return PublicKey(numbers.n, numbers.e)


def test_a_drawn_password_meets_esxis_rule() -> None:
    drawn = {draw_password().reveal() for _ in range(300)}
    assert len(drawn) == 300
    for text in drawn:
        counted = text[1:] if text[0].isupper() else text
        counted = counted[:-1] if counted[-1].isdigit() else counted
        classes: list[Callable[[str], bool]] = [str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum()]
        assert all(any(kind(char) for char in counted) for kind in classes)
        assert 7 <= len(text) <= 39
        assert not set(text) & set("'\"\\$` !#&|;<>:@/")


def test_every_character_is_as_likely() -> None:
    """Each possible byte is given once: what maps to a character must be equally many of them."""
    from esxforge_target.runtime import passwords

    for limit in (2, 23, 25, 62, 64, 256):
        counts = [0] * limit
        for value in range(256):
            stream = iter([value, 0])
            counts[passwords._below(limit, lambda _: bytes([next(stream)]))] += 1  # noqa: B023  used at once
        assert len(set(counts[1:])) == 1


def test_the_specifications_own_example() -> None:
    assert hash_password(Password("Hello world!"), "saltstring") == (
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
    )


@settings(deadline=None, max_examples=25)
@example("", "x")
@example("x" * 200, "saltsaltsaltsalt")
@example("p\u00e4ssw\u00f6rd", "./")
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=70), SALTS)
def test_hashes_are_those_of_another_implementation(text: str, salt: str) -> None:
    assert hash_password(Password(text), salt) == sha512_crypt.using(salt=salt, rounds=5000).hash(text)


def test_a_drawn_salt_verifies_elsewhere() -> None:
    drawn = draw_password()
    first, second = hash_password(drawn), hash_password(drawn)
    assert first != second
    assert sha512_crypt.verify(drawn.reveal(), first)
    assert not sha512_crypt.verify(drawn.reveal() + "x", second)


@pytest.mark.parametrize("salt", ["x" * 17, "a$b", "ü"])
def test_a_bad_salt_is_refused(salt: str) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        hash_password(Password("x"), salt)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_is_encrypted_here_is_read_by_another_library(text: str) -> None:
    assert PRIVATE.decrypt(base64.b64decode(encrypt(Password(text), public(PRIVATE))), OAEP).decode() == text


@pytest.mark.parametrize("bits", [2049, 3072])
def test_other_key_sizes_work_and_each_message_differs(bits: int) -> None:
    private = rsa.generate_private_key(65537, bits)
    both = [encrypt(Password("same"), public(private)) for _ in range(2)]
    assert both[0] != both[1]
    assert [private.decrypt(base64.b64decode(text), OAEP) for text in both] == [b"same"] * 2


def test_openssl_reads_it_as_the_documentation_says(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine")
    key = tmp_path / "key.pem"
    key.write_bytes(PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = subprocess.run(
        [
            openssl,
            "pkeyutl",
            "-decrypt",
            "-inkey",
            str(key),
            "-pkeyopt",
            "rsa_padding_mode:oaep",
            "-pkeyopt",
            "rsa_oaep_md:sha256",
        ],
        input=base64.b64decode(encrypt(Password("Secret-1"), public(PRIVATE))),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"Secret-1"


def test_keys_that_must_not_be_used_are_refused() -> None:
    for key in (PublicKey((1 << 1023) + 1, 65537), PublicKey(public(PRIVATE).modulus, 1), PublicKey(0, 3)):
        with pytest.raises(ForgeError, match="too weak"):
            encrypt(Password("x"), key)
    with pytest.raises(ForgeError, match="does not fit"):
        encrypt(Password("x" * 191), public(PRIVATE))
    assert PRIVATE.decrypt(base64.b64decode(encrypt(Password("x" * 190), public(PRIVATE))), OAEP) == b"x" * 190


def test_a_password_shows_nowhere() -> None:
    password = Password("hunter2")
    assert "hunter2" not in repr(password) + str(password) + f"{password}"
    with pytest.raises(TypeError):
        pickle.dumps(password)


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_the_pythons_of_real_hosts_agree(version: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    numbers = PRIVATE.public_key().public_numbers()
    script.write_text(
        "from esxforge_target.runtime.passwords import *\n"
        "print(hash_password(Password('Secret-1'), 'salt'), len(draw_password().reveal()))\n"
        f"print(encrypt(Password('Secret-1'), PublicKey({numbers.n}, {numbers.e})))\n"
    )
    done = run_on(find_python(version), script, path=[Path(esxforge_target.__file__).parents[1]])
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == hash_password(Password("Secret-1"), "salt") + " 24"
    assert PRIVATE.decrypt(base64.b64decode(second), OAEP) == b"Secret-1"
