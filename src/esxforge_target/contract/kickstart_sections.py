"""The sections that esxforge adds to a kickstart, by which the hook (or a golden build) starts the installer step.

What both sides must agree on stands here: which program each section runs, and with which words.
"""

import shlex
from typing import Sequence

from esxforge_target.contract.names import LIBRARY, USER_SCRIPT
from esxforge_target.formats.kickstart import Section
from esxforge_target.formats.kickstart_scripts import handed_over, ignores_failure, interpreter_of, timeout_of

# How user_script and includes are to treat power commands, and a %post that fails.
GUARDED, FREE = "guarded", "free"
LENIENT, STRICT = "lenient", "strict"


def section_of(name: str, program: str, words: "Sequence[str]" = ()) -> str:
    """A section of the kickstart that runs a program of ours (see ``names``). A failure stops the installation."""
    return "{} --interpreter=busybox\n{} || exit 1\n".format(name, _start(program, words))


def _start(program: str, words: "Sequence[str]") -> str:
    return (
        "python=python3\n"
        '"$python" -c "" >/dev/null 2>&1 || python=python\n'
        "cd {library} || exit 1\n"
        'PYTHONPATH={library} PYTHONDONTWRITEBYTECODE=1 "$python" -m {command}'
    ).format(library=LIBRARY, command=" ".join((program,) + tuple(shlex.quote(word) for word in words)))


def carried(section: Section, guard: str, failures: str) -> str:
    """A section of the user's as one whose script ``user_script`` runs."""
    manner = LENIENT if ignores_failure(section) else failures
    words = (section.name, str(section.line), interpreter_of(section), str(timeout_of(section)), guard, manner)
    return handed_over(section, _start(USER_SCRIPT, words), failures == LENIENT)
