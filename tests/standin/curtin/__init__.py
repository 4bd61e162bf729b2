"""A stand-in for curtin 23.1.1 and dd-gz images, in a small Linux started by MAAS: runs inside the virtual machine.

Standard library only. Facts from canonical/curtin (commands/install.py, block_meta.py, curthooks.py, block/, reporter/)
and from runs of it (tests/data/curtin-runs):

- stages early, partitioning, network, extract, curthooks, hook and late, each with its commands, each told to MAAS;
- partitioning: every disk and partition of the configuration that is marked ``wipe`` is cleared, with RAID, LVM and
  encryption on it; one that is missing is skipped. It is looked for by ``wwn``, then ``serial`` (the shortest name in
  /dev/disk/by-id that contains it), then ``path``. The image goes to the disk marked ``grub_device`` by its ``serial``
  alone, else to the first of the cleared disks by device name, with a warning;
- ``wget | zcat | dd bs=4M``: only dd's exit status counts. Then ``partprobe``, udev and LVM;
- each partition is mounted in turn, without a type; the last one with a directory ``curtin`` wins, and is mounted
  again, to be written to;
- extract: its configuration, with MAAS's token, is left there as root/curtin-install-cfg.yaml;
- curthooks: curtin/curtin-hooks runs by its #! line; root/curtin-install.log is left whatever the outcome;
- a failure is told with the log, which has the failed command's output twice, each time with a traceback.
"""
