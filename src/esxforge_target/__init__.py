"""The code for the machine that MAAS deploys: hook, installer step, agent, and the formats that both sides share.

This package imports nothing of ``esxforge`` and keeps to Python 3.5 syntax and standard library, because ESXi 6.x
carries that Python and no way to add modules. It is part of every image that esxforge builds.
"""
