"""The places of the source where esxforge says that something failed, and what to do then."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from messages.source import Function, Module, Source
from messages.texts import UNKNOWN, Scope, Texts, parameters, scope_of

_DEEPEST_CALLS = 4
# What is not an error itself but is shown like one: (what is said, of the fields of the class; which field says what
# to do).
_SHOWN = {
    "Finding": ("{message}", "hint"),
    "Diagnosis": ("{sentence}", "hint"),
    "Line": ("{name}: {found} (needed: {needed})", "hint"),
    "BadParameter": ("{message}", ""),
    "ValueError": ("{message}", ""),
}
_FIELDS = {"BadParameter": ["message"], "ValueError": ["message"]}
# What these put into lists are the words of the ones that they play.
_OTHERS = "esxforge.standin_iso."
# Where a ValueError becomes one of the recipe's problems.
_VALUE_ERRORS = {"esxforge.recipe.model"}
# Of a class: what is said, of its fields; the field that says what to do; its parameters with their defaults.
_Made = tuple[str, str, list[tuple[str, ast.expr | None]]]
# Lists of sentences that end in one error.
_LISTS = re.compile(r"(problems|reasons|refusals|found)$")
_LISTERS = re.compile(r"(problems?|reasons?|doubts?|refusals?|contradictions)$")
# Of parts that are never told together, and pieces of a sentence.
_LEFT_OVER = re.compile(r": ;|^,| is \.")
# The hint is that of the cause, which is part of the sentence.
_ELSEWHERE = "See the message."
_WORDS = re.compile(r"[a-z]{2,}[^a-z]+[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence; ``hint`` is empty where the source gives none. ``path`` and ``line`` say where it is said.

    ``one_of_many``: it goes into a list, and the error that tells the whole list has the hint.
    """

    sentence: str
    hint: str
    path: str
    line: int
    one_of_many: bool = False


def collect(source: Source) -> list[Message]:
    """Every message, in the order of the source."""
    collector = _Collector(source)
    found: list[Message] = []
    for module in source.modules.values():
        found += collector.of_module(module)
    return found


class _Collector:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._texts = Texts(source)

    def of_module(self, module: Module) -> Iterator[Message]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                yield from self._error(module, node)
                yield from self._listed(module, node)
            elif module.name.startswith(_OTHERS):
                continue
            elif isinstance(node, ast.AugAssign) and _LISTS.search(_name(node.target)):
                yield from self._sentences(module, node, _elements(node.value))
            elif isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                around = module.functions_around(node)
                if around and _LISTERS.search(around[0].name):
                    yield from self._sentences(module, node, _elements(node.value))

    def _error(self, module: Module, call: ast.Call) -> Iterator[Message]:
        """What a constructor of an error is told."""
        made = self._made(module, call.func)
        if made is None or any(_name(argument) == "OK" for argument in call.args):  # doctor: well
            return
        inside = scope_of(module, call)
        names = self._names_in(call, inside)
        yield from _plainest(list(self._told(module, call, made, self._scopes(module, call, inside, names))))

    def _told(self, module: Module, call: ast.Call, made: _Made, scopes: Iterable[Scope]) -> Iterator[Message]:
        template, hint, names = made
        for scope in scopes:
            given = self._texts.arguments(call, scope, names)
            if template in given and call.args and isinstance(call.args[0], ast.List | ast.ListComp):
                said = [text for one in _elements(call.args[0]) for text in self._texts.of(one, scope)]
            elif template in given:
                said = given[template]
            else:
                fields = re.findall(r"\{(\w+)\}", template)
                choices = itertools.product(*(given[name] for name in fields))
                said = [template.format(**dict(zip(fields, choice, strict=True))) for choice in choices]
            yield from _messages(module, call, said, given.get(hint, [""]))

    def _made(self, module: Module, function: ast.expr) -> _Made | None:
        """Of a class whose objects are shown to people: what is said, what says what to do, and its parameters."""
        if _name(function) in _FIELDS and (_name(function) != "ValueError" or module.name in _VALUE_ERRORS):
            template, hint = _SHOWN[_name(function)]
            return template, hint, [(name, None) for name in _FIELDS[_name(function)]]
        meant = self._source.meaning(module, function)
        if meant is None or not isinstance(meant.node, ast.ClassDef):
            return None
        classes = self._source.bases(meant.module, meant.node)
        names = next((found for found in map(_fields, (one.node for one in classes)) if found), [])
        if meant.node.name in _SHOWN:
            return (*_SHOWN[meant.node.name], names)
        if any(isinstance(one.node, ast.ClassDef) and one.node.name == "ForgeError" for one in classes) and names:
            return names[0][0], "hint", names
        return None

    def _listed(self, module: Module, call: ast.Call) -> Iterator[Message]:
        """``refuse(…, text)``, and sentences that are put into a list of problems."""
        if not isinstance(call.func, ast.Attribute) or not call.args:
            return
        if call.func.attr == "refuse":
            yield from self._sentences(module, call, [call.args[-1]])
        elif call.func.attr in {"append", "extend"} and _LISTS.search(_name(call.func.value)):
            yield from self._sentences(module, call, _elements(call.args[0]), _hint_beside(module, call))

    def _sentences(
        self, module: Module, node: ast.AST, texts: list[ast.expr], hint: ast.expr | None = None
    ) -> Iterator[Message]:
        scope = scope_of(module, node)
        names = {one.id for text in texts for one in ast.walk(text) if isinstance(one, ast.Name)}
        for inside in self._scopes(module, node, scope, names):
            said = [sentence for text in texts for sentence in self._texts.of(text, inside)]
            found = _messages(module, node, said, self._texts.of(hint, inside))
            yield from _plainest([replace(message, one_of_many=not message.hint) for message in found])

    def _names_in(self, call: ast.Call, scope: Scope) -> set[str]:
        """The names that the arguments of a call use, also by way of variables."""
        names = {one.id for one in ast.walk(call) if isinstance(one, ast.Name)}
        for function in scope.functions[:1]:
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and any(_name(target) in names for target in node.targets):
                    names |= {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
        return names

    def _scopes(self, module: Module, node: ast.AST, scope: Scope, names: set[str], depth: int = 0) -> Iterator[Scope]:
        """The scope once for each way in which ``names`` get values: rows of a table, or calls of the function."""
        rows = list(self._rows(module, node, scope, names))
        if rows or not scope.functions or depth > _DEEPEST_CALLS:
            yield from rows or [scope]
            return
        function = scope.functions[0]
        given = parameters(function)
        if not names & {name for name, _ in given}:
            yield scope
            return
        known: list[dict[str, list[str]]] = []
        for caller, call in self._source.calls_of(function):
            outside = scope_of(caller, call)
            for one in self._scopes(caller, call, outside, self._names_in(call, outside), depth + 1):
                known += self._given(call, one, given)
        yield from [scope.knowing(values) for values in known] or [scope]

    def _given(
        self, call: ast.Call, scope: Scope, names: list[tuple[str, ast.expr | None]]
    ) -> Iterator[dict[str, list[str]]]:
        """What parameters get in a call; ``f(*g(…))`` gets what g returns."""
        if call.args and isinstance(call.args[0], ast.Starred):
            inner = call.args[0].value
            meant = self._source.meaning(scope.module, inner.func) if isinstance(inner, ast.Call) else None
            if meant is not None and isinstance(meant.node, Function):
                for node in ast.walk(meant.node):
                    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                        inside = scope_of(meant.module, node)
                        values = [self._texts.of(one, inside) for one in node.value.elts]
                        yield dict(zip((name for name, _ in names), values, strict=False))
            return
        yield self._texts.arguments(call, scope, names)

    def _rows(self, module: Module, node: ast.AST, scope: Scope, names: set[str]) -> Iterator[Scope]:
        """``for a, b in TABLE``: each row of a table that is written out."""
        for loop in module.around(node):
            if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Tuple):
                continue
            meant = self._source.meaning(module, loop.iter)
            targets = [_name(one) for one in loop.target.elts]
            if meant is None or not isinstance(meant.node, ast.Tuple | ast.List) or not names & set(targets):
                continue
            for row in meant.node.elts:
                if isinstance(row, ast.Tuple):
                    texts = [self._texts.of(one, Scope(meant.module)) for one in row.elts]
                    yield scope.knowing(dict(zip(targets, texts, strict=False)))


