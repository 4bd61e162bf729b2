"""VIBs that the recipe adds to ESXi: read, checked against the ISO, and turned into modules of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from esxforge.addons.decide import decide, effective_level
from esxforge.addons.errors import AddOnError
from esxforge.addons.files import read_add_on
from esxforge.addons.modules import Module, name_modules
from esxforge.addons.present import present_of
from esxforge.addons.vib import Vib
from esxforge.errors import InputError, RecipeError
from esxforge.events import Decision, Listener, Notice
from esxforge.formats.segments import ImageFile, Segment
from esxforge.media.installer import InstallerMedia
from esxforge.recipe.model import Recipe
from esxforge_target.contract.added_module import MOST
from esxforge_target.formats.boot_cfg import MOST_MODULES

NOT_INSTALLED = (
    "{} is added as a module of the boot loader: for the installer, and for every start of ESXi from the boot bank "
    "that is installed then. ESXi does not own it: “esxcli software vib list” does not name it; expect that an update "
    "of ESXi does not carry it over. Leave Secure Boot off on these hosts. That ESXi takes a driver from such a module "
    "was not seen yet: see docs/drivers.md."
)


# The agent's module and that of the user's files; and those that a bank lists and the ISO does not.
_OUR_MODULES, _MODULES_KEPT_FREE = 2, 10


@dataclass(frozen=True, slots=True)
class AddOns:
    """The added VIBs, and their payloads as modules in load order. Empty if the recipe adds nothing."""

    vibs: tuple[Vib, ...] = ()
    modules: tuple[Module, ...] = ()

    def files(self) -> list[ImageFile[Segment]]:
        """Return the modules as files of the boot volume."""
        return [ImageFile(module.path, module.payload.source.segment()) for module in self.modules]

    def for_host(self) -> list[dict[str, Any]]:
        """Return what the installer step has to know of each module (contract.added_module)."""
        return [
            {
                "name": module.name,
                "vib": module.vib.name,
                "sha256": module.payload.unzipped_sha256,
                "size": module.payload.unzipped_size,
            }
            for module in self.modules
        ]

    def details(self) -> list[dict[str, Any]]:
        """Return the details for the manifest."""
        return [
            {
                "name": vib.descriptor.name,
                "version": vib.descriptor.version,
                "vendor": vib.descriptor.vendor,
                "acceptance_level": vib.descriptor.acceptance_level,
                "signed": vib.signed,
                "sha256": vib.sha256,
                "modules": [
                    {
                        "path": module.path,
                        "payload": module.payload.name,
                        "sha256": module.payload.sha256,
                        "unzipped_sha256": module.payload.unzipped_sha256,
                    }
                    for module in self.modules
                    if module.vib is vib
                ],
            }
            for vib in self.vibs
        ]


def add_ons_of(recipe: Recipe, media: InstallerMedia, listener: Listener) -> AddOns:
    """Read the recipe's VIBs and check them. Raises :class:`RecipeError` with every problem."""
    if not recipe.add:
        return AddOns()
    problems: list[str] = []
    vibs: list[Vib] = []
    for entry in recipe.add:
        try:
            vibs += read_add_on(entry.file, entry.vibs)
        except (AddOnError, InputError) as error:  # noqa: PERF203 - what is wrong with each file is said
            problems.append(" ".join(filter(None, (error.message, error.hint))))
    decision = decide(vibs, present_of(media), recipe.install.acceptance_level)
    problems += decision.problems
    modules: list[Module] = []
    if not problems:
        modules, problems = _named(decision.added, media)
    if problems:
        raise RecipeError(
            [f"add: {problem}" for problem in problems],
            "“esxforge inspect FILE” shows what a VIB or a bundle says of itself.",
        )
    for warning in decision.warnings:
        listener(Notice(warning, warning=True))
    for vib in decision.added:
        names = ", ".join(module.name for module in modules if module.vib is vib)
        listener(Decision(f"added: {vib.name} of {vib.descriptor.vendor}, {effective_level(vib)}, as {names}"))
    if decision.added:
        listener(Notice(NOT_INSTALLED.format(", ".join(vib.name for vib in decision.added)), warning=True))
    return AddOns(tuple(sorted(decision.added, key=lambda one: one.descriptor.vib_id)), tuple(modules))


def _named(vibs: tuple[Vib, ...], media: InstallerMedia) -> tuple[list[Module], list[str]]:
    """Return modules with names that are free on the ISO and in a boot bank, and problems."""
    taken = {file.path.upper() for file in media.files} | {path.rpartition("/")[2].upper() for path in media.loaded}
    try:
        modules = name_modules(vibs, taken)
    except ValueError as error:
        return [], [f"{error}."]
    if len(modules) > MOST:
        return [], [f"{len(modules)} payloads are more than the {MOST} that can be added."]
    loaded = max(len(boot_cfg.cfg.modules) for boot_cfg in media.boot_cfgs)
    free = MOST_MODULES - _OUR_MODULES - _MODULES_KEPT_FREE - loaded
    if modules and len(modules) > free:
        text = f"the ISO has {loaded} modules, and VMware's boot loader takes about {MOST_MODULES}"
        return [], [f"{len(modules)} payloads are more than the {max(free, 0)} that can be added: {text}."]
    return modules, []
