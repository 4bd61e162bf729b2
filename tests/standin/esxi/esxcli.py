"""esxcli and localcli: global options, the tree of commands, help."""

from typing import Dict, List, Tuple

from standin.esxi import (
    firewall,
    interfaces,
    ipv4,
    ipv6,
    netstacks,
    nics,
    policies,
    portgroups,
    routes,
    storage,
    system,
    vswitches,
)
from standin.esxi.dials import LIST_LAG
from standin.esxi.errors import CommandError
from standin.esxi.host import Command, Host, PastHost
from standin.esxi.options import parse_options
from standin.esxi.output import Style, render

MODULES = (firewall, interfaces, ipv4, ipv6, netstacks, nics, policies, portgroups, routes, storage, system, vswitches)
COMMANDS: Dict[Tuple[str, ...], Command] = {command.words: command for module in MODULES for command in module.COMMANDS}
FORMATTERS = ("json", "keyvalue", "csv", "table", "tree")


def run(host: Host, arguments: List[str]) -> str:
    """What esxcli prints. Raises CommandError."""
    formatter, words = _global_options(list(arguments))
    path: List[str] = []
    while words and not words[0].startswith("-"):
        path.append(words.pop(0))
        if tuple(path) in COMMANDS:
            break
    command = COMMANDS.get(tuple(path))
    if command is None:
        return _namespace(path, words)
    if words[:1] in (["--help"], ["-?"], ["-h"]):
        return usage(command)
    if words and not words[0].startswith("-"):
        raise CommandError("Error: Unknown command or namespace {}".format(" ".join(path + words[:1])))
    try:
        options = parse_options(command.options, words)
    except CommandError as error:
        raise CommandError(f"{error.message}\n\n{usage(command)}".rstrip("\n"), error.status) from None
    answer = command.handler(_as_listed(host, command), options)
    quirks = host.hardware["quirks"]
    style = Style(
        quirks["json_blanks"], quirks["json_strings"],
        host.dial("no-value"), host.dial("empty-list"), host.dial("renamed-key"),
    )  # fmt: skip
    return render(answer, formatter, style)


def _as_listed(host: Host, command: Command) -> Host:
    """The machine as lists of its network show it, which may lag behind (dial list-lag); else as it is."""
    lag = LIST_LAG[host.dial("list-lag")]
    lists = command.words[-1] == "list" or command.words[-2:] in (("ipv4", "get"), ("ipv6", "get"))
    if not lag or not lists or command.words[0] != "network":
        return host
    return PastHost(host, host.store.running_at(host.now - lag))


def _global_options(words: List[str]) -> Tuple[str, List[str]]:
    formatter = ""
    while words and words[0].startswith("-"):
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name != "--formatter":
            if word == "--debug":
                continue
            raise CommandError(f"Error: Invalid option {word}")
        if not equals:
            if not words:
                raise CommandError("Error: Option --formatter requires a value")
            value = words.pop(0)
        if value not in FORMATTERS:
            raise CommandError(f"Error: Unknown formatter {value}")
        formatter = value
    return formatter, words


def _namespace(path: List[str], rest: List[str]) -> str:
    """The commands and namespaces below ``path``, or an error if there is no such namespace."""
    below = [words for words in COMMANDS if list(words[: len(path)]) == path]
    if not below:
        known = path
        while known and not any(list(words[: len(known)]) == known for words in COMMANDS):
            known = known[:-1]
        raise CommandError("Error: Unknown command or namespace {}".format(" ".join(path[: len(known) + 1])))
    if rest and rest[0] not in ("--help", "-?", "-h"):
        raise CommandError(f"Error: Invalid option {rest[0]}")
    names = sorted({words[len(path)] for words in below})
    return "Usage: esxcli {} {{cmd}} [cmd options]\n\nAvailable:\n{}".format(
        " ".join(path), "".join(f"  {name}\n" for name in names)
    )


def usage(command: Command) -> str:
    head = "Usage: esxcli {} [cmd options]\n\nCmd options:\n".format(" ".join(command.words))
    return head + "".join(option.usage + "\n" for option in command.options)
