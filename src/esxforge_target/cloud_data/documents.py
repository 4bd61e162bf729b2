"""YAML from outside, read within limits.

PyYAML's pure Python part is carried into the image; ``SafeLoader`` makes plain values only. Aliases cost nothing to
read and everything to walk (or, with merge keys, to construct), so the nodes are counted as if every alias were
written out, before anything is constructed.
"""

from typing import Any

from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.limits import YAML_BYTES, YAML_DEPTH, YAML_NODES
from esxforge_target.runtime.visible import one_line

_LONGEST_NUMBER = 64
# Scalars whose text must have a form; a tag may say of any text that it is one.
_FORMED = ("bool", "float", "int", "null", "timestamp")


def load_yaml(data: bytes, what: str, loader_class: Any = None) -> Any:
    """The plain value in ``data``; ``what`` names it in errors. CloudDataError for everything that is not one.

    ``loader_class``: another kind of PyYAML's ``SafeLoader``. An error names the place and repeats no scalar.
    """
    if len(data) > YAML_BYTES:
        raise CloudDataError(
            "{} is {} bytes long; at most {} are read as YAML.".format(what, len(data), YAML_BYTES),
            "Fetch large files by a script instead.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CloudDataError("{} is not text: byte {} is not UTF-8.".format(what, error.start))
    yaml = _parser()
    loader = None
    try:
        loader = (loader_class or yaml.SafeLoader)(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Budget(yaml, what).spend(node, 0)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise CloudDataError("{} is not YAML that can be read: {}.".format(what, _place(error)))
    except (yaml.YAMLError, ValueError, OverflowError):  # control characters; dates and numbers that are none
        raise CloudDataError("{} is not YAML that can be read.".format(what), "Check it with a YAML linter.")
    except RecursionError:
        raise CloudDataError("{} is nested too deeply.".format(what))
    finally:
        if loader is not None:
            loader.dispose()


def _parser() -> Any:
    try:
        import yaml  # noqa: PLC0415  only hosts with documents need it, and its absence must not stop the others
    except ImportError:
        raise CloudDataError(
            "This image carries no YAML parser, so vendor-data and user-data cannot be read.",
            "Build the image again with a complete installation of esxforge.",
        )
    return yaml


def _place(error: Any) -> str:
    """The parser's complaint and its place; without the text around it, which may hold a password."""
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "something is out of place")
    return one_line(problem[:120]) + (_where(mark) if mark else "")


def _where(mark: Any) -> str:
    return " (line {}, column {})".format(mark.line + 1, mark.column + 1)


class _Budget:
    """Counts nodes as if aliases were written out."""

    def __init__(self, yaml: Any, what: str) -> None:
        self._yaml = yaml
        self._what = what
        self._left = YAML_NODES

    def spend(self, node: Any, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise CloudDataError("{} grows to more than {} values.".format(self._what, YAML_NODES))
        if depth > YAML_DEPTH:
            raise CloudDataError("{} is nested more than {} levels deep.".format(self._what, YAML_DEPTH))
        kind = node.tag.rpartition(":")[2]
        if kind in _FORMED and not self._has_form(node):
            raise CloudDataError(
                "{} is not YAML that can be read: what is tagged as {} is none{}.".format(
                    self._what, kind, _where(node.start_mark)
                )
            )
        if isinstance(node, self._yaml.SequenceNode):
            for child in node.value:
                self.spend(child, depth + 1)
        elif isinstance(node, self._yaml.MappingNode):
            for key, value in node.value:
                self.spend(key, depth + 1)
                self.spend(value, depth + 1)
        else:
            self._check_scalar(node)

    def _check_scalar(self, node: Any) -> None:
        if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER:
            raise CloudDataError("{} holds a number of {} digits.".format(self._what, len(node.value)))
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            raise CloudDataError("{} holds half a character (a lone surrogate).".format(self._what))

    def _has_form(self, node: Any) -> bool:
        if not isinstance(node, self._yaml.ScalarNode):
            return False
        resolvers = self._yaml.SafeLoader.yaml_implicit_resolvers.get(node.value[:1], [])
        return any(tag == node.tag and pattern.match(node.value) for tag, pattern in resolvers)
