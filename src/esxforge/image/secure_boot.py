"""Secure Boot at build time: what stands against trying it, and what the hook needs to know of the loader."""

from __future__ import annotations

from typing import Any

from esxforge.media.boot_files import EFI_BOOT_CFG
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import TRY
from esxforge_target.contract.secure_boot import Loader, loader_stops


def secure_boot_problems(recipe: Recipe, *, golden: bool, media: InstallerMedia | None = None) -> list[str]:
    """Why hosts with Secure Boot on cannot be tried with this recipe, and the ISO where there is one; none where the
    recipe does not ask for that.
    """
    if recipe.install.secure_boot != TRY:
        return []
    problems = []
    if golden:
        problems.append(
            "install.secure_boot: a golden image cannot try Secure Boot: where its module is not accepted, nothing has "
            "set up a network by which the host could be reached. Build an installer image."
        )
    if recipe.vcenter is not None:
        problems.append(
            "install.secure_boot: [vcenter] cannot be used with it: what a host that does not start leaves on its disk "
            "must be no more than its own token."
        )
    if recipe.files:
        problems.append(
            "install.secure_boot: files cannot be used with it: they are one more module that VMware did not sign."
        )
    if recipe.add:
        problems.append(
            "install.secure_boot: add cannot be used with it: a module of a VIB is one more that nothing "
            "vouches for at the start."
        )
    if recipe.root_password.random and recipe.root_password.public_key is None:
        problems.append(
            "install.secure_boot: a random root password cannot be used with it without root_password.public_key: SSH "
            "keys are set by the agent, and where that does not start nobody could log in."
        )
    return problems + [f"install.secure_boot: this ISO cannot be tried: {one}" for one in _media_problems(media)]


def _media_problems(media: InstallerMedia | None) -> list[str]:
    if media is None:
        return []
    found = [media.loader.problem] if media.loader.problem else []
    return list(dict.fromkeys(found + [one for boot_cfg in media.boot_cfgs for one in loader_stops(boot_cfg.cfg)]))


def loader_details(media: InstallerMedia) -> dict[str, Any]:
    """For the manifest: who signed the loader, its hashes, and the modules in VMware's order."""
    if media.loader.problem:
        return {"problem": media.loader.problem}
    modules = [module.name for module in media.boot_cfg(EFI_BOOT_CFG).cfg.modules]
    return Loader(media.loader.path, media.loader.hashes, media.loader.signatures, modules).document()
