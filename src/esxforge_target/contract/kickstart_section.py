"""A section of the kickstart that runs a program of ours."""

from esxforge_target.contract.names import LIBRARY


def kickstart_section(name: str, program: str) -> str:
    """``name`` is ``%pre`` or ``%post``, ``program`` a module (see ``names``). A failure stops the installation."""
    return (
        "{name} --interpreter=busybox\n"
        "python=python3\n"
        '"$python" -c "" >/dev/null 2>&1 || python=python\n'
        "cd {library} || exit 1\n"
        'PYTHONPATH={library} PYTHONDONTWRITEBYTECODE=1 "$python" -m {program} || exit 1\n'
    ).format(name=name, library=LIBRARY, program=program)
