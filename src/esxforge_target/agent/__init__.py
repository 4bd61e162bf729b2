"""The agent: runs on the installed ESXi on every boot until this host is what MAAS asked for, or as it was found.

life.py tells it as a story; what each part is about stands in its name. ``python -m esxforge_target.agent`` starts it.
"""
