"""``python -m esxforge_target.agent``: exit status 0 when there is nothing (more) to do, 1 to be started again."""

import sys

from esxforge_target.agent.life import run
from esxforge_target.agent.system import System

if __name__ == "__main__":
    sys.exit(run(System()))
