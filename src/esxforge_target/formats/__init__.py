"""On-disk formats that host and target side share: bytes in, bytes out."""
