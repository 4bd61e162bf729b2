"""What the person wants, as one frozen model. ``esxforge.toml`` and the flags of ``build`` both end up here.

Each field's description is what ``esxforge recipe schema`` and ``esxforge recipe example`` show.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from esxforge.formats.image_names import name_problem, title_problem
from esxforge_target.runtime.documents import shown

_CRYPT_HASH = re.compile(r"\$(1|6)\$[!-9;-~]{1,1000}\Z")
_HOST_PATH = re.compile(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*\Z")
# What the tool sets itself in kernelopt: a person's own would fight it.
_OWN_KERNEL_OPTIONS = ("ks=", "ks", "runweasel", "cdromBoot", "systemMediaSize=", "autoPartitionOSDataSize=")


_Word = Annotated[str, Field(max_length=255)]
# A text or a number in their place is a mistake, above all where something is accepted.
_Truth = Annotated[bool, Field(strict=True)]
_Number = Annotated[int, Field(strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class ImageRecipe(_Model):
    """The image file."""

    kind: Literal["installer", "golden"] = Field("installer", description="What MAAS writes to the disk.")
    format: Literal["ddgz", "raw"] = Field("ddgz", description="ddgz for MAAS; raw is a sparse disk file.")
    sector_size: Literal[512, 4096] = Field(512, description="4096 only for hosts whose boot disk has 4Kn sectors.")


class RootPasswordRecipe(_Model):
    """Root's password: exactly one of hash, file and random; or none, where the kickstart has ``rootpw``."""

    hash: str | None = Field(None, description="A crypt hash: $6$… (or $1$…).", repr=False)
    file: Path | None = Field(None, description="A file whose first line is the password in clear.")
    random: _Truth = Field(False, description="Each host gets a random one; root is left to SSH keys and vCenter.")
    public_key: Path | None = Field(
        None, description="With random: an RSA public key (PEM); each host reports its password encrypted to it."
    )

    @field_validator("hash")
    @classmethod
    def _hash_is_crypt(cls, value: str | None) -> str | None:
        if value is not None and not _CRYPT_HASH.match(value):
            raise ValueError("not a crypt hash that ESXi takes; make one with: openssl passwd -6")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> RootPasswordRecipe:
        named = [name for name in ("hash", "file", "random") if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} exclude each other; keep one")
        if self.public_key is not None and not self.random:
            raise ValueError("public_key goes with random = true")
        return self

    @property
    def given(self) -> bool:
        """Whether the recipe says anything of the password."""
        return self.hash is not None or self.file is not None or self.random


class InstallRecipe(_Model):
    """How VMware's installer runs on each host."""

    accept_eula: _Truth = Field(False, description="true: you have read VMware's EULA and accept it.")
    kickstart: Path | None = Field(None, description="Your own KS.CFG; checked, kept and merged with what is added.")
    kernel_options: tuple[_Word, ...] = Field(
        (), description="Further kernel options, e.g. allowLegacyCPU=true.", max_length=128
    )
    system_media_size: Literal["auto", "min", "small", "default", "max"] = Field(
        "auto", description="Space ESXi keeps for itself (7.0U1c+); auto: the most that leaves the datastore asked for."
    )
    allow_power_off: _Truth = Field(
        False, description="true: the kickstart's scripts may switch the machine off; somebody must switch it on."
    )
    keep_boot_order: _Truth = Field(False, description="true: leave ESXi first in UEFI's boot order, not the network.")
    require_working: Literal["none", "management", "all"] = Field(
        "management",
        description="Whose interfaces must work, or the deployment fails: link, lease, no duplicate.",
    )
    acceptance_level: Literal["certified", "accepted", "partner", "community"] = Field(
        "partner",
        description="The lowest of VIBs that are added; community excludes Secure Boot and VMware's support.",
    )
    ssh_keys: tuple[str, ...] = Field(
        (), description="Public keys for root, beside those that MAAS gives.", max_length=256
    )

    @field_validator("kernel_options")
    @classmethod
    def _options_are_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            if not option or not option.isascii() or not option.isprintable() or " " in option:
                raise ValueError(f"{option!r} is not one word of plain ASCII")
            name = option.split("=")[0] + ("=" if "=" in option else "")
            if name in _OWN_KERNEL_OPTIONS:
                raise ValueError(f"{option} is set by esxforge itself; leave it out (see system_media_size, kickstart)")
        return value

    @field_validator("ssh_keys")
    @classmethod
    def _keys_are_public_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from esxforge_target.metadata.public_keys import problem_of_key  # noqa: PLC0415 - slow to import

        for key in value:
            if "PRIVATE" in key:
                raise ValueError("that is a private key; give the public one (the .pub file's line)")
            if problem := problem_of_key(key):
                raise ValueError(f"{shown(key[:30])} is not an SSH public key line: {problem}")
        return value


