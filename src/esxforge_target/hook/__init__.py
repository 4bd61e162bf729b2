"""What runs in curtin, on Ubuntu, once the image is on the disk: check all, stamp, personalise, leave nothing.

``esxforge_target.contract`` says what it hands to the installer step and the agent: ``names`` has the paths,
``kickstart_sections`` what the kickstart starts, and each document is a module of its own there.
"""
