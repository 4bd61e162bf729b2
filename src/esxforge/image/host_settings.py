"""Host settings from the recipe: kickstart checked, EULA accepted by a person, the password a hash."""

from __future__ import annotations

from pathlib import Path

from esxforge.errors import InputError, RecipeError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.kickstart_findings import ERROR, Use
from esxforge.formats.kickstart_rules import check_kickstart, parse_release
from esxforge.formats.password_rules import hash_problems, password_problems, password_warnings
from esxforge.image.secure_boot import secure_boot_problems
from esxforge.local.reading import read_file
from esxforge.media.installer import InstallerMedia
from esxforge.media.release import MediaRelease
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import ImageSettings
from esxforge_target.esxi.media_size import sizes_of
from esxforge_target.esxi.release import Release
from esxforge_target.formats.kickstart import Blank, Command, Kickstart, no_text

LARGEST_TEXT_BYTES = 1 << 20
"""The largest kickstart, password file, key or certificate."""
LEFT_OUT_OF_GOLDEN = ("reboot", "the disk is captured before its first boot")
"""The command that a user's kickstart loses at a golden build, and why."""


def settings_for(recipe: Recipe, media: InstallerMedia, listener: Listener) -> ImageSettings:
    """Check the recipe's host settings against the ISO. Raises :class:`RecipeError` with every problem."""
    release = media.release
    problems = secure_boot_problems(recipe, golden=recipe.image.kind != "installer", media=media)
    data = _read(recipe.install.kickstart, problems) if recipe.install.kickstart else None
    eula = recipe.install.accept_eula
    kickstart = Kickstart(())
    if data is not None:
        kickstart = _checked(data, recipe, release, problems, listener)
        eula = eula or bool(kickstart.named("vmaccepteula"))
    elif recipe.install.kickstart is None:
        problems += _without_kickstart(recipe)
    _check_media_size(recipe, release, problems)
    mode, hashed = _password(recipe, problems, listener)
    if problems:
        raise RecipeError(problems, "Fix these and build again; “esxforge recipe example” shows every key.")
    for decision in _decisions(recipe, mode):
        listener(Decision(decision))
    return ImageSettings(
        kind=recipe.image.kind,
        release=release.version,
        accept_eula=eula,
        kickstart=_stored(kickstart, recipe).to_bytes().decode("utf-8", "surrogateescape"),
        root_password_mode=mode,
        root_password_hash=hashed,
        password_key=_password_key(recipe.root_password.public_key),
        kernel_options=list(recipe.install.kernel_options),
        system_media_size=recipe.install.system_media_size,
        keep_boot_order=recipe.install.keep_boot_order,
        allow_power_off=recipe.install.allow_power_off,
        ssh_keys=list(recipe.install.ssh_keys),
        vcenter=_vcenter(recipe),
        require_working=recipe.install.require_working,
        secure_boot=recipe.install.secure_boot,
    )


def _check_media_size(recipe: Recipe, release: MediaRelease, problems: list[str]) -> None:
    asked, known = recipe.install.system_media_size, sizes_of(Release.parse(release.version, release.build))
    if asked != "auto" and asked not in known:
        problems.append(f"install.system_media_size: ESXi {release.version} has {' and '.join(known)} only.")


def _checked(data: bytes, recipe: Recipe, release: MediaRelease, problems: list[str], listener: Listener) -> Kickstart:
    """Return the user's kickstart; errors join ``problems``, warnings go to the listener."""
    use = Use(
        release=parse_release(release.version),
        eula_accepted=recipe.install.accept_eula,
        password_given=recipe.root_password.given,
        allow_power_off=recipe.install.allow_power_off,
    )
    for finding in check_kickstart(data, use):
        text = f"{recipe.install.kickstart}: {finding.place}{finding.message} {finding.hint}".rstrip()
        if finding.severity == ERROR:
            problems.append(text)
        else:
            listener(Notice(text, warning=True))
    return Kickstart.parse(data) if no_text(data) is None else Kickstart(())


def _stored(kickstart: Kickstart, recipe: Recipe) -> Kickstart:
    """Return the kickstart for the image: without a password that is replaced anyway."""
    if not recipe.root_password.given:
        return kickstart
    return Kickstart(
        [
            Blank(item.line, f"# line {item.line} of your kickstart, rootpw, is replaced by esxforge\n")
            if isinstance(item, Command) and item.name == "rootpw"
            else item
            for item in kickstart.items
        ]
    )


def _decisions(recipe: Recipe, mode: str) -> list[str]:
    """Return the decisions about hosts, and who made them."""
    by = "you (--accept-eula, or the recipe)" if recipe.install.accept_eula else f"{recipe.install.kickstart}"
    password = {
        "random": "a random one on each host",
        "hash": "the one given, as its hash",
        "kickstart": f"that of {recipe.install.kickstart}",
    }
    kickstart = recipe.install.kickstart
    return [
        f"VMware's EULA is accepted by {by}",
        f"root's password: {password[mode]}",
        f"kickstart: {kickstart}, merged on each host with what is added" if kickstart else "kickstart: esxforge's own",
        f"space that ESXi keeps for itself: {recipe.install.system_media_size}",
    ]