class GoldenRecipe(_Model):
    """The virtual machine of a golden build."""

    disk_size: _Number | None = Field(
        None, ge=1, le=2048, description="Its disk in GiB, written to every host; left out: the least for the release."
    )
    memory: _Number | None = Field(
        None, ge=64, le=4 << 20, description="Its memory in MiB; left out: what the release asks for."
    )
    timeout: _Number | None = Field(
        None,
        ge=1,
        le=7 * 24 * 60,
        description="Longest run of the installer in minutes; left out: 60, or 360 without KVM.",
    )


class ExtraFile(_Model):
    """A file of yours that the installer and the new host find under /esxforge/files/."""

    source: Path = Field(description="The file here.")
    path: str = Field(max_length=255, description="Its name below /esxforge/files/ on the host.")

    @field_validator("path")
    @classmethod
    def _path_stays_inside(cls, value: str) -> str:
        if not _HOST_PATH.match(value) or ".." in value.split("/") or "." in value.split("/"):
            raise ValueError("not a relative path of letters, digits and ._+- without “..”")
        return value


class AddedFile(_Model):
    """A driver that the ISO lacks: a VIB, or VIBs of an offline bundle (docs/drivers.md)."""

    file: Path = Field(description="A .vib file, or an offline bundle (.zip).")
    vibs: tuple[_Word, ...] = Field(
        (), description="Of a bundle: names of VIBs, or NAME:VERSION; left out: all.", max_length=100
    )


class MaasRecipe(_Model):
    """How the image is called in MAAS."""

    name: str | None = Field(None, description="esxi/<release>; left out: from the ISO, e.g. esxi/8.0.3.")
    title: str | None = Field(None, description="What people see; left out: from the ISO.")

    @field_validator("name")
    @classmethod
    def _name_is_esxi(cls, value: str | None) -> str | None:
        if value is not None and (problem := name_problem(value)):
            raise ValueError(f"{problem}: MAAS takes any other name for another operating system, or fails on it")
        return value

    @field_validator("title")
    @classmethod
    def _title_can_be_shown(cls, value: str | None) -> str | None:
        if value is not None and (problem := title_problem(value)):
            raise ValueError(problem)
        return value


class VcenterRecipe(_Model):
    """A vCenter that each host joins; the user's password comes from MAAS's vendor-data, never from here."""

    server: str = Field(min_length=1, max_length=260, description="Its host name, as its certificate has it.")
    datacenter: str = Field(min_length=1, max_length=1024, description="Datacenter, or the path of a directory in it.")
    ca_file: Path | None = Field(None, description="PEM file of the CA that signed its certificate.")
    thumbprint: str | None = Field(
        None, max_length=100, description="Or the SHA-256 (SHA-1) thumbprint of its certificate."
    )

    @field_validator("server")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        from esxforge_target.vcenter.desired import parse_server  # noqa: PLC0415
        from esxforge_target.vcenter.errors import VcenterError  # noqa: PLC0415 - slow to import, and seldom needed

        try:
            parse_server(value)
        except VcenterError as error:
            raise ValueError(f"{error.message} {error.hint}") from None
        return value

    @field_validator("datacenter")
    @classmethod
    def _can_be_shown(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("it holds characters that cannot be shown")
        return value

    @field_validator("thumbprint")
    @classmethod
    def _thumbprint_is_hex(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"([0-9A-Fa-f]{2}:?){20}|([0-9A-Fa-f]{2}:?){32}", value):
            raise ValueError("not a SHA-1 or SHA-256 thumbprint in hexadecimal")
        return value

    @model_validator(mode="after")
    def _verified(self) -> VcenterRecipe:
        if self.ca_file is None and self.thumbprint is None:
            raise ValueError("give ca_file or thumbprint: the certificate is always verified")
        return self


class Recipe(_Model):
    """Everything that decides an image, except the ISO."""

    image: ImageRecipe = Field(default_factory=ImageRecipe)
    install: InstallRecipe = Field(default_factory=InstallRecipe)
    root_password: RootPasswordRecipe = Field(default_factory=RootPasswordRecipe)
    golden: GoldenRecipe = Field(default_factory=GoldenRecipe)
    files: tuple[ExtraFile, ...] = Field((), description="Files of yours.", max_length=1000)
    add: tuple[AddedFile, ...] = Field((), description="Drivers to add.", max_length=100)
    maas: MaasRecipe = Field(default_factory=MaasRecipe)
    vcenter: Annotated[VcenterRecipe | None, Field(description="Only to join hosts to a vCenter.")] = None

    @model_validator(mode="after")
    def _paths_differ(self) -> Recipe:
        seen: set[str] = set()
        for file in self.files:
            if file.path.casefold() in seen:
                raise ValueError(f"files: {file.path} is named twice")
            seen.add(file.path.casefold())
        return self
