"""The agent: runs on the installed ESXi on every boot until this host is what MAAS asked for, or as it was found.

life.py has the sequence; the other modules are named for their tasks. ``python -m esxforge_target.agent`` starts it.
"""
