"""The dependencies that the phases of a deployment share."""

from esxforge_target.agent.connectivity import Connectivity
from esxforge_target.agent.deadlines import Deadlines
from esxforge_target.agent.default_route import DefaultRoute
from esxforge_target.agent.deployment import Deployment
from esxforge_target.agent.firewall import Firewall
from esxforge_target.agent.journal import Journal
from esxforge_target.agent.log import Log
from esxforge_target.agent.network import NetworkSetup
from esxforge_target.agent.status_reporter import StatusReporter
from esxforge_target.agent.steps import Steps
from esxforge_target.agent.system import System
from esxforge_target.agent.undo import Undo
from esxforge_target.metadata.client import MetadataClient


class Parts:
    """The dependencies of the phases."""

    def __init__(  # noqa: PLR0917  # one for each part
        self,
        system: System,
        bank: str,
        deployment: Deployment,
        client: MetadataClient,
        journal: Journal,
        undo: Undo,
        log: Log,
        firewall: Firewall,
        ends: Deadlines,
    ) -> None:
        self.system = system
        self.bank = bank
        self.deployment = deployment
        self.desired = deployment.desired
        self.client = client
        self.journal = journal
        self.undo = undo
        self.log = log
        self.firewall = firewall
        self.ends = ends
        boots = len([record for record in journal.records if record["kind"] == "boot"])
        self.reporter = StatusReporter(client, log, system.clock, max(boots, 1))
        self.connectivity = Connectivity(system, client, log, firewall.reopen)
        self.steps = Steps(system, undo, log)
        self.network = NetworkSetup(system, self.desired, self.steps, undo, self.connectivity, self.ends, log)
        self.default_route = DefaultRoute(system, self.desired, self.steps, log, boots > 1)

    def note(self, kind: str) -> None:
        """Write the progress to the journal; the configuration is saved by then, so nothing ends without it."""
        problem = self.journal.note_alone(kind)
        if problem:
            self.log.warn(problem)

    def until(self, phase: str) -> None:
        """End commands with this phase."""
        self.system.until(self.ends.end(phase))
