"""The boot volume that the hook runs from, as files: read, and removed so that nothing of them stays on the disk."""

import os
from typing import List

from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_geometry import serial_offsets
from esxforge_target.runtime.blocks import DiskError

_WIPE_BYTES = 1 << 20


class HookVolume:
    """Files of the boot volume. Paths are relative, with "/" between their parts. Raises ForgeError."""

    def exists(self, path: str) -> bool:
        """Return whether there is a file or directory."""
        raise NotImplementedError

    def read(self, path: str) -> bytes:
        """A file's content."""
        raise NotImplementedError

    def list(self, directory: str) -> "List[str]":
        """The names in a directory, sorted."""
        raise NotImplementedError

    def is_directory(self, path: str) -> bool:
        """Return whether there is a directory."""
        raise NotImplementedError

    def destroy(self, path: str) -> None:
        """Overwrite a file on the disk, then remove it; or remove an empty directory."""
        raise NotImplementedError

    def set_serial(self, serial: bytes) -> None:
        """Put another serial number (4 bytes) into the volume, where it has one."""
        raise NotImplementedError

    def destroy_tree(self, path: str) -> "List[str]":
        """Destroy a file, or a directory and all that is in it. The files that went; none where nothing was there."""
        gone = []  # type: List[str]
        if not self.exists(path):
            return gone
        if self.is_directory(path):
            for name in self.list(path):
                gone.extend(self.destroy_tree("{}/{}".format(path, name)))
        else:
            gone.append(path)
        self.destroy(path)
        return gone


class MountedVolume(HookVolume):
    """The volume as curtin mounted it from ``device``.

    vfat overwrites a file in place, so zeros reach its own clusters.
    """

    def __init__(self, directory: str, device: str) -> None:
        self._directory = directory
        self._device = device

    def _place(self, path: str) -> str:
        return os.path.join(self._directory, path)

    def exists(self, path: str) -> bool:
        return os.path.exists(self._place(path))

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(self._place(path))

    def read(self, path: str) -> bytes:
        try:
            with open(self._place(path), "rb") as file:
                return file.read()
        except OSError as error:
            raise DiskError(
                "{} on the deployed image cannot be read: {}.".format(path, error.strerror),
                "The image is damaged or of another kind: upload it again.",
            )

    def list(self, directory: str) -> "List[str]":
        return sorted(os.listdir(self._place(directory)))

    def destroy(self, path: str) -> None:
        place = self._place(path)
        try:
            if self.is_directory(path):
                os.rmdir(place)
            else:
                self._overwrite(place)
                os.remove(place)
            self._sync(os.path.dirname(place))
        except OSError as error:
            raise DiskError(
                "{} cannot be removed from the boot volume: {}.".format(path, error.strerror),
                "Deploy the machine again.",
            )

    def set_serial(self, serial: bytes) -> None:
        """Through the partition's own cache, from which Linux writes the boot sector again when the volume goes."""
        try:
            with open(self._device, "r+b", buffering=0) as partition:
                for offset in reversed(serial_offsets(partition.read(512))):
                    partition.seek(offset)
                    partition.write(serial)
                os.fsync(partition.fileno())
        except OSError as error:
            raise DiskError(
                "The serial number cannot be written to {}: {}.".format(self._device, error.strerror),
                "It is not required; its GUIDs distinguish a copy of the image from this host's.",
            )

    def _overwrite(self, place: str) -> None:
        left = os.path.getsize(place)
        with open(place, "r+b", buffering=0) as file:
            while left > 0:
                left -= file.write(bytes(min(left, _WIPE_BYTES))) or 0
            os.fsync(file.fileno())

    def _sync(self, directory: str) -> None:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FatBlocksVolume(HookVolume):
    """The volume by its sectors, if it is not mounted."""

    def __init__(self, editor: FatEditor) -> None:
        self._editor = editor

    def exists(self, path: str) -> bool:
        return self._editor.find(path) is not None

    def is_directory(self, path: str) -> bool:
        entry = self._editor.find(path)
        return entry is not None and entry.is_directory

    def read(self, path: str) -> bytes:
        return self._editor.read_file(path)

    def list(self, directory: str) -> "List[str]":
        return sorted(entry.name for entry in self._editor.list_directory(directory))

    def destroy(self, path: str) -> None:
        self._editor.remove(path, wipe=True)

    def set_serial(self, serial: bytes) -> None:
        self._editor.set_serial(serial)
