"""The installation, stage by stage: disks cleared, image written, hook run, log left, MAAS told."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from standin.curtin.choices import InstallationError, devices_to_clear, is_true, target_device
from standin.curtin.commands import CommandError, Log
from standin.curtin.machine import Machine
from standin.curtin.reporting import Reporter

STAGES = {
    "early": "preparing for installation",
    "partitioning": "configuring storage",
    "network": "configuring network",
    "extract": "writing install sources to disk",
    "curthooks": "configuring installed system",
    "hook": "finalizing installation",
    "late": "executing late commands",
}
# What holds where MAAS says nothing else. MAAS replaces commands of its own name only, and adds others.
_COMMANDS: dict[str, dict[str, list[str]]] = {
    "partitioning": {"builtin": ["curtin", "block-meta", "simple"]},
    "network": {"builtin": ["curtin", "net-meta", "auto"]},
    "extract": {"builtin": ["curtin", "extract"]},
    "curthooks": {"builtin": ["curtin", "curthooks"]},
    "hook": {"builtin": ["curtin", "hook"]},
    "late": {"builtin": []},
    "apply_net": {"builtin": []},
}
_INSTALL = {
    "log_file": "/var/log/curtin/install.log",
    "log_file_append": False,
    "error_tarfile": "/var/log/curtin/curtin-error-logs.tar",
}
VERSION = "23.1.1"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a failed subcommand of curtin ends with.
_FAILED = 3


def merged_config(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The configuration as commands and the hook get it: curtin's own, MAAS's over it, the image's address.

    With ``write_files`` in it, and so MAAS's token a second time.
    """
    kind, _, address = source.partition(":")
    merged: dict[str, Any] = {f"{stage}_commands": dict(commands) for stage, commands in _COMMANDS.items()}
    merged |= {"stages": list(STAGES), "install": dict(_INSTALL), "proxy": {}}
    for key, value in json.loads(json.dumps(config)).items():
        merged[key] = {**merged[key], **value} if isinstance(merged.get(key), dict) else value
    merged["sources"] = {"00_cmdline": {"type": kind, "uri": address}}
    merged.setdefault("write_files", {})["curtin_install_cfg"] = {
        "path": "/root/curtin-install-cfg.yaml",
        "permissions": "0400",
        "owner": "root:root",
        "content": json.dumps(merged, sort_keys=True, indent=1),  # curtin writes YAML; JSON is a part of that
    }
    return merged


