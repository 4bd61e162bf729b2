"""The stamps of a host's disks: the GPT disk GUIDs in their first sectors.

A dead or reserved LUN blocks whoever reads it, so a child reads, each disk in a thread of its own (an array that is
away takes dozens with it), and is left behind where one hangs. Facts: ESXi shows its disks as files in one directory;
``vml.*`` are symlinks to them and ``NAME:N`` their partitions.
"""

import base64
import os
import re
import select
import stat
import subprocess
import sys
import time
from typing import Dict, List, Optional, Sequence, Set, Tuple

from esxforge_target.formats.gpt_disk import DiskIdentity, disk_identities

DEVICES = "/vmfs/devices/disks"
# Raw disks take aligned reads only; this much holds a GPT header for either sector size.
READ_BYTES = 65536
_CHILD = """
import base64, os, sys, threading
lock = threading.Lock()
def read(number, name):
    try:
        handle = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)
        try:
            data = os.read(handle, int(sys.argv[2]))
        finally:
            os.close(handle)
    except OSError:
        data = b""
    with lock:
        sys.stdout.write("{} {}\\n".format(number, base64.b64encode(data[:8192]).decode("ascii")))
        sys.stdout.flush()
threading.stack_size(262144)
for number, name in enumerate(sys.stdin.read().split("\\0")):
    thread = threading.Thread(target=read, args=(number, name))
    thread.daemon = True
    try:
        thread.start()
    except RuntimeError:
        read(number, name)
sys.stdin.close()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
"""
# A disk that hung once is given this much the next time; all together get at most so many times that of one.
_AGAIN_SECONDS = 1.0
_TOTAL = 2


class DeviceDirectory:
    """The directory of disks. ``seconds`` is how long the last of them may stay silent; all get twice that at most."""

    def __init__(self, path: str = DEVICES, seconds: float = 15.0) -> None:
        self.path = path
        self._seconds = seconds
        self._hung = set()  # type: Set[str]

    def names(self) -> List[str]:
        """The disks, each once: no symlinks, no partitions."""
        seen = set()  # type: Set[Tuple[int, int]]
        found = []
        try:
            entries = sorted(os.listdir(self.path))
        except OSError:
            return []
        for name in entries:
            if re.search(r":[0-9]+\Z", name):
                continue
            try:
                status = os.lstat(os.path.join(self.path, name))
            except OSError:
                continue
            if stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode):
                continue
            is_node = stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)
            identity = (-1, status.st_rdev) if is_node and status.st_rdev else (status.st_dev, status.st_ino)
            if identity not in seen or not identity[1]:
                seen.add(identity)
                found.append(name)
        return found

    def stamps(self) -> Dict[str, Tuple[str, ...]]:
        """The stamps of each disk that answers, as lower-case GUIDs; a disk without a GPT has none."""
        found = {}  # type: Dict[str, Tuple[str, ...]]
        for name, stamps in self.identities_found().items():
            found[name] = tuple(sorted({str(stamp.disk_guid) for stamp in stamps}))
        return found

    def identities_found(self, names: "Optional[Sequence[str]]" = None) -> "Dict[str, Tuple[DiskIdentity, ...]]":
        """The stamps, with the sector size at which each stands, of those of ``names`` (None: all) that answer."""
        chosen = self.names() if names is None else list(names)
        return {name: disk_identities(data) for name, data in self._first_bytes(chosen).items()}

    def _first_bytes(self, names: List[str]) -> Dict[str, bytes]:
        if not names:
            return {}
        child = subprocess.Popen(
            [sys.executable or "python", "-c", _CHILD, self.path, str(READ_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert child.stdin is not None  # noqa: S101  # for the type checker
        assert child.stdout is not None  # noqa: S101  # for the type checker
        try:
            try:
                child.stdin.write("\0".join(names).encode("utf-8"))
                child.stdin.close()
            except OSError:
                pass  # it ended already; it has no answers then
            return self._answers(child.stdout.fileno(), names)
        finally:
            child.stdout.close()
            child.kill()
            # A child that hangs in the kernel cannot be waited for: it ends when the disk answers or fails.
            try:
                child.wait(2)
            except subprocess.TimeoutExpired:
                pass

    def _answers(self, handle: int, names: List[str]) -> Dict[str, bytes]:
        found = {}  # type: Dict[str, bytes]
        rest = b""
        last = time.monotonic()
        end = last + _TOTAL * self._seconds
        while len(found) < len(names):
            known = all(name in found or name in self._hung for name in names)
            silence = min(_AGAIN_SECONDS, self._seconds) if known else self._seconds
            left = min(last + silence, end) - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                break
            data = os.read(handle, READ_BYTES)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                number, _, text = line.partition(b" ")
                found[names[int(number)]] = base64.b64decode(text)
                last = time.monotonic()
        self._hung = {name for name in self._hung.union(names) if name not in found}
        return found