def _plainest(found: list[Message]) -> list[Message]:
    """Without what another one with the same hint says too: with “…” in the place of words, or without an end."""
    kept: list[Message] = []
    for message in dict.fromkeys(found):
        others = [one for one in found if one.sentence != message.sentence and one.hint == message.hint]
        if not any(_stands_for(one.sentence, message.sentence) for one in others):
            kept.append(message)
    return kept


def _stands_for(general: str, special: str) -> bool:
    if (
        special.startswith(general.rstrip(UNKNOWN + ". "))
        and len(special) > len(general)
        and not general.endswith(UNKNOWN)
    ):
        return True
    pattern = ".*".join(re.escape(part) for part in general.split(UNKNOWN))
    return (
        UNKNOWN in general
        and re.fullmatch(pattern, special) is not None
        and not re.fullmatch(".*".join(re.escape(part) for part in special.split(UNKNOWN)), general)
    )


def _hint_beside(module: Module, call: ast.Call) -> ast.expr | None:
    """``hints.append(…)`` in the next line gives what was just said its hint."""
    statement = module.parents[call]
    block = getattr(module.parents.get(statement), "body", []) + getattr(module.parents.get(statement), "orelse", [])
    after = block[block.index(statement) + 1] if statement in block[:-1] else None
    match after:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="hints"), attr="append"), args=[hint])):
            return hint
    return None


def _fields(node: ast.expr | Function | ast.ClassDef) -> list[tuple[str, ast.expr | None]]:
    """The parameters of a class: those of its ``__init__``, or a dataclass's fields."""
    if not isinstance(node, ast.ClassDef):
        return []
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return parameters(statement)
    return [
        (statement.target.id, statement.value)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]


def _elements(expression: ast.expr) -> list[ast.expr]:
    """The elements of a list that is written out; a single text is a list of one."""
    match expression:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
            return [element]
    return [expression]


def _name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _messages(module: Module, node: ast.AST, said: list[str], hints: list[str]) -> Iterator[Message]:
    """The messages with words of their own. Of several hints those that are known count."""
    spoken = [text for text in hints if text.replace(UNKNOWN, "").strip()]
    if not spoken and UNKNOWN in hints:
        spoken = [_ELSEWHERE]
    longest = [one for one in spoken if not any(other != one and other.startswith(one) for other in spoken)]
    hint = " / ".join(longest)
    for text in said:
        sentence = " ".join(text.split())
        if _WORDS.search(sentence) and not _LEFT_OVER.search(sentence):
            yield Message(sentence, " ".join(hint.split()), module.path, getattr(node, "lineno", 0))
