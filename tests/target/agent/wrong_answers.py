"""Answers that are wrong instead of failing: each key of each answer missing, empty, late, doubled; rows and whole
answers likewise. A release may rename a key, a busy service may leave one out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

# Gets the arguments of a command and what it answered; gives what the agent is to see.
Twist = Callable[[str, str], str]
LATE = 2  # how many answers lack what comes late


@dataclass(frozen=True)
class WrongAnswer:
    """``fault`` is the kind, ``where`` the question and the key; ``make`` gives the twist for one deployment."""

    fault: str
    where: str
    make: Callable[[], Twist]


def wrong_answers(heard: Iterable[tuple[str, str]]) -> list[WrongAnswer]:
    """All of them, for the questions that were asked and answered so in a deployment that went well."""
    keys: dict[str, list[str]] = {}
    whole: dict[str, None] = {}
    for line, answer in heard:
        question = question_of(line)
        whole.setdefault(question)
        if "--formatter=json" in line:
            known = keys.setdefault(question, [])
            known += [key for row in _rows(answer) for key in row if key not in known]
    found = []
    for question in whole:
        for fault, change in _WHOLE.items():
            found.append(WrongAnswer(fault, question, _on_answer(question, change)))
        for key in dict.fromkeys(keys.get(question, ())):
            for fault, alter in _KEYS.items():
                found.append(WrongAnswer(fault, f"{question}: {key}", _on_key(question, key, alter)))
            found.append(WrongAnswer("a key comes late", f"{question}: {key}", _late(question, key)))
    return found


def question_of(line: str) -> str:
    """A question without its values: ``network nic list``, ``vmkfstools -P``."""
    words = line.split()
    if words[0] in ("esxcli", "localcli"):
        words = words[1:]
        words = words[words[0].startswith("--formatter") :]
        return " ".join(words[: next((at for at, word in enumerate(words) if word.startswith("-")), len(words))])
    return " ".join(words[:2])


def is_question(line: str) -> bool:
    """Whether a command asks, and changes nothing."""
    return "--formatter=" in line or line.startswith(("partedUtil get", "vmkfstools -P", "chkconfig --list"))


def _rows(answer: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(answer)
    except ValueError:
        return []
    rows = document if isinstance(document, list) else [document]
    return [row for row in rows if isinstance(row, dict)]


_WHOLE: dict[str, Callable[[str], str]] = {
    "an answer is empty": lambda answer: "",
    "an answer is cut off": lambda answer: answer[: len(answer) // 2],
    "an answer has no row": lambda answer: "[]" if answer.lstrip().startswith(("[", "{")) else "",
    "every row comes twice": lambda answer: (
        json.dumps([row for row in _rows(answer) for _ in (1, 2)]) if _rows(answer) else answer * 2
    ),
}


def _empty(value: Any) -> Any:
    return [] if isinstance(value, list) else ""


def _doubled(value: Any) -> Any:
    return value * 2 if isinstance(value, list) else [value, value]


_KEYS: dict[str, Callable[[dict[str, Any], str], object]] = {
    "a key is missing": lambda row, key: row.pop(key, None),
    "a key is empty": lambda row, key: row.update({key: _empty(row.get(key))}),
    "a key is doubled": lambda row, key: row.update({key: _doubled(row.get(key))}),
}


def _on_answer(question: str, change: Callable[[str], str]) -> Callable[[], Twist]:
    def twist(line: str, answer: str) -> str:
        return change(answer) if is_question(line) and question_of(line) == question else answer

    return lambda: twist


def _altered(answer: str, key: str, alter: Callable[[dict[str, Any], str], object]) -> str:
    document = json.loads(answer)
    for row in document if isinstance(document, list) else [document]:
        if isinstance(row, dict) and key in row:
            alter(row, key)
    return json.dumps(document)


def _on_key(question: str, key: str, alter: Callable[[dict[str, Any], str], object]) -> Callable[[], Twist]:
    def twist(line: str, answer: str) -> str:
        fits = "--formatter=json" in line and question_of(line) == question and answer.strip()
        return _altered(answer, key, alter) if fits else answer

    return lambda: twist


def _late(question: str, key: str) -> Callable[[], Twist]:
    def make() -> Twist:
        seen = [0]
        always = _on_key(question, key, _KEYS["a key is empty"])()

        def twist(line: str, answer: str) -> str:
            if question_of(line) == question:
                seen[0] += 1
            return always(line, answer) if seen[0] <= LATE else answer

        return twist

    return make
