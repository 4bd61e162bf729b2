"""Naming a set of finished files: all of them or none, even if the process or the computer dies.

A set is one main file and its companions (an image, its manifest, its bill of materials). No file system names several
files at once, so a crash can leave at worst:

* the old main file, with its old companions or without any, or no main file where there was none;
* the new main file with its companions; where it replaced an old one, or the file system has no hard links, some or
  all of them may be missing.

A main file beside a companion that describes another one never exists, not for a moment. The rest is undone by
:func:`recover` in the next run, which finds hidden names (``.MAIN.TOKEN.NUMBER.ROLE``, with the number of the file in
the set, the main one's being 0):

``partial``  data that is being written, where the file system has no unnamed files
``ready``    a complete file, on the disk, that waits for its name
``old``      a companion that was set aside, until the main file that it describes is replaced

As long as the main file's ready name leads to another file than its name does, the set is not in force: companions that
are in place already are removed, and those set aside come back.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PARTIAL, READY, OLD = "partial", "ready", "old"
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NO_DIRECTORY_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_LONGEST_NAME_BYTES = 200


class TakenError(Exception):
    """A name that has to be free is not. Internal: callers turn it into an error for people."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Directory:
    """An open directory, whose names stay within it wherever its own path leads meanwhile. Close it after use.

    All methods but :meth:`status` raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.descriptor)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of this name, links not followed; None if nothing has it."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def same(self, name: str, other: str) -> bool:
        """Return whether both names exist and lead to the same file."""
        first, second = self.status(name), self.status(other)
        return first is not None and second is not None and os.path.samestat(first, second)

    def names(self) -> list[str]:
        return os.listdir(self.descriptor)  # noqa: PTH208  pathlib takes no descriptor

    def link_open(self, descriptor: int, name: str) -> None:
        """Give an open file without a name this one. An existing name is an error."""
        # Without src_dir_fd Python calls link(2), which does not follow the symlink in /proc; linkat(2) does.
        source = f"/proc/self/fd/{descriptor}"
        os.link(source, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=True)

    def link(self, name: str, other: str) -> None:
        """Give the file ``name`` another name, too. An existing one is an error."""
        os.link(name, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)

    def rename(self, name: str, other: str) -> None:
        """Rename, over whatever has the new name."""
        os.replace(name, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def sync(self) -> None:
        """Return once the changes of names so far survive a power cut."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise


@dataclass(frozen=True, slots=True)
class FileSet:
    """The names of a set in one directory, the main one first: also those of companions that are not written."""

    names: tuple[str, ...]

    @property
    def main(self) -> str:
        return self.names[0]

    @property
    def companions(self) -> tuple[str, ...]:
        return self.names[1:]

    @property
    def lock(self) -> str:
        """Name of the lock on the set."""
        return f".{_base(self.main)}.lock"

    def hidden(self, name: str, token: str, role: str) -> str:
        """Return the name of a file of the set that does not yet, or no longer, have the name ``name``."""
        return f".{_base(self.main)}.{token}.{self.names.index(name)}.{role}"

    def hidden_pattern(self) -> re.Pattern[str]:
        """Return a pattern that matches all hidden names, with their token as the first group."""
        base = re.escape(_base(self.main))
        return re.compile(rf"\.{base}\.([0-9a-f]{{16}})\.\d+\.(?:{PARTIAL}|{READY}|{OLD})", re.ASCII)


@dataclass(slots=True)
class NewFile:
    """A file that waits for its name: open as ``descriptor``; ``hidden`` is its name meanwhile, empty for none."""

    name: str
    descriptor: int
    hidden: str = ""


