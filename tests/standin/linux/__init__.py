"""Small Linux guests: a kernel from the distribution's package and an initial RAM file system made here, file by file.

One EFI program holds kernel, initramfs and command line, so a guest boots from any FAT volume, with nothing beside it.
``tools/guest-linux`` fetches kernel, modules and EFI stub; nothing of what is made is committed.
"""
