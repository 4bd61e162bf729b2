"""MAAS's metadata service, as seen from the machine that MAAS deploys."""
