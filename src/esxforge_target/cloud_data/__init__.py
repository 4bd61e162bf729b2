"""vendor-data and user-data: what MAAS and the owner ask of a host besides network and disks."""
