"""Keys, certificates and signed programs for tests, made by openssl and sbsign."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from esxforge.standin_iso.efi_program import build_efi_program

SNAKEOIL = Path("/usr/share/ovmf/PkKek-1-snakeoil")


@dataclass(frozen=True)
class SigningKey:
    """A key and its certificate, self-signed unless ``issuer`` made it."""

    key: Path
    certificate: Path

    @property
    def der(self) -> bytes:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(Encoding.DER)


def make_key(directory: Path, name: str, issuer: SigningKey | None = None) -> SigningKey:
    """A new RSA key with a certificate that has both key identifiers."""
    made = SigningKey(directory / f"{name}.key", directory / f"{name}.pem")
    by = ["-CA", str(issuer.certificate), "-CAkey", str(issuer.key)] if issuer else []
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/O=Tests/CN={name}", "-days", "3650",
        "-addext", "subjectKeyIdentifier=hash", "-addext", "authorityKeyIdentifier=keyid:always",
        *by, "-keyout", str(made.key), "-out", str(made.certificate))  # fmt: skip
    return made


def signed(program: bytes, key: SigningKey, directory: Path) -> bytes:
    """The program with one more signature."""
    before, after = directory / "before.efi", directory / "after.efi"
    before.write_bytes(program)
    run("sbsign", "--key", str(key.key), "--cert", str(key.certificate), "--output", str(after), str(before))
    return after.read_bytes()


def signed_program(directory: Path, *keys: SigningKey) -> bytes:
    """The stand-in's EFI program, signed with each key."""
    program = build_efi_program()
    for key in keys:
        program = signed(program, key, directory)
    return program


def run(*command: str) -> str:
    """A program's output; its failure is the test's."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def snakeoil(directory: Path) -> SigningKey:
    """Debian's key of no secrecy (package ovmf), which the variables of ``OVMF_VARS_4M.snakeoil.fd`` trust."""
    key = directory / "snakeoil.key"
    locked = SNAKEOIL.with_suffix(".key")
    run("openssl", "rsa", "-in", str(locked), "-passin", "pass:snakeoil", "-out", str(key))
    return SigningKey(key, SNAKEOIL.with_suffix(".pem"))
