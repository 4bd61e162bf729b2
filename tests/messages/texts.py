"""What an expression of the source can say: sentences in which “…” stands for what is known only when it is said."""

from __future__ import annotations

import ast
import itertools
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from messages.source import Found, Function, Module, Source

UNKNOWN = "…"
# More than these are not written out: one “…” stands for all of them.
_MOST_VARIANTS = 12
_MOST_PARTS = 6
_DEEPEST = 8
_SAME_TEXT = ("rstrip", "strip", "lstrip", "capitalize")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands. ``known`` has what the parameters and loop variables around it can say."""

    module: Module
    functions: tuple[Function, ...] = ()
    known: dict[str, list[str]] = field(default_factory=dict)
    depth: int = 0

    def knowing(self, known: dict[str, list[str]]) -> Scope:
        """The same place, with ``known`` values of parameters."""
        return replace(self, known={**self.known, **known})

    def deeper(self) -> Scope:
        """The same place, one step further from where the question began."""
        return replace(self, depth=self.depth + 1)


def scope_of(module: Module, node: ast.AST) -> Scope:
    """The place of a node."""
    return Scope(module, tuple(module.functions_around(node)))


def parameters(function: Function) -> list[tuple[str, ast.expr | None]]:
    """Names and defaults, in order, without ``self``."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    named = [(one.arg, default) for one, default in zip(positional, defaults, strict=True)]
    named += [(one.arg, default) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [one for one in named if one[0] not in {"self", "cls"}]


class Texts:
    """Answers what expressions can say."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def of(self, expression: ast.expr | None, scope: Scope) -> list[str]:
        """Each text that ``expression`` can be; ``[UNKNOWN]`` where nothing can be told."""
        if scope.depth > _DEEPEST:
            return [UNKNOWN]
        found = self._of(expression, scope.deeper())
        tidy = list(dict.fromkeys(re.sub("…(?:…)+", UNKNOWN, text) for text in found))
        return tidy if 0 < len(tidy) <= _MOST_VARIANTS else [UNKNOWN]

    def _of(self, expression: ast.expr | None, scope: Scope) -> list[str]:
        match expression:
            case None:
                return [""]
            case ast.Constant(value=value):
                return [UNKNOWN if value is None or isinstance(value, bytes) else str(value)]
            case ast.JoinedStr(values=parts):
                return self._joined([self._part(part, scope) for part in parts])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                if self._number(right, scope) is not None:
                    return [UNKNOWN]
                return self._joined([self.of(left, scope), self.of(right, scope)])
            case ast.BinOp():
                number = self._number(expression, scope)
                return [UNKNOWN if number is None else str(number)]
            case ast.IfExp(body=body, orelse=otherwise):
                return self.of(body, scope) + self.of(otherwise, scope)
            case ast.BoolOp(op=ast.Or(), values=values):
                return list(itertools.chain.from_iterable(self.of(value, scope) for value in values))
            case ast.Call():
                return self._call(expression, scope)
            case ast.Name() | ast.Attribute():
                return self._name(expression, scope)
            case ast.Subscript(value=value):
                return self._entry(value, scope)
        return [UNKNOWN]

    def _part(self, part: ast.expr, scope: Scope) -> list[str]:
        if isinstance(part, ast.FormattedValue):
            return self.of(part.value, scope)
        return self.of(part, scope)

    @staticmethod
    def _joined(parts: list[list[str]]) -> list[str]:
        parts = [part if len(part) <= _MOST_PARTS else [UNKNOWN] for part in parts]
        if sum(len(part) > 1 for part in parts) > 2:
            parts = [part if len(part) == 1 else [UNKNOWN] for part in parts]
        return ["".join(choice) for choice in itertools.product(*parts)]

    def _number(self, expression: ast.expr, scope: Scope) -> int | None:
        match expression:
            case ast.Constant(value=int(value)):
                return value
            case ast.BinOp(left=left, op=op, right=right):
                one, two = self._number(left, scope), self._number(right, scope)
                if one is None or two is None:
                    return None
                match op:
                    case ast.RShift():
                        return one >> two
                    case ast.LShift():
                        return one << two
                    case ast.Mult():
                        return one * two
                    case ast.FloorDiv():
                        return one // two
            case ast.Name() | ast.Attribute():
                meant = self.source.meaning(scope.module, expression)
                if meant is not None and isinstance(meant.node, ast.expr):
                    return self._number(meant.node, Scope(meant.module))
        return None

    def _call(self, call: ast.Call, scope: Scope) -> list[str]:
        if isinstance(call.func, ast.Attribute):
            if call.func.attr == "format":
                return self._formatted(call, scope)
            if call.func.attr in _SAME_TEXT:
                return self.of(call.func.value, scope)
        meant = self.source.meaning(scope.module, call.func)
        if meant is None or not isinstance(meant.node, Function):
            return [UNKNOWN]
        return self._returned(meant, call, scope)

    def _returned(self, function: Found, call: ast.Call, scope: Scope) -> list[str]:
        """What a function of the project returns, where that is text with words of its own."""
        assert isinstance(function.node, Function)
        inside = Scope(function.module, (function.node,), {}, scope.depth)
        if not any(isinstance(word, ast.Starred) for word in call.args):
            inside = inside.knowing(self.arguments(call, scope, parameters(function.node)))
        found: list[str] = []
        for node in ast.walk(function.node):
            if isinstance(node, ast.Return) and node.value is not None:
                found += self.of(node.value, inside)
        spoken = [text for text in found if re.search(r"[a-z]{2}", text)]
        return found if spoken and len(found) <= _MOST_PARTS else [UNKNOWN]

    def _formatted(self, call: ast.Call, scope: Scope) -> list[str]:
        assert isinstance(call.func, ast.Attribute)
        said: list[str] = []
        for template in self.of(call.func.value, scope):
            parts: list[list[str]] = []
            count = 0
            for literal, name, _, _ in string.Formatter().parse(template):
                parts.append([literal])
                if name is None:
                    continue
                place, count = (count, count + 1) if not name else (int(name) if name.isdigit() else -1, count)
                given = call.args[place] if 0 <= place < len(call.args) else None
                given = next((word.value for word in call.keywords if word.arg == name), given)
                known = given is not None and not any(isinstance(word, ast.Starred) for word in call.args)
                parts.append(self.of(given, scope) if known else [UNKNOWN])
            said += self._joined(parts)
        return said

    def _name(self, expression: ast.Name | ast.Attribute, scope: Scope) -> list[str]:
        if isinstance(expression, ast.Name):
            if expression.id in scope.known:
                return scope.known[expression.id]
            for index, function in enumerate(scope.functions):
                inside = replace(scope, functions=scope.functions[index:])
                assigned = list(assigned_values(function, expression.id))
                if assigned:
                    return list(itertools.chain.from_iterable(self.of(value, inside) for value in assigned))
                if expression.id in dict(parameters(function)):
                    return self._spoken(dict(parameters(function))[expression.id], inside)
        meant = self.source.meaning(scope.module, expression)
        if meant is None or not isinstance(meant.node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Name | ast.Call):
            return [UNKNOWN]
        return self.of(meant.node, Scope(meant.module, depth=scope.depth))

    def _entry(self, mapping: ast.expr, scope: Scope) -> list[str]:
        """Any value of a dictionary that is written out."""
        meant = self.source.meaning(scope.module, mapping)
        node, inside = (meant.node, Scope(meant.module, depth=scope.depth)) if meant else (mapping, scope)
        if not isinstance(node, ast.Dict):
            return [UNKNOWN]
        return list(itertools.chain.from_iterable(self.of(value, inside) for value in node.values))

    def arguments(
        self, call: ast.Call, scope: Scope, names: Iterable[tuple[str, ast.expr | None]]
    ) -> dict[str, list[str]]:
        """What each parameter gets in a call."""
        names = list(names)
        given = {name: argument for (name, _), argument in zip(names, call.args, strict=False)}
        given |= {word.arg: word.value for word in call.keywords if word.arg}
        return {name: self._spoken(given.get(name, default), scope) for name, default in names}

    def _spoken(self, expression: ast.expr | None, scope: Scope) -> list[str]:
        if expression is None:
            return [UNKNOWN]
        return [text if says_something(text) else UNKNOWN for text in self.of(expression, scope)]


def says_something(text: str) -> bool:
    """Whether a value is a piece of a sentence, or empty, and not a mere value such as ``8.0`` or ``uefi``."""
    return not text or " " in text or re.match(r"[A-Z][a-z]", text) is not None


def assigned_values(function: Function, name: str) -> Iterator[ast.expr]:
    """What a function gives to a variable of its own."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=False):
                    if isinstance(one, ast.Name) and one.id == name:
                        yield value
