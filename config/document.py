"""A YAML text as plain values, with the line on which each stands.

YAML as of 1.2 in what a plain word means: only `true` and `false` are booleans (`no` is a country), `12:30` and
`2026-11-22` are text. Keys are always text. A key may be written once. Anchors and merge keys work; what they expand
to is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from config.problems import ConfigError, Place, Problem, quoted, written

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NODES = 500_000
DEEPEST = 60
LONGEST_TEXT = 16 * 2**20

_CORE = "tag:yaml.org,2002:"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's plain words."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(slots=True)
class Document:
    """What a file says. `lines` gives the line of every place; `variables` the variable that set a place."""

    path: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    variables: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    from_environment: dict[str, str] = field(default_factory=dict)
    """Texts that came from the environment, with how they are written in the file: they may be secret."""

    def report(self, place: Place, message: str) -> None:
        """Note a mistake at a place; the first one at a place is the one worth reading."""
        where = written(place)
        for text, said in self.from_environment.items():
            message = message.replace(text, said)
        if all(problem.where != where or not where for problem in self.problems):
            path, line = self.position(place)
            self.problems.append(Problem(path, line, where, message))

    def position(self, place: Place) -> tuple[str, int | None]:
        """The file and line of a place, or of the nearest thing around it that was written."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.variables:
                return f"${self.variables[place[:length]]}", None
            if place[:length] in self.lines:
                return self.path, self.lines[place[:length]]
        return self.path, None

    def raise_problems(self) -> None:
        if self.problems:
            raise ConfigError(self.problems)


def read(text: str, path: str) -> Document:
    """Parse a text. Raises ConfigError where no values can be had from it; lesser mistakes are in `problems`."""
    if len(text) > LONGEST_TEXT:
        raise ConfigError([Problem(path, None, "", "is larger than 16 MiB. Is this the right file?")])
    document = Document(path)
    root = _compose(text, path)
    if root is None:
        document.value = {}
    elif not isinstance(root, yaml.MappingNode):
        message = "a configuration is a mapping. Begin with a section: kafka: or files:."
        raise ConfigError([Problem(path, root.start_mark.line + 1, "", message)])
    else:
        document.value = _Reading(document).value(root, ())
    return document


def plain(text: str) -> Any:
    """A YAML text from the environment: values without lines. Raises ConfigError; scalars come as they are typed."""
    node = _compose(text, "")
    document = Document("")
    value = None if node is None else _Reading(document).value(node, ())
    document.raise_problems()
    return value


def scalar(text: str) -> Any:
    """What a word means where it is not quoted: `8` is a number, `true` a boolean, `null` nothing, `eu` text."""
    node = yaml.ScalarNode(_word_kind(text), text)
    return _scalar(node)


def _word_kind(text: str) -> str:
    return str(_Loader("").resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


def _compose(text: str, path: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise ConfigError([Problem(path, line, "", _syntax(error, text, line))]) from None
    except yaml.YAMLError:
        line = next((n for n, row in enumerate(text.split("\n"), 1) if not _readable(row)), None)
        message = "has a character that can't be printed. Remove it."
        raise ConfigError([Problem(path, line, "", message)]) from None
    except RecursionError:
        raise ConfigError([Problem(path, None, "", f"is nested too deeply. {DEEPEST} levels are enough.")]) from None
    except ValueError as error:  # PyYAML lets a few through, such as \U00110000
        raise ConfigError([Problem(path, None, "", f"is not YAML: {quoted(str(error))}.")]) from None


def _readable(row: str) -> bool:
    return yaml.reader.Reader.NON_PRINTABLE.search(row) is None


def _syntax(error: yaml.MarkedYAMLError, text: str, line: int | None) -> str:
    row = text.split("\n")[line - 1] if line and line <= text.count("\n") + 1 else ""
    if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in str(error.problem):
        return "a tab can't indent YAML. Use spaces."
    if "${" in row:
        return f'is not YAML: {error.problem}. Between braces, quote variables: "${{NAME}}".'
    return f"is not YAML: {error.problem or error.context}. Check the indentation, colons and quotes around here."


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.removeprefix(_CORE), node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int" and len(text) < 400:
        return int(text, 0) if text.startswith(("0x", "0o")) else int(text)
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


class _Reading:
    """One walk over the nodes of a document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0
        self.open: set[int] = set()

    def value(self, node: yaml.Node, place: Place) -> Any:
        self._bound(node, place)
        self.document.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.tag not in (_CORE + "map", _CORE + "seq"):
            self._tagged(node, place)
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            value: Any = {key: self.value(child, (*place, key)) for key, child in self._entries(node, place)}
        else:
            value = [self.value(child, (*place, index)) for index, child in enumerate(node.value)]
        self.open.discard(id(node))
        return value

    def _bound(self, node: yaml.Node, place: Place) -> None:
        """An alias may name what it stands in, or name lists of lists of aliases: a small file, an endless value."""
        self.nodes += 1
        too_much = (
            "refers to itself. Write out what is meant." if id(node) in self.open
            else "expands to too much. Use fewer aliases." if self.nodes > MOST_NODES
            else f"is nested too deeply. {DEEPEST} levels are enough." if len(place) > DEEPEST
            else None
        )  # fmt: skip
        if too_much:
            raise ConfigError([Problem(self.document.path, node.start_mark.line + 1, written(place)[:80], too_much)])

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        known = ("str", "int", "float", "bool", "null", "merge")
        if node.tag.removeprefix(_CORE) not in known:
            self._tagged(node, place)
            return node.value
        try:
            return _scalar(node)
        except ValueError:
            return node.value

    def _tagged(self, node: yaml.Node, place: Place) -> None:
        self.document.report(place, f"the tag {quoted(node.tag)} means nothing here. Remove it.")

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        """Keys and values, merge keys followed; what a mapping says itself stands over what it merges."""
        entries: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key, child in node.value:
            if key.tag == _CORE + "merge":
                merged += child.value if isinstance(child, yaml.SequenceNode) else [child]
            elif not isinstance(key, yaml.ScalarNode):
                self.document.report(place, "has a key that is not text. Write `name: value`.")
            elif key.value in entries:
                self._repeated(key, place)
            else:
                entries[key.value] = child
                self.document.lines.setdefault((*place, key.value), key.start_mark.line + 1)
        for below in merged:
            entries = {**dict(self._merged(below, place)), **entries}
        yield from entries.items()

    def _merged(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        self._bound(node, place)
        if not isinstance(node, yaml.MappingNode):
            self.document.report(place, "merges something that is not a mapping. Write `<<: *anchor` of a mapping.")
            return
        self.open.add(id(node))
        yield from self._entries(node, place)
        self.open.discard(id(node))

    def _repeated(self, key: yaml.ScalarNode, place: Place) -> None:
        first = self.document.lines.get((*place, key.value))
        message = f"is written twice, first on line {first}. Keep one."
        line = key.start_mark.line + 1
        self.document.problems.append(Problem(self.document.path, line, written((*place, key.value)), message))
