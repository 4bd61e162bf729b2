"""A stand-in MAAS region over a real socket, answering as the transcripts in tests/data/maas-http say."""

from standin.maas_region.faults import Fault
from standin.maas_region.region import ADMIN_KEY, USER_KEY, FakeRegion
from standin.maas_region.server import serve

__all__ = ["ADMIN_KEY", "USER_KEY", "FakeRegion", "Fault", "serve"]
