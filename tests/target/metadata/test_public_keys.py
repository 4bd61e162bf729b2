from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esxforge_target.metadata.public_keys import parse_public_keys


def keys_of_every_kind() -> list[str]:
    public: list[rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey] = [
        rsa.generate_private_key(65537, 2048).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        *(ec.generate_private_key(curve()).public_key() for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
    ]
    return [key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() for key in public]


KEYS = keys_of_every_kind()


@pytest.mark.parametrize("key", KEYS, ids=[key.split()[0] for key in KEYS])
def test_keys_made_by_another_library_are_keys(key: str) -> None:
    assert parse_public_keys(key).keys == (key,)
    assert parse_public_keys(key + " somebody@somewhere with blanks\r\n").keys == (
        key + " somebody@somewhere with blanks",
    )


NO_KEYS = [
    "Warning: MAAS could not be reached",
    "ssh-rsa",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDexample admin@example",
    "ssh-rsa !!!!",
    "ssh-dss AAAAB3NzaC1kc3MAAACBAL",
    "<html><body>502 Bad Gateway</body></html>",
    'command="rm -rf /" ' + KEYS[1],
    KEYS[1].replace("ssh-ed25519", "ssh-rsa", 1),
    KEYS[1][:-4],
    KEYS[1] + "\x1b[2J",
    KEYS[0].split()[0] + " " + KEYS[1].split()[1],
    "\x00",
    "x" * 20000,
]


# Keys are drawn anew by each worker, so they must not name tests.
@pytest.mark.parametrize("line", NO_KEYS, ids=range(len(NO_KEYS)))
def test_anything_else_is_named_and_dropped(line: str) -> None:
    result = parse_public_keys(KEYS[0] + "\n" + line)
    assert result.keys == (KEYS[0],)
    assert len(result.dropped) == 1
    assert result.dropped[0].startswith("line 2 is no SSH public key: ")


def test_each_key_comes_once() -> None:
    assert parse_public_keys("\n".join([KEYS[0], "", "# comment", KEYS[1], KEYS[0]])).keys == (KEYS[0], KEYS[1])


def test_a_short_rsa_key_is_dropped() -> None:
    public = rsa.RSAPublicNumbers(65537, (1 << 511) + 1).public_key()
    short = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert "512 bits" in parse_public_keys(short).dropped[0]


@settings(deadline=None)
@example("\r")
@example("\u2028" + KEYS[0])
@given(st.one_of(st.text(), st.text(alphabet="ssh-rdeA19 =\n#\r/+").map(lambda tail: "ssh-rsa " + tail)))
def test_whatever_comes_in_only_keys_come_out(text: str) -> None:
    for key in parse_public_keys(text).keys:
        load_ssh_public_key(key.encode())


@settings(deadline=None)
@given(st.sampled_from(KEYS), st.data())
def test_a_damaged_key_is_no_key_or_still_one_for_openssh(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 1))
    damaged = key[:place] + data.draw(st.characters()) + key[place + 1 :]
    for line in parse_public_keys(damaged).keys:
        kind, blob = line.split()[:2]
        assert kind in {known.split()[0] for known in KEYS}
        assert len(blob) > 60
