"""The step inside ESXi's installer: ``%pre`` names the stamped disk, ``%post`` fills the new boot bank."""
