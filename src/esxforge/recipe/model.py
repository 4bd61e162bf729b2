"""The recipe: every setting that decides an image. ``esxforge.toml`` and the flags of ``build`` both end up here.

**To add a setting, add a field here.** Its flag, its help, its completion, its lines in ``esxforge recipe example``, in
the schema and in ``build --dry-run`` follow from it (``setting.py``). CONTRIBUTING.md says how to renew docs/recipe.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from esxforge.formats.image_names import name_problem, title_problem
from esxforge.recipe.setting import Setting

_CRYPT_HASH = re.compile(r"\$(1|6)\$[!-9;-~]{1,1000}\Z")
_HOST_PATH = re.compile(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*\Z")
_THUMBPRINT = re.compile(r"([0-9A-Fa-f]{2}:?){20}|([0-9A-Fa-f]{2}:?){32}")
# What the tool sets itself in kernelopt: a person's own would fight it.
_OWN_KERNEL_OPTIONS = ("ks=", "ks", "runweasel", "cdromBoot", "systemMediaSize=", "autoPartitionOSDataSize=")
_LONGEST_WORD = 255

_BOTH = ("build", "capture")
_GOLDEN = "Golden images"


class _Table:
    """How pydantic reads all of them: unknown keys are errors."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "str_strip_whitespace": True}


# Checks: each returns the value, or raises ValueError with a sentence that follows the key's name.
def _crypt_hash(value: str) -> str:
    if not _CRYPT_HASH.match(value):
        raise ValueError("not a crypt hash that ESXi takes; make one with: openssl passwd -6")
    return value


def _kernel_options(value: tuple[str, ...]) -> tuple[str, ...]:
    for option in value:
        if not option or not option.isascii() or not option.isprintable() or " " in option:
            raise ValueError(f"{option!r} is not one word of plain ASCII")
        if len(option) > _LONGEST_WORD:
            raise ValueError(f"{option[:30]}… is longer than {_LONGEST_WORD} characters")
        name = option.split("=")[0] + ("=" if "=" in option else "")
        if name in _OWN_KERNEL_OPTIONS:
            raise ValueError(f"{option} is set by esxforge itself; leave it out (see system_media_size, kickstart)")
    return value


def _public_keys(value: tuple[str, ...]) -> tuple[str, ...]:
    from esxforge_target.metadata.public_keys import problem_of_key  # noqa: PLC0415 - not for --help
    from esxforge_target.runtime.documents import shown  # noqa: PLC0415

    for key in value:
        if "PRIVATE" in key:
            raise ValueError("that is a private key; give the public one (the .pub file's line)")
        if problem := problem_of_key(key):
            raise ValueError(f"{shown(key[:30])} is not an SSH public key line: {problem}")
    return value


def _path_on_host(value: str) -> str:
    if not _HOST_PATH.match(value) or ".." in value.split("/") or "." in value.split("/"):
        raise ValueError("not a relative path of letters, digits and ._+- without “..”")
    return value


def _added_file(text: str) -> dict[str, str]:
    return {"file": text}


def _image_name(value: str) -> str:
    if problem := name_problem(value):
        raise ValueError(f"{problem}: MAAS takes any other name for another operating system, or fails on it")
    return value


def _image_title(value: str) -> str:
    if problem := title_problem(value):
        raise ValueError(problem)
    return value


def _server(value: str) -> str:
    from esxforge_target.vcenter.desired import parse_server  # noqa: PLC0415 - not for --help
    from esxforge_target.vcenter.errors import VcenterError  # noqa: PLC0415

    if not value:
        raise ValueError("empty; give the host name of a vCenter")
    try:
        parse_server(value)
    except VcenterError as error:
        raise ValueError(f"{error.message} {error.hint}") from None
    return value


def _datacenter(value: str) -> str:
    if not value:
        raise ValueError("empty; give the name of a datacenter")
    if not value.isprintable():
        raise ValueError("it holds characters that cannot be shown")
    return value


def _thumbprint(value: str) -> str:
    if not _THUMBPRINT.fullmatch(value):
        raise ValueError("not a SHA-1 or SHA-256 thumbprint in hexadecimal")
    return value


@dataclass(frozen=True)
class ImageRecipe(_Table):
    """The image file."""

    kind: Annotated[
        Literal["installer", "golden"],
        Setting(
            "Kind of image: installer runs VMware's installer on each host; golden is a disk with ESXi installed.",
            flag="--kind",
            more="See [golden images](golden.md).",
        ),
    ] = "installer"
    format: Annotated[
        Literal["ddgz", "raw"],
        Setting("Format of the image: ddgz for MAAS, or raw for a sparse disk file.", flag="--format", verbs=_BOTH),
    ] = "ddgz"
    sector_size: Annotated[
        Literal[512, 4096],
        Setting(
            "Sector size; 4096 only for hosts whose boot disk has 4Kn sectors.",
            flag="--sector-size",
            more="Golden images always have 512.",
        ),
    ] = 512