class Installation:
    """One run of ``curtin install``. ``cwd``: the directory that curtin was unpacked to."""

    def __init__(
        self, config: Mapping[str, Any], source: str, machine: Machine, reporter: Reporter, cwd: str = "/curtin"
    ) -> None:
        self.config = merged_config(config, source)
        self.machine = machine
        self.reporter = reporter
        self.cwd = cwd
        install = self.config["install"]
        self.log = Log(Path(install["log_file"]))
        # One list for the event's files and the error archive's, which adds the log to it: so that is sent twice.
        self.files = [Path(path) for path in install.get("post_files", [install["log_file"]])]
        self.top = Path(tempfile.mkdtemp())
        self.target = self.top / "target"
        self.config_file = self.top / "state/config"
        for directory in ("state", "scratch", "target"):
            (self.top / directory).mkdir()
        for name in ("network_config", "network_state", "fstab"):
            (self.top / "state" / name).touch()
        self.config_file.write_text(json.dumps(self.config), "ascii")

    def run(self) -> None:
        """All stages. Raises what fails, once MAAS knows and the log is on the disk."""
        with self.reporter.event("cmd-install", "curtin command install", "DEBUG", files=self.files):
            self.log.say(f"curtin: Installation started. ({VERSION})")
            try:
                for stage in self.config["stages"]:
                    self._stage(stage)
                self.log.say("curtin: Installation finished.")
            except Exception as error:
                self.log.say(f"curtin: Installation failed with exception: {error}")
                self._pack_logs()
                raise
            finally:
                self._leave("root/curtin-install.log", self.log.path.read_bytes())
                self.machine.unmount(str(self.target))
                shutil.rmtree(self.top)

    def _stage(self, stage: str) -> None:
        name = f"cmd-install/stage-{stage}"
        with self.reporter.event(name, STAGES.get(stage, f"stage {stage}")):
            commands = self.config.get(f"{stage}_commands", {})
            for key in sorted(commands):
                if commands[key]:
                    with self.reporter.event(f"{name}/{key}", f"running '{' '.join(commands[key])}'", "DEBUG"):
                        self._command(commands[key], f"{name}/{key}")

    def _command(self, command: list[str], stack: str) -> None:
        start = self.log.length
        try:
            if command[0] == "curtin":
                self._subcommand(command[1], f"{stack}/cmd-{command[1]}", command[-1])
            else:
                self.log.run(command, environment=self.environment(stack), directory=self.cwd)
        except CommandError as error:
            raise CommandError(command, error.status, self.log.text(start), error.reason) from None

    def _subcommand(self, name: str, stack: str, mode: str) -> None:
        """A command of curtin's own, which in curtin is a process of its own, with its output in the log."""
        work: Callable[[str, str], None] = {
            "block-meta": self._block_meta,
            "net-meta": lambda stack, mode: None,
            "extract": self._extract,
            "curthooks": self._curthooks,
            "hook": self._finalize,
        }[name]
        try:
            with self.reporter.event(stack, f"curtin command {name}", "DEBUG", self.log.say):
                work(stack, mode)
        except Exception as error:
            if is_true(self.config.get("showtrace")):
                self.log.say(traceback.format_exc())
            self.log.say(str(error))
            raise CommandError(["curtin", name], _FAILED) from error

    def environment(self, stack: str) -> dict[str, str]:
        """The variables of a command; ``stack`` is the name of the event around it."""
        state = self.top / "state"
        return {
            "PATH": _PATH,
            "PYTHONPATH": self.cwd,
            "CONFIG": str(self.config_file),
            "TARGET_MOUNT_POINT": str(self.target),
            "WORKING_DIR": str(self.top / "scratch"),
            "OUTPUT_FSTAB": str(state / "fstab"),
            "OUTPUT_INTERFACES": str(state / "interfaces"),
            "OUTPUT_NETWORK_CONFIG": str(state / "network_config"),
            "OUTPUT_NETWORK_STATE": str(state / "network_state"),
            "CURTIN_REPORTSTACK": stack,
            "CURTIN_STACKTRACE": str(int(is_true(self.config.get("showtrace")))),
            "CURTIN_VERBOSITY": str(self.config.get("verbosity", 0)),
        }

    def _block_meta(self, stack: str, mode: str) -> None:
        before = self.machine.devices()
        cleared = devices_to_clear(self.config, before)
        if cleared:
            with self.reporter.event(f"{stack}/clear-holders", "removing previous storage devices", say=self.log.say):
                self.machine.clear(cleared, self.log)
        device = target_device(self.config, self.machine.devices(), cleared, self.log.say)
        (source,) = self.config["sources"].values()
        self.log.say(f"installing in '{mode}' mode to '{os.path.basename(device)}'")
        if source["type"] != "dd-gz":
            raise InstallationError(f"the stand-in writes dd-gz only, not {source['type']}")
        self.log.say(f"writing image to disk {source}, {os.path.basename(device)}")
        self.machine.write_image(source["uri"], device, self.log)
        roots = [one for one in self.machine.partitions(device) if self.machine.is_root(one, str(self.top / "try"))]
        if not roots:
            raise InstallationError(
                f"Did not find any filesystem on ['{os.path.basename(device)}'] that contained one of "
                "['curtin', 'system-data/var/lib/snapd', 'snaps']"
            )
        self.machine.mount(roots[-1], str(self.target), self.log)

    def _extract(self, stack: str, mode: str) -> None:
        for source in self.config["sources"].values():
            with self.reporter.event(stack, f"acquiring and extracting image from {source['uri']}", say=self.log.say):
                """An image is on the disk already."""
        for file in self.config["write_files"].values():
            self._leave(file["path"].lstrip("/"), file["content"].encode("utf-8"))

    def _curthooks(self, stack: str, mode: str) -> None:
        if not self._run_from_target("curtin-hooks", stack):
            raise InstallationError("the image has no curtin/curtin-hooks; curtin's own are not played here")

    def _finalize(self, stack: str, mode: str) -> None:
        self._run_from_target("finalize", stack)

    def _run_from_target(self, name: str, stack: str) -> bool:
        hook = self.target / "curtin" / name
        if not hook.is_file():
            return False
        self.log.say(f"Running command {[str(hook)]} with allowed return codes [0] (capture=False)")
        self.log.run([str(hook)], environment=self.environment(stack), directory=self.cwd)
        return True

    def _leave(self, path: str, data: bytes) -> None:
        """Write a file of curtin's own to the target; before the image is mounted there that is a directory in
        memory."""
        place = self.target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        os.sync()

    def _pack_logs(self) -> None:
        """The error archive: the log, and the whole configuration, with MAAS's token as it stands in it."""
        self.files.append(self.log.path)
        configuration = self.top / "curtin-config"
        configuration.write_text(json.dumps(self.config, indent=1, sort_keys=True), "ascii")
        with tarfile.open(self.config["install"]["error_tarfile"], "w") as archive:
            for path in (self.log.path, configuration):
                archive.add(path, f"curtin-logs/{path.name}")
