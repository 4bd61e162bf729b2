"""``python -m standin.esxi COMMAND ARGUMENTS…`` runs one command on the machine in the directory $STANDIN_ESXI."""

import os
import signal
import sys

from esxforge_target.runtime.commands import TIMED_OUT
from standin.esxi import FakeEsxi, PowerLost

QUESTIONS = ("vmkfstools",)


def main() -> int:
    directory = os.environ.get("STANDIN_ESXI", "")
    if not directory or len(sys.argv) < 2:
        print("usage: STANDIN_ESXI=DIRECTORY python -m standin.esxi COMMAND ARGUMENTS…", file=sys.stderr)
        return 2
    stdin = sys.stdin.read() if os.path.basename(sys.argv[1]) in QUESTIONS and "-Z" in sys.argv else ""
    try:
        result = FakeEsxi.open(directory).run(sys.argv[1:], stdin=stdin)
    except PowerLost as lost:
        print(f"power: {lost}", file=sys.stderr)
        return 255
    if result.status == TIMED_OUT:
        sys.stdout.flush()
        signal.pause()
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.status


if __name__ == "__main__":
    sys.exit(main())
