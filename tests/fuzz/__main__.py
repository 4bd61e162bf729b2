"""``python -m fuzz SECONDS [TARGET…]``: each reader for its share of the time, and at most ``--cases N`` of each.

0 seconds with ``--cases`` are so many however long that takes. The same seed, code and number of cases give the same
inputs.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import traceback
from hashlib import sha256
from pathlib import Path
from random import Random

from esxforge_target.runtime.errors import ForgeError
from fuzz import addons, disks, documents, images, isos, machines, signatures, volumes
from fuzz.target import Target

TARGETS = (
    *isos.TARGETS,
    *disks.TARGETS,
    *volumes.TARGETS,
    *images.TARGETS,
    *documents.TARGETS,
    *machines.TARGETS,
    *signatures.TARGETS,
    *addons.TARGETS,
)
FINDINGS = Path("build/fuzz")
# A reader that computes longer than this for one small input is a finding, too.
SLOW_SECONDS = 20.0
OWN_DEFECT = "the fuzzer's own change failed: "
_MOST_IN_CORPUS = 400
_VARYING = re.compile(r"[0-9]+|'[^']*'|“[^”]*”|\"[^\"]*\"")


class Run:
    """Inputs for one target. Those that have another outcome than any before are changed further."""

    def __init__(self, target: Target, random: Random) -> None:
        self.target = target
        self.count = 0
        self.outcomes: set[str] = set()
        self.findings: dict[str, Path] = {}
        self._random = random
        self._good = target.seeds()
        self._corpus = [*self._good, *(path.read_bytes() for path in target.cases)]

    def go(self, *, until: float = float("inf"), cases: float = float("inf")) -> None:
        """Until that time, or so many cases."""
        for data in list(self._corpus):
            self._try(data)
        while time.monotonic() < until and self.count < cases:
            # Most changes of what was rejected are rejected for the same reason.
            data = self._changed(self._random.choice(self._random.choice((self._good, self._corpus))))
            if self._try(data) and len(self._corpus) < _MOST_IN_CORPUS and len(data) < 8 << 20:
                self._corpus.append(data)

    def _changed(self, data: bytes) -> bytes:
        """Another input. A change that fails is a defect of the fuzzer's own: reported as one, and the run goes on."""
        for _ in range(self._random.choice((1, 1, 2))):
            try:
                data = self.target.mutate(self._random, data)
            except Exception as error:  # noqa: PERF203  each change starts from the one before
                place = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{OWN_DEFECT}{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
                self._found(data, what, error)
        return data

    def _try(self, data: bytes) -> bool:
        self.count += 1
        began = time.process_time()
        try:
            outcome = _VARYING.sub("…", self.target.run(data) or "read")[:300]
        except ForgeError as error:
            outcome = f"{type(error).__name__}: {_VARYING.sub('…', error.message)[:300]}"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._found(data, f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}", error)
            return False
        if time.process_time() - began > SLOW_SECONDS:
            self._found(data, "slow", None)
        new = outcome not in self.outcomes
        self.outcomes.add(outcome)
        return new

    def _found(self, data: bytes, what: str, error: Exception | None) -> None:
        if what in self.findings:
            return
        directory = FINDINGS / self.target.name
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{sha256(data).hexdigest()[:12]}.{self.target.suffix}"
        path.write_bytes(data)
        self.findings[what] = path
        print(f"{self.target.name}: {what}: {path}", flush=True)
        if error is not None:
            traceback.print_exception(error, limit=-3)


def main() -> int:
    """0 without findings, else 1."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("seconds", type=float, help="for all targets together; 0: without a limit, for --cases")
    parser.add_argument("targets", nargs="*", help="names; all without")
    parser.add_argument("--cases", type=int, help="at most so many of each target")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_intermixed_args()  # names before or after options
    if not (options.seconds or options.cases):
        parser.error("give seconds, or --cases")
    unknown = sorted(set(options.targets) - {target.name for target in TARGETS})
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(target.name for target in TARGETS)}")
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    findings = total = 0
    for target in chosen:
        run = Run(target, Random(f"{seed} {target.name}"))  # noqa: S311
        began = time.monotonic()
        run.go(
            until=began + options.seconds / len(chosen) if options.seconds else float("inf"),
            cases=options.cases or float("inf"),
        )
        print(
            f"{target.name:18} {run.count:8} cases {len(run.outcomes):5} outcomes {len(run.findings):3} findings"
            f" {time.monotonic() - began:7.1f} s",
            flush=True,
        )
        findings += len(run.findings)
        total += run.count
    print(f"{total} cases, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
