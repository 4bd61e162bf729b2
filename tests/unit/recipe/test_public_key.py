from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from esxforge.errors import RecipeError
from esxforge.recipe.public_key import read_public_key

PRIVATE = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.PKCS1),
        (Encoding.OpenSSH, PublicFormat.OpenSSH),
    ],
)
def test_a_key_in_each_usual_form_is_read(encoding: Encoding, form: PublicFormat) -> None:
    key = read_public_key(b"\n" + PRIVATE.public_key().public_bytes(encoding, form) + b"\n", "key.pub")
    numbers = PRIVATE.public_key().public_numbers()
    assert (key.modulus, key.exponent) == (numbers.n, numbers.e)


def refused(data: bytes) -> RecipeError:
    with pytest.raises(RecipeError, match=r"key\.pub") as caught:
        read_public_key(data, "key.pub")
    assert "2048 bits" in caught.value.hint
    return caught.value


def test_other_things_are_named() -> None:
    ssh = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    short = rsa.RSAPublicNumbers(65537, (1 << 1023) + 1).public_key()
    assert "not RSA" in str(refused(ssh))
    assert "1024 bits" in str(refused(short.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)))
    assert "age key" in str(refused(b"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"))
    for data in (b"", b"\xff\x00", b"ssh-rsa AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        assert "no public key" in str(refused(data))


def test_a_private_key_is_refused_and_not_repeated() -> None:
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    error = refused(pem)
    assert pem.splitlines()[1].decode() not in repr(error) + error.hint
