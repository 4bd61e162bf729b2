"""ESXi itself: boot banks, esxcli, releases, the size of its system media."""
