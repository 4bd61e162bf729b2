"""How much of a document this host is willing to handle, and unpacking within that."""

import zlib

from esxforge_target.cloud_data.errors import CloudDataError

# The parser is pure Python and takes some seconds per megabyte on a slow host.
YAML_BYTES = 1024 * 1024
YAML_NODES = 50000
YAML_DEPTH = 40
# A script, or the content of one file.
CONTENT_BYTES = 8 * 1024 * 1024
PARTS = 64

GZIP_MAGIC = b"\x1f\x8b"


def gunzip(data: bytes, what: str, limit: int = CONTENT_BYTES) -> bytes:
    """The content of a gzip file, at most ``limit`` bytes. CloudDataError for damaged, cut or larger ones."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise CloudDataError("{} is not a complete gzip file.".format(what), "Compress it again.")
    if len(content) > limit:
        raise CloudDataError("{} unpacks to more than {} bytes.".format(what, limit), "Fetch large files by a script.")
    if not unpacker.eof:
        raise CloudDataError("{} is a gzip file that was cut short.".format(what), "Compress it again.")
    return content
