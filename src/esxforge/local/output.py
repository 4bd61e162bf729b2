"""Output files: complete and on the disk before they have a name, and never anything but new regular files.

:func:`reserve` checks and locks the names of all files that a command is going to write, and removes what a run that
was killed has left; only then the work starts. :meth:`Reservation.write` opens the files: without a name where the file
system can (``O_TMPFILE``), else hidden ones with random names. When the block ends well, their data is brought to the
disk and :mod:`esxforge.local.naming` names them all together.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from esxforge.errors import OutputError
from esxforge.local import output_errors
from esxforge.local.interrupts import put_off
from esxforge.local.locks import LockedError, LockFile, lock
from esxforge.local.naming import PARTIAL, Directory, FileSet, Naming, NewFile, TakenError, recover
from esxforge.local.workspace import work_directory

_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
_AS_UMASK_SAYS = 0o666
_PRIVATE = 0o600
# What file systems say that cannot sync directories.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_NO_MODES = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_LOG_HEAD_BYTES = 1 << 16
_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]")


@dataclass(slots=True)
class Reservation:
    """The names of a main file and of those beside it that describe it. The block of :func:`reserve` has them.

    ``option`` is how the command line calls the main file, for hints.
    """

    main: Path
    overwrite: bool
    option: str
    _directory: Directory
    _names: FileSet
    _token: str = field(default_factory=lambda: secrets.token_hex(8))

    @contextmanager
    def write(self, modes: Mapping[Path, int | None]) -> Iterator[dict[Path, BinaryIO]]:
        """Open files for the paths of ``modes``, the main one among them; they get their names when the block ends
        without an error, all or none.

        A mode of None is what the umask leaves of rw-rw-rw-. Companions that are not written disappear with the old
        main file, which they described. Raises :class:`~esxforge.errors.OutputError`; afterwards everything is as it
        was, unless its code is ``output.incomplete``.
        """
        streams: dict[Path, BinaryIO] = {}
        files: list[NewFile] = []
        naming = Naming(self._directory, self._names, self._token, files, self.overwrite)
        written = 0
        try:
            for path in sorted(modes, key=lambda path: path != self.main):
                with put_off():
                    stream, partial = self._open(path, modes[path])
                    streams[path] = stream
                    files.append(NewFile(path.name, stream.fileno(), partial))
            yield dict(streams)
            written = max(_size(stream) for stream in streams.values())
            for stream in streams.values():
                stream.flush()
                os.fsync(stream.fileno())
            with put_off():
                naming.commit()
        except BaseException as error:
            written = max([written, *(_size(stream) for stream in streams.values())])
            for stream in streams.values():
                with suppress(OSError):  # a full disk takes no more of what is still buffered when it is closed
                    stream.close()
            if files:
                with put_off():
                    naming.roll_back()
            if not isinstance(error, OSError | TakenError):
                raise
            raise self._explained(error, written, kept=naming.replaced) from error
        for stream in streams.values():
            stream.close()

    def _open(self, path: Path, mode: int | None) -> tuple[BinaryIO, str]:
        """The open file, and its hidden name; empty where it has none."""
        access = _AS_UMASK_SAYS if mode is None else mode
        descriptor, partial = self._open_unnamed(access), ""
        if descriptor is None:
            partial = self._names.hidden(path.name, self._token, PARTIAL)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(partial, flags, access, dir_fd=self._directory.descriptor)
        if mode is not None:
            try:
                os.fchmod(descriptor, mode)  # exactly, whatever the umask
            except OSError as error:
                if error.errno not in _NO_MODES:
                    os.close(descriptor)
                    raise
        return os.fdopen(descriptor, "w+b"), partial

    def _open_unnamed(self, mode: int) -> int | None:
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        try:
            descriptor = os.open(".", flags, mode, dir_fd=self._directory.descriptor)
        except OSError as error:
            if error.errno in _NO_UNNAMED_FILES:
                return None
            raise
        if Path(f"/proc/self/fd/{descriptor}").exists():
            return descriptor
        os.close(descriptor)  # without /proc it could never be named
        return None

    def _explained(self, error: OSError | TakenError, written: int, *, kept: bool) -> OutputError:
        if isinstance(error, OSError):
            return output_errors.system_error(self.main, error, self.option, written, kept=kept)
        taken = self.main.with_name(error.name)
        found = self._directory.status(error.name)
        if found is not None and not stat.S_ISREG(found.st_mode):
            return output_errors.wrong_kind(taken, found.st_mode, self.option)
        return output_errors.appeared(taken, self.option)


@contextmanager
def reserve(
    main: Path,
    companions: Sequence[Path] = (),
    *,
    overwrite: bool = False,
    option: str = "-o",
    inputs: Mapping[str, Path] | None = None,
) -> Iterator[Reservation]:
    """Reserve the name ``main``, and those of ``companions`` in the same directory, for :meth:`Reservation.write`.

    Raises :class:`~esxforge.errors.OutputError` before anything is written or overwritten: for a name that something
    else than a regular file has, even with ``overwrite``; for an existing file without it; for a file of ``inputs``
    (by what people call it: "the ISO"); where another run has reserved ``main``; and for a directory in which nothing
    can be created.
    """
    paths = (main, *companions)
    _check(paths, option)
    with ExitStack() as stack:
        try:
            directory = Directory(main.absolute().parent)
        except OSError as error:
            raise output_errors.no_directory(main, error, option) from error
        stack.callback(directory.close)
        names = FileSet(tuple(path.name for path in paths))
        try:
            with put_off():
                lock = LockFile(directory.descriptor, names.lock)
                stack.callback(lock.release)
            if lock.held:
                recover(directory, names)
        except LockedError:
            raise output_errors.in_use(main, main.with_name(names.lock), option) from None
        except OSError as error:
            raise output_errors.system_error(main, error, option) from error
        _check_existing(paths, option, inputs or {}, overwrite=overwrite)
        yield Reservation(main, overwrite, option, directory, names)


def check_names(
    main: Path,
    companions: Sequence[Path] = (),
    *,
    size: int,
    overwrite: bool = False,
    option: str = "-o",
    inputs: Mapping[str, Path] | None = None,
) -> None:
    """Raise what :func:`reserve` and writing ``size`` bytes would raise now; nothing is written, not even a lock."""
    paths = (main, *companions)
    parent = main.absolute().parent
    _check(paths, option)
    try:
        Directory(parent).close()
        if os.statvfs(parent).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))  # noqa: TRY301 - as the system would say it
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise output_errors.no_directory(main, error, option) from error
    _check_existing(paths, option, inputs or {}, overwrite=overwrite)
    free = os.statvfs(parent)
    if free.f_bavail * free.f_frsize < size:
        raise output_errors.too_little_space(main, free.f_bavail * free.f_frsize, size, option)


@contextmanager
def output_file(
    path: Path, *, overwrite: bool = False, mode: int | None = None, option: str = "-o"
) -> Iterator[BinaryIO]:
    """Open one file for writing that takes the name ``path`` when the block ends without an error.

    Raises what :func:`reserve` and :meth:`Reservation.write` raise.
    """
    with reserve(path, overwrite=overwrite, option=option) as reservation, reservation.write({path: mode}) as streams:
        yield streams[path]


def open_log(path: Path, option: str) -> BinaryIO:
    """Open a file to append to. Unlike other outputs, a log has to be there when the run is killed.

    A new file can be read by its owner alone. It is locked until it is closed, so that runs do not mix their lines.
    Raises :class:`~esxforge.errors.OutputError` for what is not a regular file, holds something other than text (a disk
    or an image, named by mistake), cannot be written, or is in use.
    """
    _check([path], option)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, _PRIVATE)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise output_errors.no_directory(path, error, option) from error
        raise output_errors.system_error(path, error, option) from error
    stream = os.fdopen(descriptor, "wb", buffering=0)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):  # it was replaced after the check
        stream.close()
        raise output_errors.wrong_kind(path, mode, option)
    head = os.pread(descriptor, _LOG_HEAD_BYTES, 0)
    # After a power cut a log may end in zeros, but it begins as one.
    if b"\0" in head and not _LOG_LINE.match(head):
        stream.close()
        raise output_errors.not_text(path, option)
    try:
        lock(descriptor)
    except LockedError:
        stream.close()
        raise output_errors.in_use(path, path, option) from None
    return stream


@contextmanager
def output_directory(path: Path, *, option: str = "-o") -> Iterator[Path]:
    """A private directory to fill, which takes the name ``path`` when the block ends without an error.

    Its files are brought to the disk first; nothing that exists is replaced. Raises OutputError, for an OSError of the
    block, too.
    """
    try:
        parent = Directory(path.absolute().parent)
    except OSError as error:
        raise output_errors.no_directory(path, error, option) from error
    with closing(parent):
        if parent.status(path.name) is not None:
            raise output_errors.directory_exists(path, option)
        with work_directory(parent.path) as work:
            complete = work / "output"
            try:
                complete.mkdir(mode=0o700)
                yield complete
                for written in (*complete.iterdir(), complete):
                    _sync(written)
                if parent.status(path.name) is not None:  # rename(2) would replace an empty directory
                    raise output_errors.appeared(path, option)
                complete.rename(parent.path / path.name)
                _sync(parent.path)
            except OSError as error:
                raise output_errors.system_error(path, error, option) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _check(paths: Sequence[Path], option: str) -> list[Path]:
    """Those of ``paths`` that exist. Raises OutputError where one is not a regular file, or cannot be looked at."""
    existing = []
    for path in paths:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise output_errors.no_directory(path, error, option) from error
        if not stat.S_ISREG(mode):
            raise output_errors.wrong_kind(path, mode, option)
        existing.append(path)
    return existing


def _check_existing(paths: Sequence[Path], option: str, inputs: Mapping[str, Path], *, overwrite: bool) -> None:
    for path in _check(paths, option):
        for what, source in inputs.items():
            if _is_same(path, source):
                raise output_errors.is_an_input(path, what, option)
        if not overwrite:
            raise output_errors.exists(path, paths[0], option)


def _is_same(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return path.samefile(other)
    return False


def _size(stream: BinaryIO) -> int:
    with suppress(OSError, ValueError):
        return os.fstat(stream.fileno()).st_size
    return 0
