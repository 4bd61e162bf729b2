"""Names that hook, installer step, agent and builder must agree on: files, modules of the boot loader, programs."""

# On the boot volume of an installer image (FAT, upper case as the ISO has it).
HOST_MODULE = "ESXFORGE.TGZ"
BOOT_CFG = "BOOT.CFG"
UEFI_BOOT_CFG = "EFI/BOOT/BOOT.CFG"

# In the RAM disk, where ESXi unpacks the host module (in the installer) or the bank module (on the installed host).
DIRECTORY = "/esxforge"
HOST_RECORD = DIRECTORY + "/host.json"
DESIRED_HOST = DIRECTORY + "/desired.json"
SECRETS = DIRECTORY + "/secrets.json"
INSTALL_RECORD = DIRECTORY + "/installed.json"
GOLDEN_RECORD = DIRECTORY + "/golden.json"
KICKSTART = DIRECTORY + "/ks.cfg"
KICKSTART_URL = "file://" + KICKSTART
LIBRARY = DIRECTORY + "/lib"

# What the installer's sections write, for root alone. Not in /tmp, which a script of the user's may clean up.
RUN = DIRECTORY + "/run"
# %pre writes these two; the kickstart includes them.
INSTALL_INCLUDE = RUN + "/install.cfg"
ROOT_PASSWORD_INCLUDE = RUN + "/rootpw.cfg"
# The line that the second one holds; the agent takes the hash from it.
ROOT_PASSWORD_PREFIX = "rootpw --iscrypted "  # noqa: S105  a kickstart's words

# In a boot bank: 8.3, as all names there. The module itself is ``esxi.banks.MODULE``.
INSTALLER_LOG = "esxfinst.log"
AGENT_LOG = "esxforge.log"
AGENT_INVENTORY = "esxforge.inv"

# What starts each program: ``python -m NAME``.
PRE = "esxforge_target.installer.pre"
POST = "esxforge_target.installer.post"
GOLDEN_PRE = "esxforge_target.installer.golden_pre"
INCLUDES = "esxforge_target.installer.includes"
LAST_CHECK = "esxforge_target.installer.last_check"
USER_SCRIPT = "esxforge_target.installer.user_script"
AGENT = "esxforge_target.agent"
