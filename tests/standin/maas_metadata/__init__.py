"""A MAAS metadata service over a real socket, as strict and as odd as the real one (see ``service``)."""

from esxforge.selftest.maas_machine import Heard, MaasMachine, MachineStatus
from standin.maas_metadata.clock import VirtualClock
from standin.maas_metadata.faults import Fault
from standin.maas_metadata.service import FakeMetadataService

__all__ = ["FakeMetadataService", "Fault", "Heard", "MaasMachine", "MachineStatus", "VirtualClock"]
