"""Secure Boot at build time: what stands against trying it, and what the hook needs to know of the loader."""

from __future__ import annotations

from typing import Any

from esxforge.media.boot_files import EFI_BOOT_CFG
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge_target.contract.image_settings import TRY
from esxforge_target.contract.secure_boot import Loader


def secure_boot_problems(recipe: Recipe, *, golden: bool, loader_problem: str = "") -> list[str]:
    """Why hosts with Secure Boot on cannot be tried with this recipe; none where it does not ask for that."""
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
    if loader_problem:
        problems.append(f"install.secure_boot: this ISO cannot be tried: {loader_problem}")
    return problems


def loader_details(media: InstallerMedia) -> dict[str, Any]:
    """For the manifest: who signed the loader, its hashes, and the modules in VMware's order."""
    if media.loader.problem:
        return {"problem": media.loader.problem}
    modules = [module.name for module in media.boot_cfg(EFI_BOOT_CFG).cfg.modules]
    return Loader(media.loader.path, media.loader.hashes, media.loader.signatures, modules).document()
