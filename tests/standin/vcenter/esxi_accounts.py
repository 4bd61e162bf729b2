"""``esxcli system account`` and ``permission`` over a folder's /etc/passwd and /etc/shadow."""

from __future__ import annotations

from pathlib import Path

from passlib.hash import sha512_crypt

from esxforge_target.runtime.commands import Result, Runner


class EsxiAccounts(Runner):
    """The local accounts of one host. ``fail``: the commands that fail, such as ("account", "remove")."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.admins: set[str] = {"root"}
        self.commands: list[list[str]] = []
        self.fail: set[tuple[str, str]] = set()
        (root / "etc").mkdir(parents=True, exist_ok=True)
        self._write("passwd", ["root:x:0:0:Administrator:/:/bin/sh"])
        self._write("shadow", ["root:*:13358:0:99999:7:::"])
        (root / "etc" / "shadow").chmod(0o1600)

    @property
    def names(self) -> list[str]:
        return [line.split(":")[0] for line in self._read("passwd")]

    def may_administer(self, name: str, password: str) -> bool:
        """Whether somebody who logs in over the network like this is an administrator."""
        hashes = dict(line.split(":")[:2] for line in self._read("shadow"))
        stored = hashes.get(name, "*")
        known = name in self.names and stored.startswith("$6$") and sha512_crypt.verify(password, stored)
        return known and name in self.admins

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        self.commands.append(arguments)
        program, system, noun, verb, *options = arguments
        if (program, system) != ("esxcli", "system"):
            return Result(127, "", f"{program}: not found")
        if (noun, verb) in self.fail:
            return Result(1, "", "Operation failed: " + " ".join(options))
        given = dict(option.removeprefix("--").split("=", 1) for option in options)
        if (noun, verb) == ("account", "list"):
            lines = [f"{name:<14}{'-':<20}" for name in self.names]
            return Result(0, "User ID       Description\n------------  -----------\n" + "\n".join(lines) + "\n")
        return self._change(noun, verb, given)

    def _change(self, noun: str, verb: str, given: dict[str, str]) -> Result:
        name = given["id"]
        if (noun, verb) == ("account", "add"):
            if name in self.names or given["password"] != given["password-confirmation"]:
                return Result(1, "", f"The specified key, name, or identifier '{name}' already exists.")
            self._write("passwd", [*self._read("passwd"), f"{name}:x:1000:1000:x:/:/bin/sh"])
            hashed = sha512_crypt.using(rounds=5000).hash(given["password"])
            self._write("shadow", [*self._read("shadow"), f"{name}:{hashed}:1:0:99999:7:::"])
        elif (noun, verb) == ("account", "remove"):
            if name not in self.names:
                return Result(1, "", "The user or group named does not exist.")
            for file in ("passwd", "shadow"):
                self._write(file, [line for line in self._read(file) if line.split(":")[0] != name])
        elif (noun, verb, given.get("role")) == ("permission", "set", "Admin"):
            self.admins.add(name)
        elif (noun, verb) == ("permission", "unset"):
            self.admins.discard(name)
        else:
            return Result(1, "", "Error: Unknown command or namespace")
        return Result(0)

    def _read(self, name: str) -> list[str]:
        return (self.root / "etc" / name).read_text().splitlines()

    def _write(self, name: str, lines: list[str]) -> None:
        (self.root / "etc" / name).write_text("\n".join(lines) + "\n")