@dataclass(frozen=True)
class InstallRecipe(_Table):
    """How VMware's installer runs on each host, and what each host is set up with."""

    accept_eula: Annotated[
        bool, Setting("Accept VMware's end user license agreement, which you have read.", flag="--accept-eula")
    ] = False
    kickstart: Annotated[
        Path | None,
        Setting(
            "Your own kickstart (KS.CFG); it is checked, kept and merged with what esxforge adds.",
            flag="--kickstart",
            example='"KS.CFG"',
        ),
    ] = None
    kernel_options: Annotated[
        tuple[str, ...],
        Setting(
            "Additional kernel options, one word each, such as allowLegacyCPU=true.",
            more="Those that esxforge sets itself are rejected: `ks`, `runweasel`, `cdromBoot`, `systemMediaSize`, "
            "`autoPartitionOSDataSize`.",
            longest=128,
            check=_kernel_options,
        ),
    ] = ()
    system_media_size: Annotated[
        Literal["auto", "min", "small", "default", "max"],
        Setting(
            "Space that ESXi reserves for itself (7.0 U1c and later); auto takes the most that leaves room for the "
            "datastores that MAAS asks for.",
            more='9.1 and later know only `"default"` and `"max"`.',
        ),
    ] = "auto"
    allow_power_off: Annotated[
        bool,
        Setting(
            "Allow scripts in the kickstart to power the machine off; someone must power it on again.",
            flag="--allow-power-off",
        ),
    ] = False
    keep_boot_order: Annotated[bool, Setting("Leave ESXi first in the UEFI boot order instead of the network.")] = False
    require_working: Annotated[
        Literal["none", "management", "all"],
        Setting(
            "Interfaces that must work or the deployment fails.",
            more="An interface works if it has a link, a lease where DHCP is configured, and no duplicate IPv6 "
            "address. Interfaces that do not work are listed in MAAS's event log in any case.",
        ),
    ] = "management"
    secure_boot: Annotated[
        Literal["refuse", "try"],
        Setting(
            "Deploy to hosts with Secure Boot on: refuse, or try (untested on real ESXi).",
            flag="--secure-boot",
            more="Read [what may happen](troubleshooting.md#secure-boot) before you try. Not with golden images, "
            "`[vcenter]`, `[[files]]` or `[[add]]`, nor with a random root password without `public_key`.",
        ),
    ] = "refuse"
    acceptance_level: Annotated[
        Literal["certified", "accepted", "partner", "community"],
        Setting(
            "Lowest acceptance level of VIBs that --add adds.",
            flag="--acceptance-level",
            more="`community` excludes Secure Boot and VMware's support. See [drivers](drivers.md).",
        ),
    ] = "partner"
    ssh_keys: Annotated[
        tuple[str, ...],
        Setting("SSH public keys for root, in addition to those from MAAS.", longest=256, check=_public_keys),
    ] = ()


@dataclass(frozen=True)
class RootPasswordRecipe(_Table):
    """The root password: exactly one of hash, file and random, or none of them if the kickstart has rootpw."""

    hash: Annotated[
        str | None,
        Setting(
            "Root password as a crypt hash ($6$… or $1$…).",
            flag="--root-password-hash",
            metavar="HASH",
            verbs=_BOTH,
            secret=True,
            more="Make one with `openssl passwd -6`.",
            example='"$6$salt$…"',
            check=_crypt_hash,
        ),
    ] = field(default=None, repr=False)
    file: Annotated[
        Path | None,
        Setting(
            "File whose first line is the root password.",
            flag="--root-password-file",
            verbs=_BOTH,
            more="The image holds only its hash.",
            example='"root-password.txt"',
        ),
    ] = None
    random: Annotated[
        bool,
        Setting(
            "Generate a random root password on each host; log in with SSH keys.",
            flag="--root-password-random",
            verbs=_BOTH,
        ),
    ] = False
    public_key: Annotated[
        Path | None,
        Setting(
            "With random: an RSA public key (PEM); each host reports its password encrypted with it.",
            example='"passwords.pem"',
        ),
    ] = None

    def __post_init__(self) -> None:
        named = [name for name in ("hash", "file", "random") if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} exclude each other; keep one")
        if self.public_key is not None and not self.random:
            raise ValueError("public_key goes with random = true")

    @property
    def given(self) -> bool:
        """True if the recipe gives a password, or asks for a random one."""
        return self.hash is not None or self.file is not None or self.random


