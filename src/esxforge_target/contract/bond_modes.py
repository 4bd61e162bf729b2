"""Linux's bond modes, and what each becomes on a standard vSwitch. The one table that checks, layout and notices use.

Sources: the kernel's Documentation/networking/bonding.rst (modes and their numbers); VMware's vSphere Networking guide
(load balancing of standard vSwitches: a team without LACP).
"""

from typing import Optional, Tuple

from esxforge_target.runtime.values import Value


class BondMode(Value):
    """``number`` is Linux's. ``load_balancing`` is esxcli's word for the team's policy, "" where no policy does what
    the mode does. With ``one_active`` the primary carries all traffic and the other NICs stand by. ``notice`` says what
    the administrator should know.
    """

    __slots__ = ("name", "number", "load_balancing", "one_active", "notice")

    def __init__(
        self, name: str, number: int, load_balancing: str = "", one_active: bool = False, notice: str = ""
    ) -> None:
        self.name = name
        self.number = number
        self.load_balancing = load_balancing
        self.one_active = one_active
        self.notice = notice

    @property
    def one_nic_works(self) -> bool:
        """True where the switch forwards to a single one of the NICs, too: its ports form no channel."""
        return self.load_balancing in ("portid", "explicit")


DEFAULT = "balance-rr"
BOND_MODES = (
    BondMode("balance-rr", 0, "portid"),
    BondMode("active-backup", 1, "explicit", one_active=True),
    BondMode("balance-xor", 2),
    BondMode("broadcast", 3),
    BondMode(
        "802.3ad",
        4,
        "iphash",
        notice="802.3ad becomes the load balancing iphash: a standard vSwitch does not speak LACP, so LACP rate and "
        "hash policy do not apply and the switch needs a static channel (mode on) for these ports.",
    ),
    BondMode("balance-tlb", 5),
    BondMode("balance-alb", 6),
)  # type: Tuple[BondMode, ...]
ON_ESXI = tuple(mode for mode in BOND_MODES if mode.load_balancing)


def bond_mode(text: str) -> "Optional[BondMode]":
    """The mode by its name or number; None for neither."""
    return next((mode for mode in BOND_MODES if text in (mode.name, str(mode.number))), None)
