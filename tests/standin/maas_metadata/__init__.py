"""A MAAS metadata service over a real socket, as strict and as odd as the real one (see ``service``)."""

from standin.maas_metadata.clock import VirtualClock
from standin.maas_metadata.service import FakeMetadataService
from standin.maas_metadata.state import Fault, Heard, MaasMachine, MachineStatus

__all__ = ["FakeMetadataService", "Fault", "Heard", "MaasMachine", "MachineStatus", "VirtualClock"]
