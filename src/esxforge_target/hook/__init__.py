"""What runs in curtin, on Ubuntu, once the image is on the disk: check all, stamp, personalise, leave nothing.

The contract with the installer step and the agent, which find it all in the RAM disk:

``/esxforge/ks.cfg``       this host's kickstart (``ks=file:///esxforge/ks.cfg``); no secret in it; not on golden images
``/esxforge/desired.json``  the desired host (``esxforge_target.curtin_config.from_json``), each disk with its stamp,
                            MAAS with
                           the addresses that its name had here
``/esxforge/host.json``    see ``host_module.HOST_FIELDS``
``/esxforge/secrets.json`` the only secret file: see ``host_module.SECRET_FIELDS``; blanks fill it up to
                           whole sectors of 4096 bytes, and host.json says where these stand on the disk
``/esxforge/lib/``         the packages ``esxforge_target`` and ``yaml``

The kickstart's ``%pre`` must write ``kickstart.INSTALL_LINE`` and ``kickstart.ROOT_PASSWORD``; the entry points that
it and ``%post`` call are in the table ``kickstart.STEPS``.
"""
