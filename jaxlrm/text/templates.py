"""Chat templates, rendered as `transformers` renders them, within bounds.

A template comes with the model, from whoever made it: it runs in jinja2's
sandbox, and neither its loops nor what it writes may grow without end.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import meta, nodes, visitor
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

Message = Mapping[str, str]  # role and content

SOURCE = 1 << 20  # most characters of a template
OUTPUT = 1 << 24  # most characters that it may write
LOOPS = 1 << 20  # most passes of all its loops together


class TemplateFailure(ValueError):
    """A template is no template, refuses a conversation, or never ends."""


class Template:
    """A chat template of a model.

    Attributes:
        source: its text.
        tokens: special tokens that it may name.
        variables: the names that it asks for.
    """

    def __init__(self, source: str, tokens: Mapping[str, str] | None = None):
        """Compiles it.

        Args:
            source: jinja2.
            tokens: special tokens that it may name, such as `bos_token`.

        Raises:
            TemplateFailure: it is not jinja2.
        """
        if len(source) > SOURCE:
            raise TemplateFailure(
                f"the chat template has {len(source)} characters; at most "
                f"{SOURCE} are read"
            )
        self.source, self.tokens = source, dict(tokens or {})
        self._environment = _Environment()
        try:
            tree = self._environment.parse(source)
            self.variables = frozenset(meta.find_undeclared_variables(tree))
            self._template = self._environment.from_string(
                _Bounded().visit(tree)
            )
        except (jinja2.TemplateError, RecursionError) as error:
            raise TemplateFailure(
                f"the chat template cannot be read: {_line(error)}"
            ) from error

    def render(
        self, messages: Sequence[Message], *, asks: bool = True, **values: Any
    ) -> str:
        """The conversation as the model reads it.

        Args:
            messages: turns, each with `role` and `content`.
            asks: end with what opens the assistant's turn.
            **values: further variables of the template.

        Raises:
            TemplateFailure: the template refuses the conversation, fails, or
                would write or loop too long.
        """
        given = {
            **self.tokens,
            "messages": [dict(message) for message in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": asks,
            **values,
        }
        self._environment.left = LOOPS
        parts, size = [], 0
        try:
            for part in self._template.generate(given):
                size += len(part)
                _check_size(size)
                parts.append(part)
        except Exception as error:  # whatever its expressions raise
            raise TemplateFailure(
                f"the chat template fails: {_line(error)}"
            ) from error
        return "".join(parts)


# Those that chat templates use, and whose results are no longer than what goes
# in, or are checked by `_sized`.
_FILTERS = (
    "abs attr batch capitalize count d default dictsort e escape first float "
    "groupby indent int items join last length list lower map max min reject "
    "rejectattr replace reverse round safe select selectattr slice sort string "
    "sum title trim unique upper wordcount"
).split()
# Methods of a str that write as many characters as they are told.
_PADDING = frozenset(("center", "expandtabs", "ljust", "rjust", "zfill"))


class _Environment(ImmutableSandboxedEnvironment):
    """The environment that `transformers` gives to templates, with bounds."""

    intercepted_binops = frozenset(["*", "**", "+", "%"])

    def __init__(self):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # or constants would be computed out of bounds
            extensions=[_Generation, loopcontrols],
        )
        self.left = LOOPS
        self.filters = {name: _sized(self.filters[name]) for name in _FILTERS}
        self.filters |= {
            "tojson": _sized(_tojson),
            "_counted": self._counted,
            "_joined": _joined,
        }
        self.globals = {
            "dict": dict,
            "namespace": self.globals["namespace"],
            "raise_exception": _raise_exception,
            "range": self.globals["range"],
            "strftime_now": _strftime_now,
        }

    def is_safe_attribute(self, value, name, found) -> bool:
        """Methods that write as many characters as they are told are not."""
        if isinstance(value, str) and name in _PADDING:
            return False
        return super().is_safe_attribute(value, name, found)

    def wrap_str_format(self, value):
        """`str.format` writes as many characters as it is told, too."""
        if super().wrap_str_format(value) is not None:
            raise SecurityError("no str.format in a chat template; use ~")

    def call_binop(self, context, operator, left, right):
        """The operators that can make something large out of little."""
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"no {operator} in a chat template")
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, (str, list, tuple)):
                    _check_size(len(one) * other)
        return _checked(super().call_binop(context, operator, left, right))

    def call(self, context, function, /, *args, **kwargs):
        """Calls a function or a method; `str.replace` only if it may end."""
        owner = getattr(function, "__self__", None)
        named = getattr(function, "__name__", "")
        if isinstance(owner, str) and named == "replace":
            _check_replacement(owner, *args)
        return _checked(super().call(context, function, *args, **kwargs))

    def _counted(self, values: Iterable) -> Iterator:
        """`values`, one after another, while any of `LOOPS` are left."""
        for value in values:
            self.left -= 1
            if self.left < 0:
                raise SecurityError(f"more than {LOOPS} passes of its loops")
            yield value


class _Bounded(visitor.NodeTransformer):
    """Puts a bound on loops, and on texts that are joined by `~`."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        if not node.recursive:  # its depth is bounded by the interpreter's
            node.iter = _filter("_counted", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _filter("_joined", nodes.List(node.nodes, lineno=node.lineno))


def _filter(name: str, value: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


class _Generation(Extension):
    """`{% generation %}` marks what the model wrote: here it is as it is."""

    tags = {"generation"}

    def parse(self, parser):
        """The body of the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(
            ("name:endgeneration",), drop_needle=True
        )
        return nodes.Scope(body, lineno=line)


def _check_size(size: int) -> None:
    if size > OUTPUT:
        raise SecurityError(f"more than {OUTPUT} characters")


def _checked(value):
    if isinstance(value, (str, list, tuple, dict)):
        _check_size(len(value))
    elif isinstance(value, int) and value.bit_length() > 4096:
        raise SecurityError("a number of more than 4096 bits")
    return value


def _check_replacement(text: str, old: str, new: str, *_: object) -> None:
    _check_size(len(text) + text.count(old) * len(new))


def _sized(function):
    """A filter whose numbers, and whose result, are no larger than allowed."""

    @functools.wraps(function)
    def checked(*args, **kwargs):
        for value in (*args, *kwargs.values()):
            if isinstance(value, int):
                _check_size(value)
        texts = [value for value in args if isinstance(value, str)]
        if function.__name__ == "do_replace" and len(texts) > 2:
            _check_replacement(*texts)
        if function.__name__ in ("do_indent", "sync_do_join"):
            # A piece more at each line, or at each item.
            pieces = [len(v) for v in args if hasattr(v, "__len__")]
            _check_size(math.prod(max(size, 1) for size in pieces))
        return _checked(function(*args, **kwargs))

    return checked


def _joined(values: Sequence) -> str:
    """What `~` makes of its operands."""
    texts = list(map(str, values))
    _check_size(sum(map(len, texts)))
    return "".join(texts)


def _tojson(
    value,
    ensure_ascii: bool = False,
    indent=None,
    separators=None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str):
    raise jinja2.TemplateError(message)


def _strftime_now(layout: str) -> str:
    return datetime.datetime.now().strftime(layout)


def _line(error: Exception) -> str:
    """The error in one short line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) < 200 else words[:197] + "..."
