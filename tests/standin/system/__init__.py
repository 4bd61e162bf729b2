"""The bootable stand-in ESXi: what mboot, ESXi's installer and the installed system do, played by a small Linux.

It knows ESXi's contracts only, and nothing of what esxforge puts on a disk. docs/stand-in.md says for each behaviour
where it comes from. ``make.py`` runs on the computer that makes an ISO, all other files in the guest.
"""
