"""The script that starts the agent on the installed ESXi, and where it stands in the bank module.

ESXi runs what lies in ``/etc/rc.local.d`` on every boot; the bank module (an extra tar that the boot loader loads) puts
the script there anew each time, until the agent takes the module out of boot.cfg. ``%firstboot`` runs the same script:
a second start does nothing, as the agent holds a lock.

Facts: ESXi's shell is busybox ash. Python is ``python`` on 6.5 and 6.7, both ``python`` and ``python3`` later. Since
8.0 (``execInstalledOnly``) files that no VIB brought are not executed themselves, so the interpreter is named. The file
needs mode 0777 with the sticky bit (the mechanism of HPE Image Streamer, 7.0 U2 and later).
"""

from esxforge_target.contract.names import AGENT, LIBRARY
from esxforge_target.esxi.banks import MODULE, UNFINISHED
from esxforge_target.formats import tar_module

# What the agent's Python itself says, such as that it cannot start; the agent's own log stands in the bank.
OUTPUT = "/var/log/esxforge-agent.log"
PATH = "/etc/rc.local.d/999.esxforge.sh"
MODE = 0o1777

# Boots wait for these scripts to end, so the agent goes to the background, in a session of its own where setsid is
# there. It starts in its library's directory: `python -m` looks for modules in the current one first. Programs are
# tried rather than looked for, as a busybox need not have `command` or `which`.
SCRIPT = """\
#!/bin/sh
# Starts esxforge's agent, on every boot until the agent has finished and takes itself out of the boot bank.
cd {library} || exit 0
export PYTHONPATH={library} PYTHONDONTWRITEBYTECODE=1
detached=
setsid true >/dev/null 2>&1 && detached=setsid
for python in python3 python; do
    if "$python" -c "" >/dev/null 2>&1; then
        $detached "$python" -m {agent} </dev/null >>{output} 2>&1 &
        exit 0
    fi
done
echo "esxforge: there is no python on this host, so its agent cannot start" >>{output}
exit 0
""".format(library=LIBRARY, agent=AGENT, output=OUTPUT)

# The kickstart's %firstboot: the same script, for a release that should not start it on the first boot. Where boot.cfg
# does not list the module, the power went while %post wrote it: nobody else takes away then what may hold secrets.
FIRST_BOOT = """\
if [ -f {path} ]; then
    sh {path}
elif ! grep -q {module} /bootbank/boot.cfg; then
    for file in /bootbank/{unfinished} /bootbank/{module}; do
        [ -f "$file" ] || continue
        dd if=/dev/zero of="$file" bs=4096 count=$((($(wc -c <"$file") + 4095) / 4096)) conv=notrunc
        sync
        rm -f "$file"
    done
fi
""".format(path=PATH, unfinished=UNFINISHED, module=MODULE)


def entry() -> tar_module.TarEntry:
    """The script as a file of the bank module."""
    return tar_module.file(PATH.lstrip("/"), SCRIPT.encode("ascii"), MODE)
