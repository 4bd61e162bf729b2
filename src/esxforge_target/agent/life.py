"""The agent's life: one boot of it, from acquiring the lock to exit."""

import os
import sys
import traceback
from typing import Optional

from esxforge_target.agent import cleanup, deadlines, readiness
from esxforge_target.agent.deployment import Deployment, read_deployment
from esxforge_target.agent.failure import finish_failed, may_be_saved, save_for_boot, unlike_found
from esxforge_target.agent.firewall import Firewall, addresses_of
from esxforge_target.agent.golden import own_identity
from esxforge_target.agent.hostd import wait_for_hostd
from esxforge_target.agent.journal import Journal, Record, exists
from esxforge_target.agent.lock import Lock
from esxforge_target.agent.log import Log, mask
from esxforge_target.agent.parts import Parts
from esxforge_target.agent.saving import save_configuration
from esxforge_target.agent.system import BANKS, System
from esxforge_target.agent.undo import FALLBACK, FIREWALL, IDENTITY, NETWORK, STORAGE, Undo
from esxforge_target.agent.work import Work, asked_for_user_data
from esxforge_target.metadata.client import Patience
from esxforge_target.runtime.errors import ForgeError
from esxforge_target.vcenter.account import remove_account
from esxforge_target.vcenter.errors import VcenterError

_BANK_SECONDS = float(deadlines.LIMITS[0][1])  # as long as for hostd
_PAUSE = 5.0
# A host on which the agent never finishes must not try for ever.
MOST_STARTS = 6


def run(system: System) -> int:
    """Run one start. Return 0: finished, or nothing to do; 1: the next boot goes on."""
    lock = Lock(system)
    if not lock.take():
        return 0
    try:
        return _start(system)
    finally:
        lock.release()


def _start(system: System) -> int:
    log = Log(system)
    bank = _wait_for_bank(system)
    if not bank:
        log.announce("ESXi's boot bank is not there, so nothing can be done safely; the next boot tries again")
        return 1
    if not any(cleanup.is_listed(system, one) or exists(system, one) for one in BANKS):
        return 0
    log.open(bank)
    try:
        _Life(system, bank, log).run()
    except ForgeError as error:
        reason = error.message
    except Exception as error:
        reason = _describe(error)
    else:
        return 0
    log.announce("the agent could not finish: {} The next boot goes on.".format(reason))
    return 1


def _wait_for_bank(system: System) -> str:
    """Return the bank for journal and log: the one with a journal, else the running one; empty if none comes."""
    end = system.clock.monotonic() + _BANK_SECONDS
    while True:
        banks = system.banks()
        for bank in banks:
            if exists(system, bank):
                return bank
        if banks:
            return banks[0]
        if system.clock.monotonic() + _PAUSE >= end:
            return ""
        system.clock.sleep(_PAUSE)