@dataclass(frozen=True)
class GoldenRecipe(_Table):
    """The virtual machine of a golden build."""

    disk_size: Annotated[
        int | None,
        Setting(
            "Disk size of the virtual machine in GiB; all of it is written to every host.",
            flag="--disk-size",
            section=_GOLDEN,
            left_out="32; 10 for 6.x",
            example="32",
            minimum=1,
            maximum=2048,
        ),
    ] = None
    memory: Annotated[
        int | None,
        Setting(
            "Memory of the virtual machine in MiB.",
            flag="--memory",
            section=_GOLDEN,
            left_out="8192; 4096 for 6.x",
            example="8192",
            minimum=64,
            maximum=4 << 20,
        ),
    ] = None
    timeout: Annotated[
        int | None,
        Setting(
            "Maximum run time of the installer, in minutes.",
            flag="--timeout",
            section=_GOLDEN,
            left_out="60; 360 without KVM",
            example="60",
            minimum=1,
            maximum=7 * 24 * 60,
        ),
    ] = None


@dataclass(frozen=True)
class ExtraFile(_Table):
    """A file of your own, available to the installer and the new host under /esxforge/files/; 64 MiB in total."""

    source: Annotated[Path, Setting("The local file.", example='"driver.vib"')]
    path: Annotated[
        str,
        Setting(
            "Its name below /esxforge/files/ on the host.",
            more="Hosts of a golden image do not have it; the installer at build time does.",
            example='"driver.vib"',
            longest=255,
            check=_path_on_host,
        ),
    ]


@dataclass(frozen=True)
class AddedFile(_Table):
    """Drivers that the ISO lacks: a VIB, or VIBs of an offline bundle."""

    file: Annotated[
        Path,
        Setting(
            "The local file: a VIB (.vib) or an offline bundle (.zip).",
            more="See [drivers](drivers.md).",
            example='"net-driver-offline_bundle.zip"',
        ),
    ]
    vibs: Annotated[
        tuple[str, ...],
        Setting("VIBs of a bundle, as NAME or NAME:VERSION.", left_out="all", example='["net-driver"]', longest=100),
    ] = ()


@dataclass(frozen=True)
class MaasRecipe(_Table):
    """How MAAS lists the image."""

    name: Annotated[
        str | None,
        Setting(
            "Name in MAAS; it must start with esxi/.",
            left_out="from the ISO, such as `esxi/8.0.3`",
            example='"esxi/8.0.3"',
            check=_image_name,
        ),
    ] = None
    title: Annotated[
        str | None,
        Setting(
            "Title in MAAS.",
            more="`upload` appends the version of esxforge that built the image.",
            left_out="from the ISO",
            example='"VMware ESXi 8.0U3e"',
            check=_image_title,
        ),
    ] = None


@dataclass(frozen=True)
class VcenterRecipe(_Table):
    """Only to join hosts to a vCenter; user name and password come from MAAS, never from here."""

    server: Annotated[
        str,
        Setting("Host name of vCenter, as in its certificate.", example='"vc.example.com"', longest=260, check=_server),
    ]
    datacenter: Annotated[
        str,
        Setting("Datacenter, or the path of a folder in it.", example='"DC1"', longest=1024, check=_datacenter),
    ]
    ca_file: Annotated[
        Path | None, Setting("PEM file of the CA that signed vCenter's certificate.", example='"ca.pem"')
    ] = None
    thumbprint: Annotated[
        str | None,
        Setting(
            "SHA-256 (or SHA-1) thumbprint of vCenter's certificate, instead of ca_file.",
            more="One of the two is required.",
            example='"AB:CD:…"',
            longest=100,
            check=_thumbprint,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.ca_file is None and self.thumbprint is None:
            raise ValueError("give ca_file or thumbprint: the certificate is always verified")


@dataclass(frozen=True)
class Recipe(_Table):
    """Everything that decides an image, except the ISO."""

    image: ImageRecipe = ImageRecipe()
    install: InstallRecipe = InstallRecipe()
    root_password: RootPasswordRecipe = RootPasswordRecipe()
    golden: GoldenRecipe = GoldenRecipe()
    files: Annotated[tuple[ExtraFile, ...], Setting("Additional files for the host.", longest=1000)] = ()
    add: Annotated[
        tuple[AddedFile, ...],
        Setting(
            "Add a driver: a VIB or an offline bundle; may be repeated.",
            flag="--add",
            metavar="FILE",
            from_flag=_added_file,
            longest=100,
        ),
    ] = ()
    maas: MaasRecipe = MaasRecipe()
    vcenter: VcenterRecipe | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for file in self.files:
            if file.path.casefold() in seen:
                raise ValueError(f"files: {file.path} is named twice")
            seen.add(file.path.casefold())
