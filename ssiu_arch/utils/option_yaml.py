"""Reading the YAML of option files: plain data alone, bounded, in UTF-8, and every option once."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from ssiu_arch.utils.errors import UserError

LARGEST = 2**16  # bytes of a file; those of this project have 4,000
DEEPEST = 40  # levels of nesting, aliases followed
MOST = 10_000  # values, each alias counted as all that it repeats

TAG = "tag:yaml.org,2002:"
LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("printable text in one line", str.isprintable),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number below 2^63", lambda value: value is not None and abs(value) < 2**63),
    "float": ("a finite number below 2^63", lambda value: value is not None and abs(value) < 2**63),
}
UNUSUAL = re.compile(r"[-+]?0[0-7_]+|.*:.*")  # octal numbers, and those to the base 60
EXPONENT = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")


def load(path: str | Path) -> dict[str, Any]:
    """The options of a file.

    Raises:
        UserError: the file cannot be read, is no valid YAML, holds no mapping, or exceeds what ``OptionLoader`` reads;
            the message names the line.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file (the current folder is {Path.cwd()})")
    try:
        with open(path, "rb") as file:
            opt = yaml.load(file, OptionLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        kind = "" if isinstance(error, ConstructorError) else "invalid YAML: "
        raise UserError(f"{path}{where}: {kind}{' '.join(str(error.problem).split())}") from error
    if not isinstance(opt, dict):
        held = "is empty" if opt is None else f"holds a {type(opt).__name__}, not options"
        raise UserError(f"{path}: is not an option file: it {held}")
    return opt


class OptionLoader(yaml.SafeLoader):
    """PyYAML's safe loader, with the limits above; for all else it raises a ``yaml.MarkedYAMLError``.

    - Tags other than those of plain data are refused: none can name Python code.
    - A key twice in one mapping is refused. ``<<`` merges anchors, and the mapping's own keys win over theirs. An alias
      is a copy.
    - ``2e-4`` is a number: YAML 1.1 asks for ``2.0e-4``. ``5e3`` is a whole one. A date is text. ``010`` and ``1:30``
      are refused: YAML 1.1 makes 8 and 90 of them.

    Args:
        stream: text, or an open file; its bytes are read as UTF-8, whichever encoding it was opened with.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        start: [entry for entry in entries if entry[0] != f"{TAG}timestamp"]
        for start, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: Any) -> None:
        self._level = 0
        self._sizes: dict[yaml.Node, tuple[int, int]] = {}  # values and levels of each node, aliases followed
        held = stream if isinstance(stream, str) else getattr(stream, "buffer", stream).read(LARGEST + 1)
        text = held if isinstance(held, str) else held.decode("utf-8-sig", "surrogateescape")
        try:
            super().__init__(text)
        except yaml.reader.ReaderError as error:
            line, at = text.count("\n", 0, error.position), error.position
            mark = yaml.Mark("", at, line, at - text.rfind("\n", 0, at) - 1, None, 0)
            self._demand(False, f"{text[at]!r} is no printable UTF-8 text: save the file as UTF-8", mark)
        self._demand(len(held) <= LARGEST, f"has over {LARGEST:,} bytes: not an option file", self.get_mark())

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """PyYAML's node of the next value, within the limits."""
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        self._level += 1
        self._demand(self._level <= DEEPEST, f"over {DEEPEST} levels of nesting", mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        if node is not None and node not in self._sizes:
            self._demand(not is_alias, "an alias inside its own anchor", mark)
            self._sizes[node] = self._measured(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """PyYAML's value of a node; an alias gives a copy, because BasicSR changes options in place."""
        self.constructed_objects.pop(node, None)
        return super().construct_object(node, deep)

    def _measured(self, node: yaml.Node) -> tuple[int, int]:
        children = list(node.value) if isinstance(node, yaml.SequenceNode) else []
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            is_text = isinstance(key, yaml.ScalarNode) and key.tag in (f"{TAG}str", f"{TAG}merge")  # not yes: or 4:
            self._demand(is_text, "the name of an option must be text: put it in quotes", key.start_mark)
            first = lines.setdefault((key.tag, key.value), key.start_mark.line + 1)
            said = f"{key.value!r} is given twice, first in line {first}: remove one"
            self._demand(len(lines) * 2 == len(children) + 2, said, key.start_mark)
            children += [key, value]
        sizes, levels = zip(*(self._sizes[child] for child in children), strict=True) if children else ((), ())
        size, level = 1 + sum(sizes), 1 + max(levels, default=0)
        self._demand(size <= MOST, f"over {MOST:,} values, with those that aliases repeat", node.start_mark)
        self._demand(level <= DEEPEST, f"over {DEEPEST} levels of nesting", node.start_mark)
        return size, level

    @staticmethod
    def _demand(is_met: bool, problem: str, mark: yaml.Mark) -> None:
        if not is_met:
            raise ConstructorError(None, None, problem, mark)


def _limited(name: str) -> Callable[[OptionLoader, yaml.Node], Any]:
    construct = getattr(SafeConstructor, f"construct_yaml_{name}")
    what, fits = LIMITS[name]

    def value(loader: OptionLoader, node: yaml.Node) -> Any:
        try:
            read = construct(loader, node)
        except (ValueError, KeyError, IndexError):  # of ``!!int x``, ``!!bool maybe``, or too many digits
            read = None
        loader._demand(fits(read), f"{node.value[:60]!r} is not {what}", node.start_mark)
        said = f"{node.value!r} means {read} in YAML: write {read}, or text in quotes"
        loader._demand(name not in ("int", "float") or not UNUSUAL.fullmatch(node.value), said, node.start_mark)
        is_count = EXPONENT.match(node.value) and name == "float" and read == int(read)  # with which BasicSR slices
        return int(read) if is_count else read

    return value


def _refused(loader: OptionLoader, node: yaml.Node) -> None:
    tag = node.tag.replace(TAG, "!!")
    loader._demand(False, f"the tag {tag} is not allowed: write plain text, numbers, lists, mappings", node.start_mark)


OptionLoader.yaml_constructors = {
    **{f"{TAG}{name}": getattr(SafeConstructor, f"construct_yaml_{name}") for name in ("null", "seq", "map")},
    **{f"{TAG}{name}": _limited(name) for name in LIMITS},
    None: _refused,
}
OptionLoader.add_implicit_resolver(f"{TAG}float", EXPONENT, list("+-.0123456789"))
