"""One step of the installer on an old Python: ``story.py STEP ROOT``; commands come from PATH."""

import sys

from esxforge_target.installer import includes, last_check, post, pre, user_script
from esxforge_target.installer.environment import Installer


def run(step: str, installer: Installer) -> int:
    """The step's exit status."""
    if step == "includes":
        return includes.main(["guarded", "lenient"], installer)
    if step == "script":
        return user_script.main(["%post", "7", "busybox", "60", "guarded", "lenient"], installer, "exit 3\n")
    mains = {"pre": pre.main, "post": post.main, "check": last_check.main}
    return mains[step](installer)


sys.exit(run(sys.argv[1], Installer(sys.argv[2])))