@dataclass(slots=True)
class Naming:
    """Name ``files`` (the main one first) in ``directory``. What has the name of a companion that is not among them
    goes with the old main file.

    The caller holds the lock of the set and has synced the files' data.
    """

    directory: Directory
    names: FileSet
    token: str
    files: Sequence[NewFile]
    overwrite: bool
    replaced: bool = False
    _placed: list[str] = field(default_factory=list)
    _set_aside: list[str] = field(default_factory=list)

    def commit(self) -> None:
        """Name the files. Raises OSError, or :class:`TakenError` if a name is not free and may not be overwritten.

        After an error :meth:`roll_back` restores what was there, unless ``replaced`` says that the old main file is
        gone for good.
        """
        main, *others = self.files
        for file in self.files:
            self._make_ready(file)
        self.directory.sync()
        old = self._occupied(main.name)
        stale = [name for name in self.names.companions if self._occupied(name)]
        for name in stale:
            self._set_aside.append(name)
            self.directory.rename(name, self._hidden(name, OLD))
        if stale:
            self.directory.sync()
        if old or not self._place_by_links(main, others):
            self._place_main_first(main, others, free=not old)
        self._clean_up()

    def roll_back(self) -> None:
        """Undo an unfinished commit. Raises nothing: what the file system refuses now is left for the next run."""
        with suppress(OSError):
            if not self.replaced:
                for name in reversed(self._placed):
                    self.directory.unlink(name)
                for name in self._set_aside:
                    _put_back(self.directory, name, self._hidden(name, OLD))
            if self._placed or self._set_aside:
                self.directory.sync()
            for name in reversed(self.names.names):
                for role in (PARTIAL, OLD, READY):
                    self.directory.unlink(self._hidden(name, role))

    def _hidden(self, name: str, role: str) -> str:
        return self.names.hidden(name, self.token, role)

    def _make_ready(self, file: NewFile) -> None:
        ready = self._hidden(file.name, READY)
        if file.hidden:
            self.directory.rename(file.hidden, ready)
        else:
            self.directory.link_open(file.descriptor, ready)
        file.hidden = ready

    def _occupied(self, name: str) -> bool:
        """Return whether something has this name; it may be overwritten then. Raises TakenError if it may not."""
        found = self.directory.status(name)
        if found is None:
            return False
        if not self.overwrite or not stat.S_ISREG(found.st_mode):
            raise TakenError(name)
        return True

    def _place_by_links(self, main: NewFile, others: Sequence[NewFile]) -> bool:
        """Name the companions, then the main file, whose name is free. A link overwrites nothing, even if the name was
        taken a moment ago. Returns False, with nothing named, if the file system has no hard links."""
        for file in (*others, main):
            if file is main:
                self.directory.sync()
            try:
                self.directory.link(file.hidden, file.name)
            except FileExistsError:
                raise TakenError(file.name) from None
            except OSError as error:
                if error.errno in _NO_HARD_LINKS and not self._placed:
                    return False
                raise
            self._placed.append(file.name)
        self.directory.sync()
        return True

    def _place_main_first(self, main: NewFile, others: Sequence[NewFile], *, free: bool) -> None:
        """Replace the main file, which has no companions now, and then name the new ones."""
        if free and self.directory.status(main.name) is not None:
            raise TakenError(main.name)
        self.directory.rename(main.hidden, main.name)
        self.replaced = True
        self.directory.sync()
        for file in others:
            self.directory.rename(file.hidden, file.name)
        self.directory.sync()

    def _clean_up(self) -> None:
        """Remove hidden names, as the set is in force. Any that are left are removed by the next run."""
        with suppress(OSError):
            for file in self.files:
                self.directory.unlink(self._hidden(file.name, READY))
            for name in self._set_aside:
                self.directory.unlink(self._hidden(name, OLD))
            self.directory.sync()


def recover(directory: Directory, names: FileSet) -> None:
    """Undo and remove the leftovers of a run of this set that died. The caller holds its lock. Raises OSError."""
    left: dict[str, set[str]] = {}
    pattern = names.hidden_pattern()
    for found in directory.names():
        match = pattern.fullmatch(found)
        if match and _is_ours(directory, found):
            left.setdefault(match[1], set()).add(found)
    for token, hiddens in left.items():
        main_ready = names.hidden(names.main, token, READY)
        if main_ready in hiddens and not directory.same(main_ready, names.main):
            for name in names.companions:
                ready, old = names.hidden(name, token, READY), names.hidden(name, token, OLD)
                if ready in hiddens and directory.same(ready, name):
                    directory.unlink(name)
                if old in hiddens:
                    _put_back(directory, name, old)
            directory.sync()
        # The main file's last: as long as it is there, this is done again.
        for found in sorted(hiddens, key=lambda one: one == main_ready):
            directory.unlink(found)
    if left:
        directory.sync()


def _put_back(directory: Directory, name: str, old: str) -> None:
    """Give a companion that was set aside its name again, unless something else has it."""
    if directory.status(old) is not None and directory.status(name) is None:
        directory.rename(old, name)


def _is_ours(directory: Directory, name: str) -> bool:
    """Return whether it is a regular file of this user, or of the directory's owner (file systems without owners)."""
    found, around = directory.status(name), os.fstat(directory.descriptor)
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_uid in (os.geteuid(), around.st_uid)


def _base(name: str) -> str:
    """Return the name itself, or a digest if there would be no room for what is added to it."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= _LONGEST_NAME_BYTES else hashlib.sha256(encoded).hexdigest()