def golden_settings(settings: ImageSettings) -> ImageSettings:
    """Return the settings that a host needs once the kickstart ran at build time: of it, at most root's password."""
    if settings.root_password_mode != "kickstart":  # noqa: S105  a mode, no password
        return settings.replace(kind="golden", kickstart="")
    words = Kickstart.parse(settings.kickstart.encode("utf-8", "surrogateescape")).named("rootpw")[-1].words
    clear = next(word for word in words if not word.startswith("--"))
    hashed = clear if "--iscrypted" in words else _hashed(clear)
    mode = "hash"
    return settings.replace(kind="golden", kickstart="", root_password_mode=mode, root_password_hash=hashed)


def captured_settings(recipe: Recipe, release: str, listener: Listener) -> ImageSettings:
    """Return the settings for a disk that a person installed: root keeps its password, unless the recipe has one.

    Raises :class:`RecipeError` with every problem.
    """
    problems = secure_boot_problems(recipe, golden=True)
    if recipe.install.kickstart or recipe.files or recipe.install.kernel_options or recipe.add:
        text = "install.kickstart, install.kernel_options, files and add do nothing here: ESXi is installed already."
        listener(Notice(text, warning=True))
    mode, hashed = _password(recipe, problems, listener) if recipe.root_password.given else ("kept", "")
    if problems:
        raise RecipeError(problems, "Fix these; “esxforge recipe example” shows every key.")
    return ImageSettings(
        kind="golden",
        release=release,
        root_password_mode=mode,
        root_password_hash=hashed,
        password_key=_password_key(recipe.root_password.public_key),
        keep_boot_order=recipe.install.keep_boot_order,
        ssh_keys=list(recipe.install.ssh_keys),
        vcenter=_vcenter(recipe),
        require_working=recipe.install.require_working,
    )


def _read(path: Path, problems: list[str]) -> bytes | None:
    """Return the file's bytes; None, and a problem, if it cannot be read."""
    try:
        return read_file(path, largest=LARGEST_TEXT_BYTES, pipes=True)
    except InputError as error:
        problems.append(error.message)
        return None


def _without_kickstart(recipe: Recipe) -> list[str]:
    problems = []
    if not recipe.install.accept_eula:
        problems.append(
            "VMware's end user licence agreement is not accepted. Read it; if you accept it, say --accept-eula, "
            "or accept_eula = true under [install] in the recipe, or vmaccepteula in a kickstart of your own."
        )
    if not recipe.root_password.given:
        problems.append(
            "There is no root password. Give --root-password-file FILE, --root-password-hash HASH, or "
            "--root-password-random to leave root to SSH keys; there is no default."
        )
    return problems


def _password(recipe: Recipe, problems: list[str], listener: Listener) -> tuple[str, str]:
    """Return (mode, hash) of root's password."""
    desired = recipe.root_password
    if desired.random:
        return "random", ""
    if desired.hash is not None:
        problems += [f"root_password.hash: {problem}" for problem in hash_problems(desired.hash)]
        return "hash", desired.hash
    if desired.file is None:
        return "kickstart", ""
    clear = _first_line(desired.file, problems)
    found = [f"root_password.file: {problem}" for problem in password_problems(clear)]
    problems += found
    for warning in password_warnings(clear):
        listener(Notice(f"root_password.file: {warning}", warning=True))
    if found:
        return "hash", ""
    listener(
        Notice(
            "The root password was given in clear, so its hash has a random salt: this build is not reproducible byte "
            "for byte. A hash given as --root-password-hash is (openssl passwd -6)."
        )
    )
    return "hash", _hashed(clear)


def _hashed(clear: str) -> str:
    from passlib.hash import sha512_crypt  # noqa: PLC0415 - slow to import, and not needed for a hash

    return str(sha512_crypt.using(rounds=5000).hash(clear))


def _first_line(path: Path, problems: list[str]) -> str:
    data = _read(path, problems) or b""
    try:
        # Windows editors put a mark before the text; it is not part of the password.
        return data.decode("utf-8-sig").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        problems.append(f"{path}: the password is not UTF-8 text.")
        return ""


def _password_key(path: Path | None) -> dict[str, object] | None:
    if path is None:
        return None
    from esxforge.recipe.public_key import read_public_key  # noqa: PLC0415 - slow to import, and seldom needed

    key = read_public_key(read_file(path, largest=LARGEST_TEXT_BYTES, pipes=True), str(path))
    return {"n": f"{key.modulus:x}", "e": key.exponent}


def _vcenter(recipe: Recipe) -> dict[str, str] | None:
    desired = recipe.vcenter
    if desired is None:
        return None
    told = {"server": desired.server, "datacenter": desired.datacenter}
    if desired.thumbprint:
        told["thumbprint"] = desired.thumbprint
    if desired.ca_file:
        authority = read_file(desired.ca_file, largest=LARGEST_TEXT_BYTES, pipes=True)
        told["ca"] = authority.decode("ascii", "replace")
    return told
