"""Host settings from the recipe, carried in the image from build to deploy (``curtin/settings.json``)."""

import json
import re
from typing import Any, Dict, List, Optional

from esxforge_target.contract import added_module
from esxforge_target.runtime.documents import ONE_LINE, TEXT, TRUTH, Builder, Record, Shape
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json
from esxforge_target.runtime.values import Value

SETTINGS_PATH = "curtin/settings.json"
# Source of root's password: the user's kickstart, this hash, drawn for each host, or kept on a captured disk.
IN_KICKSTART, HASH, RANDOM, KEPT = "kickstart", "hash", "random", "kept"
# Interfaces whose network must work for the deployment to succeed.
REQUIRE_NONE, REQUIRE_MANAGEMENT, REQUIRE_ALL = "none", "management", "all"
# Action of the hook on a machine with Secure Boot on.
REFUSE, TRY = "refuse", "try"
_HINT = "Build the image again."
_HEXADECIMAL = (re.compile(r"\A[0-9a-f]+\Z"), "hexadecimal digits")


class ImageSettings(Value):
    """``root_password_mode``: "kickstart" (the user's has ``rootpw``), "hash", "random" (one for each host), or "kept"
    (of a captured disk: as it was installed).

    ``kickstart`` is the user's own text, or "". ``password_key`` is the public key to which a random password is
    encrypted: {"n": hexadecimal, "e": number, …}. ``system_media_size``: "auto", "min", "small", "default" or "max".
    ``allow_power_off``: the kickstart's scripts may power the machine off. ``vcenter``: {"server", "datacenter", "ca"
    (PEM text) or "thumbprint"}. ``require_working``: whose network must work: "none", "management" or "all".
    ``secure_boot``: "refuse" or "try" a machine with Secure Boot on.
    ``modules``: of VIBs that the image adds, {"name", "vib", "sha256", "size"} as in AddedModule.
    """

    __slots__ = (
        "kind", "release", "accept_eula", "kickstart", "root_password_mode", "root_password_hash", "password_key",
        "kernel_options", "system_media_size", "keep_boot_order", "allow_power_off", "ssh_keys", "vcenter",
        "require_working", "secure_boot", "modules",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        kind: str,
        release: str,
        accept_eula: bool = False,
        kickstart: str = "",
        root_password_mode: str = "kickstart",  # noqa: S107  a mode, no password
        root_password_hash: str = "",
        password_key: "Optional[Dict[str, Any]]" = None,
        kernel_options: "Optional[List[str]]" = None,
        system_media_size: str = "auto",
        keep_boot_order: bool = False,
        allow_power_off: bool = False,
        ssh_keys: "Optional[List[str]]" = None,
        vcenter: "Optional[Dict[str, str]]" = None,
        require_working: str = REQUIRE_MANAGEMENT,
        secure_boot: str = REFUSE,
        modules: "Optional[List[Dict[str, Any]]]" = None,
    ) -> None:
        self.kind = kind
        self.release = release
        self.accept_eula = accept_eula
        self.kickstart = kickstart
        self.root_password_mode = root_password_mode
        self.root_password_hash = root_password_hash
        self.password_key = password_key
        self.kernel_options = list(kernel_options or [])
        self.system_media_size = system_media_size
        self.keep_boot_order = keep_boot_order
        self.allow_power_off = allow_power_off
        self.ssh_keys = list(ssh_keys or [])
        self.vcenter = vcenter
        self.require_working = require_working
        self.secure_boot = secure_boot
        self.modules = list(modules or [])

    def __repr__(self) -> str:
        return "ImageSettings(kind={!r}, release={!r}, …)".format(self.kind, self.release)  # the rest may hold secrets

    def to_json(self) -> str:
        """Return the settings as JSON text, the same for the same settings. FormatError if it cannot be read back."""
        document = {name: getattr(self, name) for name in self.__slots__}
        _built(document)
        return json.dumps(document, sort_keys=True, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> "ImageSettings":
        """Read ``to_json``'s text. Raises FormatError naming what is missing or unknown."""
        # A kickstart's bytes may not be UTF-8.
        document = load_json(text, SETTINGS_PATH, _HINT, raw_bytes=True)
        if not isinstance(document, dict):
            raise FormatError("{} is not a JSON object.".format(SETTINGS_PATH), _HINT)
        wrong = sorted(set(document) ^ set(ImageSettings.__slots__))
        if wrong:
            shown = ", ".join(repr(name) for name in wrong[:10])
            raise FormatError("{} was made by another version: {}.".format(SETTINGS_PATH, shown), _HINT)
        return _built(document)


def _built(document: "Dict[str, Any]") -> ImageSettings:
    builder = Builder({ImageSettings: _SHAPES}, secret=True)
    settings = builder.build(ImageSettings, document, "settings")
    if builder.problems:
        raise FormatError("{} cannot be used: {}".format(SETTINGS_PATH, " ".join(builder.problems)), _HINT)
    assert isinstance(settings, ImageSettings)  # noqa: S101  # for the type checker
    return settings


_SHAPES = {
    "kind": Shape(str, high=64),
    "release": Shape(str, high=64),
    "accept_eula": TRUTH,
    "kickstart": Shape(str, high=4 << 20),
    "root_password_mode": Shape(str, choices=(IN_KICKSTART, HASH, RANDOM, KEPT)),
    "root_password_hash": Shape(str, high=1024, form=ONE_LINE),
    "password_key": Shape(
        Record({"n": Shape(str, low=1, high=4096, form=_HEXADECIMAL), "e": Shape(int, low=3, high=(1 << 63) - 1)}),
        optional=True,
    ),
    "kernel_options": Shape(str, many=True, form=ONE_LINE, most=256),
    "system_media_size": Shape(str, choices=("auto", "min", "small", "default", "max")),
    "keep_boot_order": TRUTH,
    "allow_power_off": TRUTH,
    "require_working": Shape(str, choices=(REQUIRE_NONE, REQUIRE_MANAGEMENT, REQUIRE_ALL)),
    "secure_boot": Shape(str, choices=(REFUSE, TRY)),
    "ssh_keys": Shape(str, many=True, form=ONE_LINE, most=1024),
    "modules": Shape(Record(added_module.SHAPES), many=True, most=added_module.MOST),
    "vcenter": Shape(
        Record(
            {
                "server": TEXT,
                "datacenter": TEXT,
                "ca": Shape(str, absent=True, high=1 << 20),
                "thumbprint": Shape(str, absent=True),
            }
        ),
        optional=True,
    ),
}
