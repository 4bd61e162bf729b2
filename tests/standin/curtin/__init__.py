"""curtin's documented way with a dd-gz image, in a small Linux started by MAAS: runs inside the virtual machine.

Standard library only. From curtin's source (commands/install.py, commands/block_meta.py,
block/__init__.py, reporter/) and runs of it. What it does with an image of this kind:

- every disk of the configuration is wiped: 1 MiB at both ends;
- the boot disk is the first entry with ``serial`` that is ``grub_device``; a disk is looked for among the names in
  /dev/disk/by-id that *contain* the serial. With only ``path`` it is the first disk by name, with a warning;
- ``wget | zcat | dd bs=4M``: only dd's exit status counts;
- each partition is mounted in turn, without a type; the last one with a directory ``curtin`` wins, and is mounted
  again, to be written to;
- its configuration, with MAAS's token, is left there as root/curtin-install-cfg.yaml; then curtin/curtin-hooks runs by
  its #! line; root/curtin-install.log is left whatever the outcome;
- each stage is told to MAAS, at the end with the log, base64-coded; what fails ends the installation.
"""
