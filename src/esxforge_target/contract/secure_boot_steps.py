"""How far a host with Secure Boot on came: what the hook's log and MAAS's events say of it, for who follows it."""

PHASE = "secure-boot"
EVENT_NAME = "esxforge/" + PHASE
# The hook's line. Nothing after it is certain.
TRIED = (
    "Secure Boot is on, and this image tries it. Nobody has seen ESXi start so: the boot loader may refuse, the kernel "
    "may stop, or the agent may not start (docs/troubleshooting.md, Secure Boot)"
)
# Events of the installer; they come before all of the agent's, whose first is #1.01.
INSTALLER_RUNS = "#0.01 {}: With Secure Boot on, VMware's loader, kernel and installer took our module".format(PHASE)
INSTALLED = (
    "#0.02 {}: With Secure Boot on, ESXi is installed, and our module is in its boot bank; the machine restarts into "
    "it".format(PHASE)
)
