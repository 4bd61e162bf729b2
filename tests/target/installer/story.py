"""One step of the installer on an old Python: ``story.py pre|post ROOT``; commands come from PATH."""

import sys

from esxforge_target.installer import post, pre
from esxforge_target.installer.environment import Installer

sys.exit({"pre": pre, "post": post}[sys.argv[1]].main(Installer(sys.argv[2])))
