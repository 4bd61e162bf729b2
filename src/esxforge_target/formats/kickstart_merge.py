"""The user's kickstart and what esxforge adds, merged into the one that a host's installer gets.

The order of the result:

1. the user's commands and comments in their order; a replaced one becomes a comment that names the line;
2. esxforge's commands: EULA, root password, network, ``%include`` of the install line, and the rest;
3. esxforge's ``first`` sections, the user's sections in their order, esxforge's ``last`` sections.

So among sections of one kind (they run in the order of the file) ``first`` ones run before the user's and ``last``
ones after them. Line ends become LF, as busybox stumbles over a CR.
"""

import re
from typing import List, Optional, Sequence, Tuple, Union

from esxforge_target.formats.kickstart import MOST_COMMANDS, Blank, Command, Kickstart, Section
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

INSTALL_COMMANDS = ("install", "installorupgrade", "upgrade")
# They would wipe or make what the storage layout of MAAS decides, or install nothing at all.
REFUSED_COMMANDS = ("autopart", "clearpart", "dryrun", "part", "partitionembed")
# What a user's install line may still say; which disk, and what of it is kept, is decided elsewhere.
KEPT_INSTALL_OPTIONS = (
    "--dpupcislots",
    "--forceunsupportedinstall",
    "--ignoreprereqerrors",
    "--ignoreprereqwarnings",
    "--overwritevsan",
)


class Additions(Value):
    """What is added to a user's kickstart; command lines without line ends.

    ``include`` is the path that holds the install line, written by a ``%pre`` section. ``rootpw`` and ``network``
    replace the user's when given. ``commands`` are further ones, such as ``reboot``, each left out where the user has
    it already. ``first`` and ``last`` are whole sections as text, each starting with its ``%`` line.
    """

    __slots__ = ("include", "accept_eula", "rootpw", "network", "commands", "first", "last")

    def __init__(
        self,
        *,
        include: str,
        accept_eula: bool = False,
        rootpw: "Optional[str]" = None,
        network: "Optional[str]" = None,
        commands: "Sequence[str]" = (),
        first: "Sequence[str]" = (),
        last: "Sequence[str]" = (),
    ) -> None:
        self.include = include
        self.accept_eula = accept_eula
        self.rootpw = rootpw
        self.network = network
        self.commands = tuple(commands)
        self.first = tuple(first)
        self.last = tuple(last)


def merge(user: "Optional[Kickstart]", ours: Additions) -> "Tuple[bytes, List[str]]":
    """The kickstart for one host, and a sentence for each of the user's lines that was replaced.

    FormatError if the user's has a command that cannot be merged, if EULA or root password are missing, or if the
    result is not ASCII or has more than 256 commands.
    """
    user = Kickstart(()) if user is None else user
    refused = [command for command in user.commands if command.name in REFUSED_COMMANDS]
    if refused:
        raise FormatError(
            "kickstart line {}: {} cannot be used here: MAAS's storage layout decides which disks are wiped and which "
            "datastores are made.".format(refused[0].line, refused[0].name),
            "Remove the line, and set the machine's storage layout in MAAS.",
        )
    notices = []  # type: List[str]
    out = [_kept_text(item, ours, notices) for item in user.items if not isinstance(item, Section)]
    out.extend(line + "\n" for line in _added_commands(user, ours))
    out.extend(_ended(section) for section in ours.first)
    out.extend(_ended(section.text) + _ended(section.body) for section in user.sections)
    out.extend(_ended(section) for section in ours.last)
    return _checked(re.sub("\r+\n", "\n", "".join(out))), notices


def kept_install_options(user: "Optional[Kickstart]") -> "List[str]":
    """The options of the user's install line that stay valid with another disk, for the line that replaces it."""
    kept = []  # type: List[str]
    for command in user.commands if user is not None else []:
        if command.name in INSTALL_COMMANDS:
            for word in command.words:
                if word.split("=")[0].lower() in KEPT_INSTALL_OPTIONS and word not in kept:
                    kept.append(word)
    return kept


def _kept_text(item: "Union[Command, Blank]", ours: Additions, notices: "List[str]") -> str:
    if isinstance(item, Command):
        reason = _replaced(item, ours)
        if reason:
            notices.append("kickstart line {}: {} is replaced: {}.".format(item.line, item.name, reason))
            return "# line {} of your kickstart, {}, is replaced by esxforge\n".format(item.line, item.name)
    return _ended(item.text)


def _replaced(command: Command, ours: Additions) -> str:
    """Why this line of the user's is replaced; empty if it is kept."""
    if command.name in INSTALL_COMMANDS:
        return "the disk is the boot disk that MAAS chose"
    if command.name == "network" and ours.network is not None:
        return "the network is the one that MAAS has for this machine"
    if command.name == "rootpw" and ours.rootpw is not None:
        return "the recipe gives the root password"
    return ""


def _added_commands(user: Kickstart, ours: Additions) -> "List[str]":
    has = {command.name for command in user.commands}
    lines = []  # type: List[str]
    if "vmaccepteula" not in has:
        if not ours.accept_eula:
            raise FormatError(
                "kickstart: VMware's licence agreement is not accepted.",
                "Read it, then add vmaccepteula to the kickstart, or build with --accept-eula.",
            )
        lines.append("vmaccepteula")
    if ours.rootpw is not None:
        lines.append(ours.rootpw)
    elif "rootpw" not in has:
        raise FormatError(
            "kickstart: there is no root password.", "Add rootpw to the kickstart, or give one in the recipe."
        )
    if ours.network is not None:
        lines.append(ours.network)
    lines.append("%include " + ours.include)
    lines.extend(line for line in ours.commands if line.split()[0] not in has)
    return lines


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _checked(text: str) -> bytes:
    merged = Kickstart.parse(text.encode("utf-8", "surrogateescape"))
    count = len(merged.commands) + len(merged.sections)
    if count > MOST_COMMANDS:
        raise FormatError(
            "kickstart: it has {} commands with what esxforge adds; ESXi's installer takes {}.".format(
                count, MOST_COMMANDS
            ),
            "Move some into a %post or %firstboot section.",
        )
    for number, line in enumerate(text.split("\n"), 1):
        if any(ord(letter) > 0x7E for letter in line):
            raise FormatError(
                "kickstart: line {} of the merged one is not ASCII.".format(number),
                "ESXi's installer reads ASCII only; write it without accents and the like.",
            )
    return text.encode("ascii")
