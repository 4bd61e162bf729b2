"""The whole way: ISO, image, MAAS, curtin, installer, host. Virtual machines from stand-ins, and MAAS beside them."""
