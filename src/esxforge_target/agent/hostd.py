"""ESXi's management service: most commands need it, and it comes up some time after our start."""

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import System

_QUESTION = ("esxcli", "system", "version", "get")
_PAUSE = 5.0


def wait_for_hostd(system: System, log: Log, end: float) -> bool:
    """Wait until it answers; at ``end`` give up, and use localcli from then on."""
    clock = system.clock
    system.program = "esxcli"
    started = clock.monotonic()
    while True:
        result = system.run(_QUESTION, min(60.0, max(end - clock.monotonic(), 1.0)))
        if result.status == 0:
            log.say("ESXi's management service answers after {:.0f} s".format(clock.monotonic() - started))
            return True
        if clock.monotonic() + _PAUSE >= end:
            log.warn("ESXi's management service (hostd) does not answer; localcli is used instead of esxcli")
            system.program = "localcli"
            return False
        clock.sleep(_PAUSE)


def restart_hostd(system: System, log: Log, end: float) -> bool:
    """Let hostd and the proxy in front of it read the new certificate; whether they came back."""
    for service, needed in (("rhttpproxy", False), ("hostd", True)):
        result = system.run(("/etc/init.d/" + service, "restart"), 60.0)
        if result.status != 0 and needed:
            log.warn("/etc/init.d/{} restart ended with {}".format(service, result.status))
            system.run(("/etc/init.d/" + service, "start"), 60.0)
    return wait_for_hostd(system, log, end)
