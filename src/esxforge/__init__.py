"""esxforge turns a VMware ESXi installer ISO into an image that MAAS deploys."""

__version__ = "0.1.0"
