"""The public key to which hosts encrypt their random root password.

RSA only. age (X25519, ChaCha20-Poly1305, HKDF) would need three more algorithms written by hand on the target, whose
Python has none of them; RSA-OAEP needs ``pow`` and SHA-256, and every owner's ``openssl`` reads the result.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

from esxforge.errors import RecipeError
from esxforge_target.runtime.passwords import PublicKey

SMALLEST_BITS = 2048
LARGEST_BITS = 16384
_HINT = (
    "Give a PEM file (openssl rsa -in KEY -pubout) or an OpenSSH line that starts with ssh-rsa, of 2048 bits or more."
)


def read_public_key(data: bytes, name: str) -> PublicKey:
    """The RSA public key in ``data``: PEM (``BEGIN PUBLIC KEY`` or ``BEGIN RSA PUBLIC KEY``) or one ``ssh-rsa`` line.

    ``name`` says in errors where it came from. Raises RecipeError; a private key is refused and never repeated.
    """
    text = data.strip()
    if b"PRIVATE KEY" in text:
        raise RecipeError([f"{name} holds a private key."], "Keep it to yourself. " + _HINT)
    if text.startswith(b"age1"):
        raise RecipeError([f"{name} holds an age key, which ESXi's Python cannot encrypt to."], _HINT)
    try:
        key = load_pem_public_key(text) if text.startswith(b"-----") else load_ssh_public_key(text)
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):  # the last for a curve's point that is compressed
        raise RecipeError([f"{name} holds no public key that can be read."], _HINT) from None
    if not isinstance(key, RSAPublicKey):
        raise RecipeError([f"{name} holds a public key that is not RSA."], _HINT)
    if not SMALLEST_BITS <= key.key_size <= LARGEST_BITS:
        raise RecipeError([f"{name} holds an RSA key of {key.key_size} bits."], _HINT)
    numbers = key.public_numbers()
    return PublicKey(numbers.n, numbers.e)
