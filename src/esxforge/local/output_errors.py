"""Reasons why an output cannot be written, with a sentence and a hint for each."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from shlex import quote

from esxforge.errors import OutputError
from esxforge.local.reading import kind_of


def wrong_kind(path: Path, mode: int, option: str) -> OutputError:
    """The output's name belongs to something other than a regular file."""
    if stat.S_ISLNK(mode):
        target = path.readlink()
        return OutputError(
            f"The output {path} is a symbolic link to {target}.",
            f"Name the file that you mean with {option}, or remove the link.",
            str(path),
            "kind",
        )
    if stat.S_ISDIR(mode):
        return OutputError(f"The output {path} is a directory.", f"Name a file in it with {option}.", str(path), "kind")
    if stat.S_ISBLK(mode):
        return OutputError(
            f"The output {path} is a block device; esxforge writes files only.",
            f"Name a file with {option}. A raw image goes onto a disk with dd, once you are sure which disk it is.",
            str(path),
            "kind",
        )
    return OutputError(
        f"The output {path} is {kind_of(mode)}; esxforge writes files only.",
        f"Name a file with {option}.",
        str(path),
        "kind",
    )


def exists(path: Path, main: Path, option: str) -> OutputError:
    """The output, or a file that would describe it, exists, and overwriting was not allowed."""
    if path == main:
        return OutputError(
            f"The output {path} exists already.",
            f"Name another file with {option}, or overwrite it with --force.",
            str(path),
            "exists",
        )
    return OutputError(
        f"{path} exists already, without {main.name}, the file that it belongs to.",
        f"Move it away, name another output with {option}, or overwrite it with --force.",
        str(path),
        "exists",
    )


def not_text(path: Path, option: str) -> OutputError:
    """The log would be appended to a file that holds something else."""
    return OutputError(
        f"{path} is not a text file; no log is appended to it.", f"Name another file with {option}.", str(path), "kind"
    )


def directory_exists(path: Path, option: str) -> OutputError:
    """The directory that was to be created exists, or something else has its name."""
    return OutputError(f"The directory {path} exists already.", f"Name another one with {option}.", str(path), "exists")


def appeared(path: Path, option: str) -> OutputError:
    """Another program made a file of the output's name while it was being written."""
    return OutputError(
        f"Another program created {path} in the meantime; it was left alone.",
        f"Look at that file, then name another one with {option} or move it away.",
        str(path),
        "exists",
    )


def in_use(path: Path, lock: Path, option: str) -> OutputError:
    """Another run is writing the same output; ``lock`` is the file that it holds."""
    return OutputError(
        f"Another run of esxforge is writing {path}.",
        f"Wait for it to end, or name another file with {option}. “fuser {quote(str(lock))}” shows its process.",
        str(path),
        "in-use",
    )


def is_an_input(path: Path, what: str, option: str) -> OutputError:
    """The output is a file that is being read."""
    return OutputError(
        f"The output {path} is {what} itself, which is never overwritten.",
        f"Name another output with {option}.",
        str(path),
        "input",
    )


def no_directory(path: Path, error: OSError, option: str) -> OutputError:
    """The output's directory cannot be opened."""
    parent = path.absolute().parent
    if error.errno == errno.ENOENT:
        return OutputError(
            f"The directory {parent} does not exist.",
            f"Create it (mkdir -p), or name a file elsewhere with {option}.",
            str(path),
            "no-directory",
        )
    if error.errno == errno.ENOTDIR:
        return OutputError(
            f"{parent} is not a directory.", f"Name a file in a directory with {option}.", str(path), "no-directory"
        )
    return system_error(path, error, option)


def too_little_space(path: Path, free: int, needed: int, option: str) -> OutputError:
    """The output would not fit. ``free`` and ``needed`` in bytes."""
    parent = path.absolute().parent
    return OutputError(
        f"{path} needs {needed / 2**20:.0f} MiB, and {parent} has {free / 2**20:.0f} MiB free.",
        f"Free some space (df -h {quote(str(parent))}), or name a file on another file system with {option}.",
        str(path),
        "no-space",
    )


# A list of causes, each with its own sentence: many returns are what makes it readable.
def system_error(  # noqa: PLR0911
    path: Path, error: OSError, option: str, written: int = 0, *, kept: bool = False
) -> OutputError:
    """The system refused an operation while the output was written. ``written`` is in bytes. ``kept``: the new file has
    replaced the old one already."""
    parent, amount = path.absolute().parent, f"after {written / 2**20:.0f} MiB; nothing of it was kept"
    if kept:
        return OutputError(
            f"{path} was replaced by the new file, but not everything that belongs to it could be written: "
            f"{error.strerror or error}.",
            "Check the disk (dmesg), then run the command again.",
            str(path),
            "incomplete",
        )
    match error.errno:
        case errno.ENOSPC:
            return OutputError(
                f"No space left for {path} {amount}.",
                f"Free some space (df -h {quote(str(parent))}), or name a file on another file system with {option}.",
                str(path),
                "no-space",
            )
        case errno.EDQUOT:
            return OutputError(
                f"Your disk quota has no room for {path} {amount}.",
                f"Free some space (quota -s), or name a file on another file system with {option}.",
                str(path),
                "no-space",
            )
        case errno.EFBIG:
            return OutputError(
                f"Could not write {path}: File too large; nothing of it was kept.",
                f"The file system (FAT32: 4 GiB) or “ulimit -f” allows no more; name a file elsewhere with {option}.",
                str(path),
                "too-large",
            )
        case errno.EROFS:
            return OutputError(
                f"{parent} is on a read-only file system.",
                f"Name a file on another file system with {option}, or mount this one for writing.",
                str(path),
                "read-only",
            )
        case errno.EACCES | errno.EPERM:
            return OutputError(
                f"Not allowed to write {path}: {error.strerror}.",
                f"Name a file in a directory of your own with {option}; “ls -ld {quote(str(parent))}” "
                "shows who may write there.",
                str(path),
                "permission",
            )
        case errno.ELOOP:
            return OutputError(
                f"Could not write {path}: a symbolic link is where a temporary file has to go.",
                f"Look for it (ls -la {quote(str(parent))}) and remove it, or name a file elsewhere with {option}.",
                str(path),
                "kind",
            )
        case errno.ENAMETOOLONG:
            return OutputError(
                f"The name of the output is too long: {path}.", f"Name a shorter one with {option}.", str(path), "name"
            )
        case errno.EIO:
            return OutputError(
                f"Could not write {path}: Input/output error; nothing of it was kept.",
                f"The disk failed (dmesg shows how); name a file on another one with {option}.",
                str(path),
                "disk",
            )
    return OutputError(
        f"Could not write {path}: {error.strerror or error}; nothing of it was kept.",
        f"Check the disk it is on, or name a file on another one with {option}.",
        str(path),
    )
