"""Root's password for this host."""

from typing import Optional, Tuple

from esxforge_target.contract.image_settings import HASH, IN_KICKSTART, KEPT, RANDOM, ImageSettings
from esxforge_target.contract.names import ROOT_PASSWORD_PREFIX
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.passwords import PublicKey, draw_password, encrypt, hash_password
from esxforge_target.runtime.values import Value


class RootPassword(Value):
    """``line`` is the kickstart's rootpw command, empty where the password of a captured disk stays as it is;
    ``encrypted`` the drawn password for the key's owner, or empty.
    """

    __slots__ = ("line", "encrypted")

    def __init__(self, line: str, encrypted: str = "") -> None:
        self.line = line
        self.encrypted = encrypted

    def __repr__(self) -> str:
        return "RootPassword(…)"


def password_refusal(settings: ImageSettings, has_maas_keys: bool = False) -> "Optional[str]":
    """Return why nobody could log in to the host, if so: no usable password, and no SSH key."""
    if settings.root_password_mode == HASH and not settings.root_password_hash.startswith("$"):
        return "root password: the image carries no usable hash; build it again with one."
    if settings.root_password_mode == RANDOM and not (
        settings.password_key or settings.ssh_keys or settings.vcenter or has_maas_keys
    ):
        return (
            "root password: it is generated at random and never shown, and there is no SSH key: no one could log in. "
            "Build the image with root_password.public_key, with ssh_keys or with a vCenter to join, or add an SSH "
            "key to your user in MAAS."
        )
    return None


def only_by_vcenter(settings: ImageSettings) -> "Tuple[str, ...]":
    """A warning where the image itself gives no way to log in besides vCenter."""
    if settings.root_password_mode != RANDOM or settings.password_key or settings.ssh_keys or not settings.vcenter:
        return ()
    warning = (
        "root's password is generated at random and never shown, and the image has no SSH key: without a key in MAAS "
        "this host is reached through vCenter only, once it has joined"
    )
    return (warning,)


def root_password(settings: ImageSettings, from_kickstart: str) -> RootPassword:
    """Return the password of this host, newly drawn if the recipe says so."""
    if settings.root_password_mode == IN_KICKSTART:
        return RootPassword(from_kickstart)
    if settings.root_password_mode == KEPT:
        return RootPassword("")
    if settings.root_password_mode == HASH:
        return RootPassword(ROOT_PASSWORD_PREFIX + settings.root_password_hash)
    if settings.root_password_mode != RANDOM:
        raise ForgeError("The image asks for an unknown kind of root password.", "Build the image again.")
    drawn = draw_password()
    encrypted = ""
    if settings.password_key:
        key = PublicKey(int(str(settings.password_key["n"]), 16), int(settings.password_key["e"]))
        encrypted = encrypt(drawn, key)
    return RootPassword(ROOT_PASSWORD_PREFIX + hash_password(drawn), encrypted)
