"""vim-cmd hostsvc: services, advanced options, datastores, maintenance mode. It talks to hostd."""

from typing import Callable, Dict, List, Tuple, Union

from standin.esxi import system
from standin.esxi.disks import make_nodes
from standin.esxi.errors import CommandError
from standin.esxi.host import Host
from standin.esxi.vmkfstools import check_label
from standin.esxi.volumes import make_directories, relabel, volume_named, wipe

SERVICES = {"ssh": "TSM-SSH", "esx_shell": "TSM"}
FAULT = (
    '(vim.fault.{kind}) {{\n   faultCause = (vmodl.MethodFault) null,\n   faultMessage = <unset>\n   msg = "{text}"\n}}'
)


def run(host: Host, arguments: List[str]) -> str:
    """What vim-cmd prints. Raises CommandError."""
    if not arguments:
        raise CommandError("Commands available under /:\nhostsvc/", 1)
    name, words = arguments[0].strip("/"), arguments[1:]
    if not name.startswith("hostsvc/") or name[8:] not in COMMANDS:
        raise CommandError(f"Invalid command '{arguments[0]}'.", 1)
    function, count = COMMANDS[name[8:]]
    if len(words) != count:
        raise CommandError(f"Insufficient or too many arguments.\nUsage: {name.rpartition('/')[2]}", 1)
    return function(host, words)


def _service(name: str, key: str, value: bool) -> Callable[[Host, List[str]], str]:
    def change(host: Host, words: List[str]) -> str:
        host.running["services"][SERVICES[name]][key] = value
        return ""

    return change


def _path(name: str) -> str:
    return "/" + name.replace(".", "/")


def _update(host: Host, words: List[str]) -> str:
    name, kind, text = words
    if kind not in ("long", "int", "string", "bool"):
        raise CommandError(f"Invalid type {kind}", 1)
    value: Union[int, str] = text
    if kind in ("long", "int"):
        if not text.lstrip("-").isdigit():
            raise CommandError(f"Invalid value {text} for type {kind}", 1)
        value = int(text)
    try:
        system.set_advanced(host, _path(name), value)
    except CommandError:
        raise CommandError(
            FAULT.format(kind="InvalidName", text=f"A specified parameter was not correct: {name}"), 1
        ) from None
    return ""


def _view(host: Host, words: List[str]) -> str:
    option = system.advanced(host, _path(words[0]))
    value = option["value"] if option["type"] == "integer" else '"{}"'.format(option["value"])
    head = "(vim.option.OptionValue) [\n   (vim.option.OptionValue) {\n"
    return head + f'      key = "{words[0]}", \n      value = {value}\n   }}\n]\n'


def _rename(host: Host, words: List[str]) -> str:
    before, after = words
    try:
        volume = volume_named(host, before)
    except CommandError:
        raise CommandError(FAULT.format(kind="NotFound", text=f"Datastore {before} not found"), 1) from None
    try:
        check_label(host, after, volume)
    except CommandError:
        raise CommandError(FAULT.format(kind="DuplicateName", text=f"The name '{after}' already exists."), 1) from None
    relabel(host, volume, after)
    make_nodes(host)
    make_directories(host)
    return ""


def _destroy(host: Host, words: List[str]) -> str:
    wipe(host, volume_named(host, words[0]))
    make_nodes(host)
    make_directories(host)
    return ""


def _maintenance(enable: bool) -> Callable[[Host, List[str]], str]:
    def change(host: Host, words: List[str]) -> str:
        if host.running["maintenance"] == enable:
            raise CommandError(
                FAULT.format(kind="InvalidState", text="The operation is not allowed in the current state.")
            )
        host.running["maintenance"] = enable
        return ""

    return change


def _nothing(host: Host, words: List[str]) -> str:
    return ""


def _sync(host: Host, words: List[str]) -> str:
    host.store.save_configuration()
    return ""


COMMANDS: Dict[str, Tuple[Callable[[Host, List[str]], str], int]] = {
    "advopt/update": (_update, 3),
    "advopt/view": (_view, 1),
    "datastore/rename": (_rename, 2),
    "datastore/destroy": (_destroy, 1),
    "datastore/refresh": (_nothing, 1),
    "net/refresh": (_nothing, 0),
    "maintenance_mode_enter": (_maintenance(True), 0),
    "maintenance_mode_exit": (_maintenance(False), 0),
    "firmware/sync_config": (_sync, 0),
}
for _name in SERVICES:
    COMMANDS["enable_" + _name] = (_service(_name, "policy", True), 0)
    COMMANDS["disable_" + _name] = (_service(_name, "policy", False), 0)
    COMMANDS["start_" + _name] = (_service(_name, "running", True), 0)
    COMMANDS["stop_" + _name] = (_service(_name, "running", False), 0)
