"""The hook that curtin runs on Ubuntu, once the image is on the disk: check all, stamp, personalise, leave nothing.

``esxforge_target.contract`` has the data passed to the installer step and the agent: ``names`` has the paths,
``kickstart_sections`` the commands that the kickstart starts, and each document is a module of its own there.
"""
