"""Scripts of the owner: which interpreter their ``#!`` line asks for.

From ESXi 8.0 on a file can only be executed when it belongs to an installed package (``execInstalledOnly``), so a
script is handed to its interpreter. ESXi has BusyBox's sh and Python, nothing else.
"""

import posixpath
from typing import Any, List

from esxforge_target.cloud_data.actions import ActionPlan, RunScript
from esxforge_target.cloud_data.errors import CloudDataError

_SHELLS = ("sh", "ash")


def plan_script(content: bytes, name: str) -> RunScript:
    """The script as an action. CloudDataError when ESXi has nothing to run it with."""
    first = content.split(b"\n", 1)[0][2:].strip()
    if b"\x00" in content:
        raise CloudDataError("{} is not a script: it holds binary data.".format(name))
    try:
        words = first.decode("ascii").split()
    except UnicodeDecodeError:
        words = []
    program = posixpath.basename(words[0]) if words else ""
    options = words[1:]
    if program == "env":
        options = options[1:] if options[:1] == ["-S"] else options
        program, options = (posixpath.basename(options[0]), options[1:]) if options else ("", [])
    if program in _SHELLS:
        return RunScript(name, "sh", tuple(options), content)
    if program.rstrip("0123456789.") == "python":
        if program.startswith("python2"):
            raise CloudDataError("{} wants Python 2, which ESXi does not have.".format(name), "Write it for Python 3.")
        return RunScript(name, "python", tuple(options), content)
    raise CloudDataError(
        "{} wants {!r}, which ESXi does not have.".format(name, program[:40] or "nothing"),
        "Start it with #!/bin/sh or #!/usr/bin/env python3.",
    )


def plan_runcmd(value: Any) -> ActionPlan:
    """``runcmd``: one shell script of all commands, as cloud-init makes it; its status is that of the last one."""
    if not isinstance(value, list) or not value:
        raise CloudDataError("runcmd is not a list of commands.")
    lines = []  # type: List[str]
    for number, command in enumerate(value, 1):
        if isinstance(command, str):
            lines.append(command)
        elif isinstance(command, list) and command and all(_is_word(word) for word in command):
            lines.append(" ".join(_quote(str(word)) for word in command))
        elif command is not None:
            raise CloudDataError("runcmd's command {} is neither text nor a list of words.".format(number))
    text = "#!/bin/sh\n" + "\n".join(lines) + "\n"
    if "\x00" in text:
        raise CloudDataError("runcmd holds binary data.")
    return ActionPlan((RunScript("runcmd", "sh", (), text.encode("utf-8")),))


def _is_word(word: Any) -> bool:
    return isinstance(word, (str, int, float)) and not isinstance(word, bool)


def _quote(word: str) -> str:
    """``word`` as one word of the shell (shlex.quote, which leaves plain words bare, reads less well in the log)."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def is_script(content: bytes) -> bool:
    """Return whether ``content`` starts as a script does."""
    return content[:2] == b"#!"