class _Life:
    def __init__(self, system: System, bank: str, log: Log) -> None:
        self._system = system
        self._bank = bank
        self._log = log
        self._journal = Journal(system, bank)
        self._undo = Undo(system, self._journal, log)
        self._firewall = Firewall(system, self._undo, log)

    def run(self) -> None:
        """Run to the end. Raises ForgeError if the next boot has to go on."""
        earlier = bool(self._journal.records)
        starts = len([record for record in self._journal.records if record["kind"] == "boot"]) + 1
        problem = self._journal.note("boot", number=starts)
        self._journal.is_needed = not problem
        self._log.announce("the agent starts; start {} of this deployment".format(starts))
        outcome = self._journal.last("outcome")
        # If the bank was full, or the power cut came late, the missing secrets say as much as an outcome.
        if outcome is None and cleanup.is_last(self._system):
            outcome = self._outcome(bool(self._undo.changes), "what was left of it is gone")
        if outcome is None:
            outcome = self._deploy(starts, problem)
        elif earlier:
            self._log.say("an earlier start came to its end; what is left is leaving")
            wait_for_hostd(self._system, self._log, self._system.clock.monotonic() + deadlines.LIMITS[0][1])
            self._recover(self._is_kept(), STORAGE)
            outcome = self._as_found(outcome)
        self._cleanup(outcome)
        self._log.announce("the agent is done: {}".format(outcome["text"]))

    def _is_kept(self) -> bool:
        """Return whether the desired host was saved: then nothing of it is rolled back any more."""
        return self._journal.last("saved") is not None or asked_for_user_data(self._journal)

    def _deploy(self, starts: int, unwritable: str) -> Record:
        """Deploy, or fail in order. The outcome is in the journal when this returns, if that can be written."""
        deployment = self._read_deployment()
        ends = deadlines.Deadlines(self._system.clock)
        wait_for_hostd(self._system, self._log, ends.end(deadlines.WAIT))
        self._system.until(ends.end(deadlines.NETWORK))
        resumes = asked_for_user_data(self._journal)
        if starts > 1:
            self._recover(resumes)
        if deployment is None:
            return self._outcome(False, "the host module is damaged; MAAS cannot be notified")
        maas = deployment.desired.maas
        self._firewall.open(maas.port, addresses_of(maas.host, maas.port, maas.addresses))
        patience = Patience(request=15.0, total=45.0)
        client = self._system.connect(maas, deployment.secrets.token, patience, self._system.clock)
        parts = Parts(
            self._system, self._bank, deployment, client, self._journal, self._undo, self._log, self._firewall, ends
        )
        work = Work(parts)
        try:
            if resumes:
                self._journal.is_needed = True  # else user-data could run without a record of it
                problems = work.resume()
            else:
                own_identity(self._system, deployment, self._journal, self._log)
                self._check_earlier(starts, unwritable)
                problems = work.run()
        except ForgeError as error:
            reason = " ".join(text for text in (error.message, error.hint) if text)
        except Exception as error:
            reason = _describe(error)
        else:
            outcome = self._outcome(True, "; ".join(["this machine is deployed"] + problems))
            self._report_readiness(parts)
            return outcome
        save = self._settle(parts, work, reason)
        text = "the host is set up, but not all was done: {}" if work.saved else "the deployment failed: {}"
        return self._outcome(save, text.format(reason))

    def _report_readiness(self, parts: Parts) -> None:
        """The last act on a machine that is Deployed; the outcome is noted before, so that a power cut skips it.

        The way to MAAS is still open; what is in the boot bank stays until the cleanup, which must be able to resume.
        Nothing that goes wrong here keeps the cleanup from the secrets.
        """
        record = parts.deployment.record
        if record.secure_boot:
            return
        self._system.until(None)
        try:
            if record.modules:
                sentence = readiness.added_modules_forbid(record.modules)
            else:
                sentence = readiness.secure_boot_readiness(self._system, cleanup.unload(self._system))
            parts.reporter.start(readiness.PHASE, sentence)
            parts.reporter.deliver(deadlines.CLOSING)
        except Exception as error:
            text = error.message if isinstance(error, ForgeError) else _describe(error)
            self._log.warn("whether Secure Boot could be switched on was not reported: {}".format(text))

    def _settle(self, parts: Parts, work: Work, reason: str) -> bool:
        """Return whether to save. Whatever goes wrong here, too: the agent exits, and the log says what."""
        problem = self._journal.note("failed", reason=self._log.redact(reason))
        if problem:
            self._log.warn(problem)
        try:
            finish_failed(parts, work, reason)
            return may_be_saved(parts, work)
        except ForgeError as error:
            self._log.announce("this could not be put back: {}".format(error.message))
        except Exception as error:
            self._log.announce("this could not be put back: {}".format(_describe(error)))
        return False

    def _check_earlier(self, starts: int, unwritable: str) -> None:
        """Raises ForgeError if an earlier start had failed, as MAAS may know that, or if there were too many, or
        if the journal cannot be written: nothing could be rolled back after a power cut.
        """
        failed = self._journal.last("failed")
        if failed is not None:
            raise ForgeError(failed["reason"])
        if unwritable:
            raise ForgeError(
                "{} Nothing was set up.".format(unwritable), "Is the boot bank full, or the boot disk failing?"
            )
        if starts > MOST_STARTS:
            raise ForgeError(
                "The agent was started {} times and never came to its end.".format(starts),
                "Does the host lose its power, or stop with a purple screen, while it is set up?",
            )

    def _read_deployment(self) -> "Optional[Deployment]":
        try:
            deployment = read_deployment(self._system)
        except ForgeError as error:
            self._log.announce("FAILED: {} {}".format(error.message, error.hint))
            return None
        self._log.hide(deployment.secrets.token.redact)
        self._log.hide(mask(deployment.secrets.root_hash))
        return deployment

    def _recover(self, deployed: bool, *more: str) -> None:
        """Roll back what an earlier start began and a power cut ended: ESXi may have saved a part of it.

        For a host that may be ``deployed`` only the firewall: the rest is the owner's. ``more``: if nothing is set up
        again, the storage too.
        """
        self._remove_account()
        about = (FIREWALL,) if deployed else (FIREWALL, IDENTITY, FALLBACK, NETWORK) + more
        if [change for change in self._undo.changes if change.about in about]:
            self._log.announce("an earlier start was cut off: what it changed is rolled back first")
            self._undo.roll_back(*about, quiet=True)

    def _remove_account(self) -> None:
        """Remove the administrator that exists only while vCenter adds this host."""
        try:
            remove_account(self._system.host(self._log.say))
        except VcenterError as error:
            self._log.warn("{} {}".format(error.message, error.hint))

    def _is_astray(self, outcome: Record) -> bool:
        """Return whether a failed deployment may have left the host other than found: the journal must then stay."""
        return not outcome["save"] and self._undo.is_open(NETWORK, FALLBACK, IDENTITY)

    def _as_found(self, outcome: Record) -> Record:
        """Return the outcome, or a new one if the host has been rolled back completely by now."""
        if not self._is_astray(outcome):
            return outcome
        try:
            unlike = unlike_found(self._system, self._journal, self._undo)
        except ForgeError as error:
            unlike = [error.message]
        if unlike:
            self._log.warn("still not as found: {}".format(", ".join(unlike)))
            save_for_boot(self._system, self._undo, self._log)
            return outcome
        self._log.announce("the host is as it was found")
        return self._outcome(True, outcome["text"])

    def _outcome(self, save: bool, text: str) -> Record:
        problem = self._journal.note("outcome", save=save, text=self._log.redact(text))
        if problem:
            self._log.warn(problem)
        return self._journal.records[-1]

    def _cleanup(self, outcome: Record) -> None:
        self._system.until(None)
        for problem in self._firewall.close():
            self._log.warn("the firewall: {}".format(problem))
        self._remove_account()
        if outcome["save"]:
            problem = save_configuration(self._system)
            if problem:
                self._log.announce("ESXi did not save its configuration; it does so every hour: {}".format(problem))
        try:
            cleanup.take_secrets_out(self._system, self._log)
            if self._is_astray(outcome):
                self._stay()
            # The absence of the secrets alone says that all is done; in a full bank its room is needed for boot.cfg.
            self._journal.remove()
            cleanup.take_out(self._system, self._log)
        finally:
            cleanup.wipe(self._system, self._log)

    def _stay(self) -> None:
        """Keep journal and agent for the next boot, and raise ForgeError; return after too many boots."""
        kinds = [record["kind"] for record in self._journal.records]
        if kinds[kinds.index("outcome") :].count("boot") < MOST_STARTS:
            raise ForgeError("The host is not as it was found.", "Reboot it: that rolls back what is left.")
        self._log.announce("the host is not as it was found, and restarting did not help: redeploy it")


def _describe(error: Exception) -> str:
    """Return a sentence on a defect of ours: what and where, without values."""
    place = traceback.extract_tb(sys.exc_info()[2])[-1]
    what = "{} at {}:{}".format(type(error).__name__, os.path.basename(place[0]), place[1])
    if isinstance(error, OSError) and error.strerror:
        what += ": " + error.strerror
    return what + ". This is a defect of esxforge: report it with the log."
