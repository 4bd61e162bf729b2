"""On-disk formats: bytes in, bytes out. No process, no network, no logging."""
