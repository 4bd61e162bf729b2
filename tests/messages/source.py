"""The project's modules as syntax trees, and what a name in them stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import statement brings in: ``name`` of ``module``; the module itself where ``name`` is empty."""

    module: str
    name: str = ""


@dataclass(eq=False, slots=True)
class Module:
    """One file. ``parents`` leads from each node to the one around it."""

    name: str
    path: str
    tree: ast.Module
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, Imported] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around ``node``, from the inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def functions_around(self, node: ast.AST) -> list[Function]:
        """The functions that ``node`` stands in, innermost first."""
        return [one for one in self.around(node) if isinstance(one, Function)]


@dataclass(frozen=True, slots=True)
class Found:
    """The meaning of a name: a constant, a function or a class, with the module that it is defined in."""

    module: Module
    node: ast.expr | Function | ast.ClassDef


class Source:
    """All modules below ``src``."""

    def __init__(self, directory: Path = ROOT / "src") -> None:
        self.modules: dict[str, Module] = {}
        for path in sorted(directory.rglob("*.py")):
            parts = path.relative_to(directory).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.modules[name] = _module(name, path.relative_to(directory.parent).as_posix(), path.read_text("utf-8"))
        self._calls: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call):
                    self._calls.setdefault(_last_name(node.func), []).append((module, node))

    def meaning(self, module: Module, expression: ast.expr) -> Found | None:
        """What ``expression``, a name or ``module.name``, stands for; None where it cannot be told."""
        if isinstance(expression, ast.Name):
            return self._named(module, expression.id)
        if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            owner = expression.value.id
            if owner == "self":
                function = module.functions.get(expression.attr)
                return Found(module, function) if function else None
            other = self._imported_module(module, owner)
            return self._named(other, expression.attr) if other else None
        return None

    def _imported_module(self, module: Module, name: str) -> Module | None:
        imported = module.imports.get(name)
        if imported is None:
            return None
        return self.modules.get(f"{imported.module}.{imported.name}" if imported.name else imported.module)

    def _named(self, module: Module, name: str) -> Found | None:
        for group in (module.constants, module.functions, module.classes):
            if name in group:
                return Found(module, group[name])
        imported = module.imports.get(name)
        if imported is None or not imported.name or imported.module not in self.modules:
            return None
        return self._named(self.modules[imported.module], imported.name)

    def bases(self, module: Module, node: ast.ClassDef) -> list[Found]:
        """The classes of the project that a class builds on, its own first."""
        found = [Found(module, node)]
        for base in node.bases:
            meant = self.meaning(module, base)
            if meant is not None and isinstance(meant.node, ast.ClassDef):
                found += self.bases(meant.module, meant.node)
        return found

    def calls_of(self, function: Function) -> Iterator[tuple[Module, ast.Call]]:
        """Each call of a function in the project, as far as its name tells."""
        for module, call in self._calls.get(function.name, []):
            meant = self.meaning(module, call.func)
            if meant is not None and meant.node is function:
                yield module, call


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _origin(module: Module, statement: ast.ImportFrom) -> str:
    """The module that ``from … import`` names, also where it is relative: one dot is the package itself."""
    if not statement.level:
        return statement.module or ""
    package = module.name.split(".")
    above = statement.level - (1 if module.path.endswith("/__init__.py") else 0)
    return ".".join([*package[: len(package) - above], *([statement.module] if statement.module else [])])


def _module(name: str, path: str, text: str) -> Module:
    module = Module(name, path, ast.parse(text))
    for statement in module.tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            module.constants[statement.targets[0].id] = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            module.constants[statement.target.id] = statement.value
    for node in ast.walk(module.tree):
        for child in ast.iter_child_nodes(node):
            module.parents[child] = node
        if isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            for alias in node.names:
                module.imports[alias.asname or alias.name] = Imported(origin, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module.imports[alias.asname or alias.name] = Imported(alias.name)
        elif isinstance(node, Function):
            module.functions.setdefault(node.name, node)
        elif isinstance(node, ast.ClassDef):
            module.classes.setdefault(node.name, node)
    return module
