"""ESXi's SSH service as it is now: whether it runs, and whether it starts with the host.

Facts: the service is the script ``SSH`` in /etc/init.d. ``chkconfig --list`` has a line for each script, with ``on`` or
``off`` after its name; what ``vim-cmd hostsvc/enable_ssh`` sets shows there.
"""

from typing import Optional

from esxforge_target.agent.system import System


def is_running(system: System) -> "Optional[bool]":
    """None: the host does not say."""
    result = system.run(("/etc/init.d/SSH", "status"))
    text = result.stdout + result.stderr
    return None if "running" not in text else "not running" not in text


def starts_with_host(system: System) -> "Optional[bool]":
    """None: the host does not say."""
    for line in system.run(("chkconfig", "--list")).stdout.splitlines():
        words = line.split()
        if words[:1] == ["SSH"] and words[1:] in (["on"], ["off"]):
            return words[1] == "on"
    return None
