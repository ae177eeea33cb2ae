r"""Syntax trees of answers: a bounded Pratt parser for LaTeX and plain text.

Wider than `exact`, which computes as it reads and serves the rules of steps:
this one reads whole answers with functions, tuples, intervals, sets, matrices,
relations and units. It computes nothing.

A tree is a tuple whose first entry is its kind:
    ("n", value, decimals)          number; decimals of a literal, else None
    ("v", name)                     variable or constant: x, x_1, pi, e, i, oo
    ("+", a, b) ("*", a, b) ("/", a, b) ("^", a, b) ("-", a)
    ("pm", sign, a, b)              a ± b; a may be None; sign is "+" for ±
    ("f", name, arguments)          function, written as its usual name
    ("group", brackets, items)      (1, 2), [1, 2), <1, 2>
    ("set", items)                  {1, 2}
    ("builder", item, condition)    {x | x > 1}
    ("list", items, separators)     1, 2 or 3
    ("matrix", rows)
    ("rel", operators, sides)       a = b, 0 < x <= 1, x in S
    ("cup", a, b) ("cap", a, b) ("minus", a, b)
    ("unit", a, unit)
    ("base", digits, base)
    ("ratio", a, b)                 a : b
    ("same", a, b)                  two ways to write one answer
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import Any

from jaxlrm.verify import units
from jaxlrm.verify.exact import DIGITS, LENGTH, NotParsed, ungroup

# Budgets.
TOKENS = 800
DEPTH = 48  # of brackets, signs and exponents
ITEMS = 64  # of a list or matrix

Tree = tuple[Any, ...]

_TOKEN = re.compile(
    r"\\text ?\{[^{}]*\}|\\begin ?\{[A-Za-z]+\*?\}|\\end ?\{[A-Za-z]+\*?\}"
    r"|\\mathbb ?(?:\{[A-Z]\}|[A-Z])|\\[A-Za-z]+|\\."
    r"|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]{1,3}(?![A-Za-z0-9.]))?"
    r"|[A-Za-z]{2,}|'+|\*\*|<=|>=|!=|==|->|\S"
)
_SIGNS = str.maketrans("", "", "¤£€¢°≈")  # the others that are read
_TIMES_TEN = re.compile(r"(?<=[0-9]) ?[xX] ?(?=10 ?(?:\^|\*\*))")

_GREEK = frozenset(
    r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa
    \lambda \mu \nu \xi \rho \sigma \tau \upsilon \phi \chi \psi \omega \Gamma
    \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega \ell \hbar
    \vartheta \varrho""".split()
)
_CONSTANTS = {
    r"\pi": "pi",
    "pi": "pi",
    "Pi": "pi",
    r"\infty": "oo",
    "infinity": "oo",
    "Infinity": "oo",
    "inf": "oo",
    "oo": "oo",
}
_GREEK_WORDS = {
    name[1:]: name
    for name in r"""\alpha \beta \gamma \delta \epsilon \theta \lambda \mu
    \rho \sigma \tau \phi \psi \omega""".split()
}
_FUNCTIONS = {
    name: name
    for name in """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec
    arccsc sinh cosh tanh coth sech csch arcsinh arccosh arctanh ln log exp det
    gcd lcm max min deg dim arg sgn sign erf Re Im tr rank floor ceil abs sqrt
    cbrt cis""".split()
} | {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "arsinh": "arcsinh",
    "arcosh": "arccosh",
    "artanh": "arctanh",
    "cosec": "csc",
    "tg": "tan",
    "ctg": "cot",
    "lg": "log",
    "sign": "sgn",
    "Abs": "abs",
    "ceiling": "ceil",
}
# What may take its argument without brackets.
_LOOSE = frozenset(_FUNCTIONS.values()) - {"max", "min", "gcd", "lcm", "abs"}
_INVERSE = {
    name: "arc" + name
    for name in "sin cos tan cot sec csc sinh cosh tanh".split()
}
_ALSO_UNITS = frozenset(("min", "deg", "sec"))
_CALLED = frozenset("fgh")
_DECORATIONS = frozenset(r"\bar \hat \vec \tilde \dot \ddot \widetilde".split())
RELATIONS = {
    "=": "=",
    "==": "=",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
    r"\le": "<=",
    r"\ge": ">=",
    r"\ne": "!=",
    r"\in": "in",
    r"\notin": "notin",
    r"\approx": "~",
    r"\sim": "~",
    r"\simeq": "~",
    r"\doteq": "~",
    "≈": "~",
    r"\equiv": "==",
    r"\to": "->",
    "->": "->",
    r"\subset": "subset",
    r"\subseteq": "subset",
    r"\propto": "propto",
    r"\cong": "cong",
    r"\perp": "perp",
    r"\parallel": "parallel",
}
_CONJUNCTIONS = {
    ",": ",",
    ";": ",",
    "or": "or",
    "and": "and",
    r"\vee": "or",
    r"\wedge": "and",
    "&": "and",
    r"\\": ",",
}
_SHORT_WORDS = frozenset(
    """an as at be but by can do for get has if is it let mod no not of so the
    to two we yes you am pm one its are was all any odd ten six per via set
    low out new old red top""".split()
)
_BINDING = {
    r"\choose": 1,
    r"\cup": 1,
    r"\cap": 1,
    r"\setminus": 1,
    "+": 2,
    "-": 2,
    r"\pm": 2,
    r"\mp": 2,
    "*": 3,
    "/": 3,
    r"\cdot": 3,
    r"\times": 3,
    r"\div": 3,
    r"\bmod": 3,
    "^": 5,
    "**": 5,
    "!": 6,
    "'": 6,
    "°": 6,
}
_SUM, _PRODUCT, _SIGN, _POWER = 2, 3, 3, 4
_CLOSING = {"(": ")]", "[": "])", "{": "}", r"\{": (r"\}",)}
_NAMED_SETS = {
    "R": (("-", ("v", "oo")), ("v", "oo")),
}
_MATRICES = frozenset(
    """matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix array smallmatrix
    aligned align gathered cases""".split()
)


def parse_answer(text: str) -> Tree:
    """The tree of an answer in normal form.

    Raises:
        NotParsed: outside the grammar or over a budget.
    """
    if len(text) > LENGTH:
        raise NotParsed(f"{len(text)} characters; at most {LENGTH} are read")
    return _parse(text)


def parse_grouped(text: str) -> Tree:
    """`parse_answer`, but with `1,234` as one number.

    Raises:
        NotParsed: as `parse_answer`.
    """
    return parse_answer(ungroup(text) if "," in text else text)


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Tree:
    if not text.isascii() and not text.translate(_SIGNS).isascii():
        raise NotParsed(f"characters outside ASCII: {ascii(text[:80])}")
    if "x" in text or "X" in text:
        text = _TIMES_TEN.sub(r"\\times ", text)
    try:
        return _Parser(text).answer()
    except IndexError as error:  # it looked beyond the last token
        raise NotParsed("the text ends too early") from error


class _Parser:
    """Precedence climbing (Pratt 1973)."""

    def __init__(self, text: str):
        self.tokens: list[str] = []
        self.starts: list[int] = []
        for match in _TOKEN.finditer(text):
            token = match.group()
            start = match.start()
            if len(token) > 1 and token.isalpha():
                self.word(token, start)
                continue
            if token.startswith(r"\text") and token[-1] == "}":
                token = r"\text{" + token[token.index("{") + 1 : -1].strip()
                inner = token[6:].strip(",; ").lower()
                if inner in ("or", "and"):
                    token = inner
                elif 1 < len(inner) < 4 and self.is_product(token[6:]):
                    self.tokens.extend(token[6:])
                    self.starts.extend([start] * len(inner))
                    continue
            self.tokens.append(token)
            self.starts.append(start)
        if len(self.tokens) > TOKENS:
            raise NotParsed(f"{len(self.tokens)} tokens; at most {TOKENS}")
        self.tokens.append("")
        self.starts.append(len(text))
        self.index = 0
        self.depth = 0
        self.bars = 0

    def is_product(self, word: str) -> bool:
        """Are letters in \\text multiplied, not a unit or a name?"""
        before = self.tokens[-1][-1] if self.tokens else ""
        return (
            word.isalpha()
            and word not in _FUNCTIONS
            and not units.is_known(word)
            and word.lower() not in _SHORT_WORDS
            and not (before.isdigit() or before in ")}")
        )

    def word(self, word: str, start: int) -> None:
        """A word of the text: a name of something, or letters multiplied."""
        lower = word.lower()
        word = _GREEK_WORDS.get(word, word)
        if (
            word[0] == "\\"
            or word in _FUNCTIONS
            or word in _CONSTANTS
            or word in units.PLAIN
            or lower in ("or", "and")
            or ((len(word) > 3 or word == "per") and self.tokens)
        ):
            self.tokens.append(lower if lower in ("or", "and") else word)
            self.starts.append(start)
            return
        if len(word) > 3 or lower in _SHORT_WORDS:
            if word.startswith(("sin", "cos", "tan", "ln", "log")):
                # sinx, lnx
                size = 2 if word.startswith("ln") else 3
                if len(word) - size <= 2:
                    self.tokens.append(word[:size])
                    self.tokens.extend(word[size:])
                    self.starts.extend(range(start, start + len(word)))
                    del self.starts[-(size - 1) :]
                    return
            raise NotParsed(f"a word: {word[:80]}")
        self.tokens.extend(word)
        self.starts.extend(range(start, start + len(word)))

    def refuse(self):
        token = self.tokens[min(self.index, len(self.tokens) - 1)]
        raise NotParsed(
            f"unexpected {token[:80]!r} as token {self.index + 1}"
            if token
            else "the text ends too early"
        )

    def deeper(self):
        self.depth += 1
        if self.depth > DEPTH:
            raise NotParsed(f"nested deeper than {DEPTH}")

    def answer(self) -> Tree:
        """Reads all tokens."""
        tree = self.items(("",))
        if self.tokens[self.index] == ":":  # x > 1: (1, 2)
            self.index += 1
            tree = ("same", tree, self.items(("",)))
        if self.tokens[self.index]:
            self.refuse()
        return tree

    # --- Lists and relations ------------------------------------------------

    def items(self, closing) -> Tree:
        """Reads items between separators, up to a token in `closing`."""
        tokens = self.tokens
        items: list[Tree] = []
        separators = set()
        while True:
            if tokens[self.index] not in closing:
                items.append(self.item())
            token = tokens[self.index]
            kind = _CONJUNCTIONS.get(token)
            if kind is None or token in closing:
                break
            while kind is not None:  # ", and"
                separators.add(kind)
                self.index += 1
                kind = _CONJUNCTIONS.get(tokens[self.index])
            if len(items) > ITEMS:
                raise NotParsed(f"more than {ITEMS} items")
        if len(items) == 1:
            return items[0]
        if not items:
            self.refuse()
        return ("list", tuple(items), frozenset(separators))

    def item(self) -> Tree:
        """Reads an expression with its unit, or a chain of relations."""
        left = self.quantity()
        if left[0] == "unit" and self.tokens[self.index][:1].isdigit():
            # 1 hour 30 minutes
            parts = (left, self.quantity())
            return ("list", parts, frozenset(("and",)))
        operator = RELATIONS.get(self.tokens[self.index])
        if operator is None:
            if self.tokens[self.index] == ":":
                return self.ratio(left)
            return self.remainder(left)
        operators, sides = [], [left]
        while operator is not None:
            self.index += 1
            operators.append(operator)
            sides.append(self.remainder(self.quantity()))
            operator = RELATIONS.get(self.tokens[self.index])
        if self.tokens[self.index] == "(" and operators[-1] == "==":
            self.refuse()
        return ("rel", tuple(operators), tuple(sides))

    def remainder(self, left: Tree) -> Tree:
        r"""`3 \pmod 7`, and 10 in its place."""
        if self.tokens[self.index] != r"\pmod":
            return left
        self.index += 1
        modulus = self.argument_number()
        if modulus[0] == left[0] == "n" and type(left[1]) is int:
            if type(modulus[1]) is int and modulus[1] > 0:
                left = ("n", left[1] % modulus[1], None)
        return ("f", "pmod", (left, modulus))

    def argument_number(self) -> Tree:
        token = self.tokens[self.index]
        if token.isdigit():
            self.index += 1
            return _literal(token)
        return self.argument()

    def ratio(self, left: Tree) -> Tree:
        """`a : b`; `x : x > 1` belongs to a set and is left alone."""
        mark = self.index
        self.index += 1
        if self.bars:
            self.index = mark
            return left
        right = self.quantity()
        tree = ("ratio", left, right)
        while self.tokens[self.index] == ":":
            self.index += 1
            tree = (*tree, self.quantity())
        return tree

    def quantity(self) -> Tree:
        tokens = self.tokens
        unit = units.NONE
        sign = ""
        if tokens[self.index] in (r"\approx", "≈", r"\sim"):
            self.index += 1
        if tokens[self.index] in ("-", "+") and tokens[self.index + 1] in "¤£€":
            sign = tokens[self.index]
            self.index += bool(tokens[self.index + 1])
        if tokens[self.index] in ("¤", "£", "€"):
            unit = units.single(tokens[self.index])
            self.index += 1
        elif sign:
            self.index -= 1
            sign = ""
        tree = self.expression(0)
        if sign == "-":
            tree = ("-", tree)
        if self.unit_follows():
            written = self.unit()
            if any(name == "%" for name, _ in written.powers):
                written = units.essential(written)
            if unit is units.NONE or not units.is_counted(written):
                # $5 dollars, $5 per hour
                unit = written if unit is units.NONE else unit
        elif tree[0] == "f" and tree[1] == "degrees":
            return ("unit", tree[2][0], units.single("°"))
        return tree if unit is units.NONE else ("unit", tree, unit)

    def unit_follows(self) -> bool:
        token = self.tokens[self.index]
        if token == "%" or token in ("¤", "£", "€", "¢"):
            return True
        if token.startswith(r"\text{"):
            return token[6:7].isalpha() or token[6:7] in "°%"
        if token in _ALSO_UNITS:
            return self.is_unit()
        if token in units.PLAIN or token == "per":
            return True
        return len(token) > 3 and token.isalpha()

    def unit(self) -> units.Unit:
        """Reads `cm^2`, `km/h`, `\\text{square feet}`, `N-m`."""
        tokens = self.tokens
        unit, sign, raised = units.NONE, 1, 0
        while True:
            token = tokens[self.index]
            self.index += 1
            if token.startswith(r"\text{"):
                names = token[6:].replace("/", " / ").replace("^", " ^ ")
                words = names.replace("-", " ").replace(".", " ").split()
            else:
                words = [token]
            last: units.Unit = units.NONE
            exponent = raised
            waiting = False
            for word in words:
                lower = word.lower()
                if lower in ("square", "sq"):
                    exponent = 2
                elif lower in ("cubic", "cu"):
                    exponent = 3
                elif lower in ("squared", "cubed") or waiting:
                    power = {"squared": 2, "cubed": 3, "2": 2, "3": 3}
                    if lower not in power:
                        self.refuse()
                    unit = units.times(unit, last, sign * (power[lower] - 1))
                    waiting = False
                elif word == "^":
                    waiting = True
                elif lower in ("per", "/"):
                    sign = -1
                elif lower in ("of", "a", "an", "the", "each"):
                    continue
                else:
                    last = units.single(word)
                    if words == [word] and last.powers == (("charge", 1),):
                        last = units.single("C")
                    unit = units.times(unit, last, sign * (exponent or 1))
                    exponent = 0
            raised = exponent
            if tokens[self.index] == "^":
                power = self.small_exponent()
                unit = units.times(unit, last, sign * (power - 1))
            following = tokens[self.index]
            if following in ("/", r"\cdot", "*", "-", "per"):
                self.index += 1
                sign = -1 if following in ("/", "per") else 1
                if not (
                    self.unit_follows()
                    or tokens[self.index] in units.LETTERS
                    or tokens[self.index] == "in"
                ):
                    self.refuse()
            elif not self.unit_follows():
                return unit

    def small_exponent(self) -> int:
        tokens = self.tokens
        self.index += 1
        if tokens[self.index] == "{":
            digits = tokens[self.index + 1]
            self.index += 2
            negative = digits == "-"
            if negative:
                digits = tokens[self.index]
                self.index += 1
            if tokens[self.index] != "}":
                self.refuse()
        else:
            digits, negative = tokens[self.index], False
        self.index += 1
        if digits not in ("1", "2", "3"):
            self.refuse()
        return -int(digits) if negative else int(digits)

    # --- Expressions --------------------------------------------------------

    def expression(self, minimum: int) -> Tree:
        """Reads operators that bind more tightly than `minimum`."""
        self.deeper()
        tokens = self.tokens
        left = self.prefix()
        divided = 0  # 1 after a/b, 2 after a literal a/b, then a space
        while True:
            token = tokens[self.index]
            binding = _BINDING.get(token)
            if binding is None:
                if minimum >= _PRODUCT or not self.is_factor(token):
                    break
                if divided == 1:
                    raise NotParsed("1/2x may be (1/2)x or 1/(2x)")
                left = ("*", left, self.expression(_PRODUCT))
                continue
            if binding <= minimum:
                break
            self.index += 1
            if binding == 6:
                left = self.postfix(token, left)
            elif binding == 5:
                left = self.power(left)
            elif token == r"\choose":
                left = ("f", "binomial", (left, self.expression(1)))
            elif binding == 1:
                kind = {r"\cup": "cup", r"\cap": "cap"}.get(token, "minus")
                left = (kind, left, self.expression(1))
            elif token in (r"\pm", r"\mp"):
                sign = "+" if token == r"\pm" else "-"
                left = ("pm", sign, left, self.expression(_SUM))
            else:
                right = self.expression(binding)
                if token == "+":
                    left = ("+", left, right)
                elif token == "-":
                    left = ("+", left, ("-", right))
                elif token == r"\bmod":
                    left = ("f", "mod", (left, right))
                elif token in ("/", r"\div"):
                    divided = self.division(left, right)
                    left = ("/", left, right)
                    continue
                elif left[0] == right[0] == "matrix":
                    left = ("f", "product", (left, right))
                elif left[0] == right[0] == "group":
                    left = ("f", "cross", (left, right))
                else:
                    left = ("*", left, right)
                divided = 0
        self.depth -= 1
        return left

    def division(self, left: Tree, right: Tree) -> int:
        """Does a factor behind `left/right` belong to the quotient?"""
        start = self.starts[self.index]
        before = self.starts[self.index - 1] + len(self.tokens[self.index - 1])
        if start > before and right[0] == "n":
            return 2
        # 1/(2)x is (1/2)x nowhere but x^2/(2) y is.
        return 1

    def power(self, base: Tree) -> Tree:
        token = self.tokens[self.index]
        if token == "{" and self.tokens[self.index + 1] == "}":
            self.index += 2
            return base
        if token == "{":
            self.index += 1
            exponent = self.grouped("}")
        else:
            # x^12 is x^1 2 in TeX, and x^{12} in what people mean.
            exponent = self.expression(_POWER)
        if exponent == ("v", "T") or exponent == ("v", r"\top"):
            return ("f", "transpose", (base,))
        return ("^", base, exponent)

    def postfix(self, token: str, left: Tree) -> Tree:
        if token == "!":
            double = self.tokens[self.index] == "!"
            self.index += double
            return ("f", "factorial2" if double else "factorial", (left,))
        if token == "°":
            left = self.minutes(left)
            if self.tokens[self.index] in ("C", "F"):
                # Celsius and Fahrenheit are names here, not sizes.
                self.index += 1
            return ("f", "degrees", (left,))
        if left[0] == "v":
            return ("v", left[1] + token)
        return ("f", "derivative" + token, (left,))

    def minutes(self, degrees: Tree) -> Tree:
        """Reads the rest of `63° 45' 36''`."""
        for mark, size in (("'", 60), ("''", 3600)):
            token = self.tokens[self.index]
            if (
                token[:1].isdigit()
                and self.tokens[self.index + 1] == mark
                and degrees[0] in ("n", "+")
            ):
                self.index += 2
                part = ("/", _literal(token), ("n", size, None))
                degrees = ("+", degrees, part)
        return degrees

    def is_factor(self, token: str) -> bool:
        """Can `token` begin a factor without a sign before it?"""
        if not token:
            return False
        first = token[0]
        if first.isalpha():
            if token in _ALSO_UNITS and self.is_unit():
                return False
            return len(token) == 1 or token in _FUNCTIONS or token in _CONSTANTS
        if first.isdigit():
            before = self.tokens[self.index - 1]
            if before == "}" and self.tokens[self.index + 1] == "^":
                return True  # \frac{3}{2}2^n
            end = self.starts[self.index - 1] + len(before)
            # ln(3) x 3^x, but not x2
            return self.starts[self.index] > end and (
                before.isalpha() or before == ")"
            )
        if first == "\\":
            return (
                token in _GREEK
                or token in _CONSTANTS
                or token[1:] in _FUNCTIONS
                or token in _DECORATIONS
                or token in _PREFIXES
                or (
                    token.startswith(r"\text{")
                    and (token[6:] in _FUNCTIONS or len(token) == 7)
                    and not self.after_number()
                )
                or token.startswith(r"\begin")
            )
        if first == "|":
            return not self.bars
        return first in "([" or (first == "{" and len(token) == 1)

    def is_unit(self) -> bool:
        """Is it the `sec` of `5 sec`, not of `5 sec x`?"""
        following = self.tokens[self.index + 1 : self.index + 2]
        return self.after_number() and (
            not following or following[0] in ("", ",", "/", "^", ";", "and")
        )

    def after_number(self) -> bool:
        """Is the token before this one the end of a number?"""
        before = self.tokens[self.index - 1] if self.index else ""
        return before[-1:].isdigit() or before in ("}", ")", r"\pi")

    def prefix(self) -> Tree:
        """Reads one operand with the signs before it."""
        tokens = self.tokens
        token = tokens[self.index]
        self.index += 1
        first = token[:1]
        if first.isdigit() or (first == "." and len(token) > 1):
            return self.number(token)
        if first.isalpha():
            if len(token) == 1:
                return self.variable(token)
            if token in _CONSTANTS:
                return ("v", _CONSTANTS[token])
            if token in _FUNCTIONS:
                return self.function(_FUNCTIONS[token])
        elif token == "-":
            return ("-", self.expression(_SIGN))
        elif token == "+":
            return self.expression(_SIGN)
        elif token in (r"\pm", r"\mp"):
            sign = "+" if token == r"\pm" else "-"
            return ("pm", sign, None, self.expression(_SUM))
        elif token in ("(", "["):
            return self.group(token)
        elif token == "{":
            return self.grouped("}")
        elif first == "\\":
            return self.command(token)
        elif token in ("|", "‖"):
            return self.between("|", "abs")
        self.index -= 1
        self.refuse()

    def number(self, token: str) -> Tree:
        following = self.tokens[self.index]
        if following == "_":
            return self.based(token)
        value = _literal(token)
        if following in (r"\bar", r"\dot") and "." in token:
            return self.repeating(token)
        if type(value[1]) is not int:
            return value
        if following == r"\frac":
            return self.mixed(value)
        if following.isdigit() and self.tokens[self.index + 1] == "/":
            below = self.tokens[self.index + 2]
            if below.isdigit() and int(following) < int(below[:20] or 0):
                self.index += 3
                fraction = ("/", _literal(following), _literal(below))
                return ("+", value, fraction)
        return value

    def repeating(self, token: str) -> Tree:
        r"""`0.1\overline{6}`."""
        self.index += 1
        if self.tokens[self.index] == "{":
            digits = self.tokens[self.index + 1]
            self.index += 2
            if self.tokens[self.index] != "}":
                self.refuse()
        else:
            digits = self.tokens[self.index]
        self.index += 1
        if not digits.isdigit() or len(digits) + len(token) > 64:
            self.refuse()
        whole, _, decimals = token.partition(".")
        head = Fraction(int(whole + decimals), 10 ** len(decimals))
        tail = Fraction(int(digits), 10 ** len(digits) - 1)
        return ("n", head + tail / 10 ** len(decimals), None)

    def based(self, digits: str) -> Tree:
        self.index += 1
        braced = self.tokens[self.index] == "{"
        self.index += braced
        base = self.tokens[self.index].removeprefix(r"\text{").lower()
        self.index += 1
        base = _BASES.get(base, base)
        if braced:
            if self.tokens[self.index] != "}":
                self.refuse()
            self.index += 1
        if not base.isdigit() or len(base) > 2 or not 2 <= int(base) <= 36:
            self.refuse()
        if not digits.isdigit() or len(digits) > DIGITS:
            self.refuse()
        if max(digits) >= chr(48 + min(int(base), 10)):
            self.refuse()
        return ("base", digits.lstrip("0") or "0", int(base))

    def mixed(self, whole: Tree) -> Tree:
        r"""`2\frac{1}{3}` is a mixed number, `2\frac{x}{3}` a product."""
        fraction = self.prefix()
        top, bottom = fraction[1], fraction[2]
        if (
            top[0] == bottom[0] == "n"
            and type(top[1]) is type(bottom[1]) is int
            and 0 < top[1] < bottom[1]
        ):
            return ("+", whole, fraction)
        return ("*", whole, fraction)

    def variable(self, name: str) -> Tree:
        tokens = self.tokens
        if tokens[self.index] == "_":
            name += self.subscript()
        if tokens[self.index][:1] == "'":
            name += tokens[self.index]
            self.index += 1
        if tokens[self.index] in ("(", "^"):
            name += self.called()
        if name == "C" and self.is_choice_of():
            numbers = tokens[self.index + 1], tokens[self.index + 3]
            self.index += 5
            return ("f", "binomial", tuple(map(_literal, numbers)))
        if name[0] in _CALLED and tokens[self.index] == "(":
            self.index += 1
            arguments = self.items((")",))
            self.close(")")
            return ("f", name, (arguments,))
        return ("v", name)

    def is_choice_of(self) -> bool:
        """Is it the `(10, 3)` of `C(10, 3)`?"""
        opening, top, comma, bottom, closing = (
            self.tokens[self.index : self.index + 5] + [""] * 5
        )[:5]
        return (
            (opening, comma, closing) == ("(", ",", ")")
            and top.isdigit()
            and bottom.isdigit()
        )

    def called(self) -> str:
        """The `(x)` of `y(x) =` and `f^{-1}(x) =`: a part of the name."""
        tokens = self.tokens
        start = end = self.index
        if tokens[start : start + 5] == ["^", "{", "-", "1", "}"]:
            end += 5
        if tokens[end] != "(":
            return ""
        end += 1
        while tokens[end].isalpha() or tokens[end] in _GREEK:
            end += 1
            if tokens[end] != ",":
                break
            end += 1
        if tokens[end] != ")" or tokens[end + 1] not in ("=", r"\approx"):
            return ""
        self.index = end + 1
        return "".join(tokens[start : end + 1])

    def subscript(self) -> str:
        """`_1`, `_{ij}`, `_{n+1}` as a part of a name."""
        self.index += 1
        token = self.tokens[self.index]
        self.index += 1
        if token != "{":
            return "_" + token.removeprefix(r"\text{")
        parts, depth = [], 1
        while depth and len(parts) < 16:
            token = self.tokens[self.index]
            self.index += 1
            if not token:
                self.index -= 1
                self.refuse()
            depth += (token == "{") - (token == "}")
            parts.append(token.removeprefix(r"\text{"))
        if depth:
            self.refuse()
        return "_" + "".join(parts[:-1])

    def close(self, closing: str) -> None:
        if self.tokens[self.index] != closing:
            self.refuse()
        self.index += 1

    def grouped(self, closing: str) -> Tree:
        """What stands in braces, or in brackets that are of no meaning."""
        bars, self.bars = self.bars, 0
        tree = self.items((closing,))
        self.bars = bars
        self.close(closing)
        return tree

    def group(self, opening: str) -> Tree:
        self.deeper()
        bars, self.bars = self.bars, 0
        tree = self.items(tuple(_CLOSING[opening]))
        self.bars = bars
        closing = self.tokens[self.index]
        if closing not in _CLOSING[opening] or not closing:
            self.refuse()
        self.index += 1
        self.depth -= 1
        if tree[0] == "list":
            return ("group", opening + closing, tree[1])
        if tree[0] == "unit" and tree[2] == units.single("°"):
            return ("f", "degrees", (tree[1],))
        if opening == "[" and closing == "]" and tree[0] == "rel":
            return ("group", "[]", (tree,))
        return tree

    def between(self, bar: str, name: str) -> Tree:
        self.deeper()
        self.bars += 1
        tree = self.expression(0)
        self.bars -= 1
        self.close(bar)
        self.depth -= 1
        if name == "abs" and tree[0] == "matrix":
            return _determinant(tree)
        return ("f", name, (tree,))

    def argument(self) -> Tree:
        r"""An argument in braces; or one digit, letter or command."""
        tokens = self.tokens
        token = tokens[self.index]
        if token == "{":
            self.index += 1
            self.deeper()
            tree = self.grouped("}")
            self.depth -= 1
            return tree
        if token.isdigit() and len(token) > 1:
            # \frac12: the argument is one digit and leaves the rest.
            tokens[self.index] = token[1:]
            return ("n", int(token[0]), None)
        if len(token) == 1 and token.isalpha():
            self.index += 1
            return ("v", token)
        self.deeper()
        tree = self.prefix()
        self.depth -= 1
        return tree

    # --- Commands -----------------------------------------------------------

    def command(self, token: str) -> Tree:
        read = _PREFIXES.get(token)
        if read is not None:
            self.deeper()
            tree = read(self)
            self.depth -= 1
            return tree
        if token in _CONSTANTS:
            return ("v", _CONSTANTS[token])
        if token in _GREEK:
            return self.variable(token)
        if token[1:] in _FUNCTIONS:
            return self.function(_FUNCTIONS[token[1:]])
        if token.startswith(r"\text{"):
            name = token[6:]
            if name in _FUNCTIONS:
                return self.function(_FUNCTIONS[name])
            if len(name) == 1 and name.isalpha():
                return self.variable(name)
        elif token.startswith(r"\begin") and token[-1] == "}":
            return self.matrix(token[token.index("{") + 1 : -1].rstrip("*"))
        elif token.startswith(r"\mathbb"):
            return self.named_set(token.rstrip("}")[-1])
        elif token in _DECORATIONS:
            inner = self.argument()
            return ("v", token[1:] + "(" + repr(inner) + ")")
        self.index -= 1
        self.refuse()

    def named_set(self, letter: str) -> Tree:
        if letter == "R" and self.tokens[self.index] not in ("^", "_"):
            return ("group", "()", _NAMED_SETS["R"])
        return ("v", "set " + letter)

    def fraction(self) -> Tree:
        return ("/", self.argument(), self.argument())

    def root(self) -> Tree:
        degree: Tree = ("n", 2, None)
        if self.tokens[self.index] == "[":
            self.index += 1
            degree = self.expression(0)
            self.close("]")
        return ("f", "root", (self.argument(), degree))

    def binomial(self) -> Tree:
        return ("f", "binomial", (self.argument(), self.argument()))

    def braces(self) -> Tree:
        tokens = self.tokens
        if tokens[self.index] == r"\}":
            self.index += 1
            return ("set", ())
        bars, self.bars = self.bars, 1
        tree = self.items((r"\}", "|", r"\mid", ":"))
        self.bars = bars
        if tokens[self.index] != r"\}":
            if not tokens[self.index]:
                self.refuse()
            self.index += 1
            condition = self.items((r"\}",))
            self.close(r"\}")
            return ("builder", tree, condition)
        self.index += 1
        return ("set", tree[1] if tree[0] == "list" else (tree,))

    def angle(self) -> Tree:
        tree = self.items((r"\rangle",))
        self.close(r"\rangle")
        if tree[0] == "list":
            return ("group", "<>", tree[1])
        return ("f", "inner", (tree,))

    def norm(self) -> Tree:
        return self.between(r"\|", "norm")

    def floor(self) -> Tree:
        tree = self.expression(0)
        self.close(r"\rfloor")
        return ("f", "floor", (tree,))

    def ceiling(self) -> Tree:
        tree = self.expression(0)
        self.close(r"\rceil")
        return ("f", "ceil", (tree,))

    def empty(self) -> Tree:
        return ("set", ())

    def dots(self) -> Tree:
        return ("v", "...")

    def total(self, name: str) -> Tree:
        r"""`\sum_{k=1}^{n} a_k`, with the body up to the next + or -."""
        bounds: dict[str, Tree] = {}
        for _ in range(2):
            token = self.tokens[self.index]
            if token not in ("_", "^") or token in bounds:
                break
            self.index += 1
            bounds[token] = self.argument()
        lower, upper = bounds.get("_"), bounds.get("^")
        if (
            lower is None
            or upper is None
            or lower[0] != "rel"
            or lower[1] != ("=",)
            or lower[2][0][0] != "v"
        ):
            self.refuse()
        body = self.expression(_SUM)
        return ("f", name, (lower[2][0], lower[2][1], upper, body))

    def add_up(self) -> Tree:
        return self.total("sum")

    def multiply_up(self) -> Tree:
        return self.total("prod")

    def function(self, name: str) -> Tree:
        r"""`\sin^2 2x`, `\log_2(x)`, `\sin(x) y`, `sqrt(2)`."""
        tokens = self.tokens
        base = exponent = None
        for _ in range(2):
            if tokens[self.index] == "_" and base is None:
                self.index += 1
                base = self.argument()
            elif tokens[self.index] in ("^", "**") and exponent is None:
                self.index += 1
                exponent = self.exponent()
        if tokens[self.index] == "(" or tokens[self.index] == "[":
            opening = tokens[self.index]
            self.index += 1
            argument = self.group(opening)
            if argument[0] == "group":
                arguments = argument[2]
            else:
                arguments = (argument,)
        elif tokens[self.index] == "{" and name in ("sqrt", "cbrt", "abs"):
            arguments = (self.argument(),)
        elif name in _LOOSE:
            arguments = (self.loose_argument(),)
        else:
            self.refuse()
        if name in ("sqrt", "cbrt"):
            degree = ("n", 2 if name == "sqrt" else 3, None)
            return ("f", "root", (arguments[0], degree))
        if name == "exp":
            tree = ("^", ("v", "e"), arguments[0])
        elif name == "log" and base is not None:
            tree = ("f", "log", (arguments[0], base))
        elif base is not None:
            tree = ("f", f"{name}_{base!r}", arguments)
        else:
            if exponent == ("-", ("n", 1, None)) and name in _INVERSE:
                name, exponent = _INVERSE[name], None
            tree = ("f", name, arguments)
        return tree if exponent is None else ("^", tree, exponent)

    def exponent(self) -> Tree:
        r"""The 2 of `\sin^2 x`; more in braces."""
        token = self.tokens[self.index]
        if token.isdigit():
            self.index += 1
            return _literal(token)
        if token == "-" and self.tokens[self.index + 1] == "1":
            self.index += 2
            return ("-", ("n", 1, None))
        return self.argument()

    def loose_argument(self) -> Tree:
        r"""Factors up to a sign, another function or a bracket."""
        self.deeper()
        tokens = self.tokens
        if tokens[self.index] in ("-", "+"):
            sign = tokens[self.index]
            self.index += 1
            inner = self.loose_argument()
            self.depth -= 1
            return ("-", inner) if sign == "-" else inner
        tree = self.expression(_POWER - 1)
        # A bracket of its own ends the argument: |x|, {x}, another function.
        ended = tree[0] == "f" and tree[1] not in (
            "root",
            "degrees",
            "factorial",
        )
        while not ended:
            token = tokens[self.index]
            if (
                not self.is_factor(token)
                or token in ("(", "[", "|", "{")
                or token in _FUNCTIONS
                or token[1:] in _FUNCTIONS
                or token.startswith(r"\begin")
            ):
                break
            if token == "d" and tokens[self.index + 1].isalpha():
                break
            tree = ("*", tree, self.expression(_POWER - 1))
        self.depth -= 1
        return tree

    def matrix(self, kind: str) -> Tree:
        if kind not in _MATRICES:
            self.refuse()
        tokens = self.tokens
        rows: list[tuple[Tree, ...]] = []
        row: list[Tree] = []
        ends = ("&", r"\\", rf"\end{{{kind}}}", rf"\end{{{kind}*}}")
        count = 0
        while True:
            if tokens[self.index] not in ends:
                row.append(self.item() if kind == "cases" else self.quantity())
            token = tokens[self.index]
            self.index += 1
            count += 1
            if count > ITEMS or token not in ends:
                self.index -= 1
                self.refuse()
            if token == "&":
                continue
            if row:
                rows.append(tuple(row))
            row = []
            if token != r"\\":
                break
        if not rows or len({len(row) for row in rows}) > 1:
            self.refuse()
        tree: Tree = ("matrix", tuple(rows))
        if kind in ("vmatrix", "Vmatrix"):
            return _determinant(tree)
        if kind in ("aligned", "align", "gathered", "cases"):
            if len(rows[0]) > 1:
                self.refuse()
            items = tuple(row[0] for row in rows)
            return ("list", items, frozenset((",",)))
        return tree


_PREFIXES = {
    r"\frac": _Parser.fraction,
    r"\sqrt": _Parser.root,
    r"\binom": _Parser.binomial,
    r"\{": _Parser.braces,
    r"\langle": _Parser.angle,
    r"\|": _Parser.norm,
    r"\lfloor": _Parser.floor,
    r"\lceil": _Parser.ceiling,
    r"\emptyset": _Parser.empty,
    r"\ldots": _Parser.dots,
    r"\sum": _Parser.add_up,
    r"\prod": _Parser.multiply_up,
}
_BASES = {
    name: str(number)
    for number, name in enumerate(
        """two three four five six seven eight nine ten eleven twelve thirteen
        fourteen fifteen sixteen""".split(),
        2,
    )
} | {"b": "", "o": ""}


def _determinant(matrix: Tree) -> Tree:
    """Written out for up to three rows."""
    rows = matrix[1]
    size = len(rows)
    if size != len(rows[0]) or not 2 <= size <= 3:
        return ("f", "det", (matrix,))
    total: Tree | None = None
    for column, item in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        inner = minor[0][0] if size == 2 else _determinant(("matrix", minor))
        term = ("*", item, inner)
        if column % 2:
            term = ("-", term)
        total = term if total is None else ("+", total, term)
    return total


def _literal(token: str) -> Tree:
    """A number as written, with how many decimals it has."""
    if len(token) > DIGITS:
        raise NotParsed(f"{len(token)} digits; at most {DIGITS} are read")
    if token.isdigit():
        return ("n", int(token), None)
    mantissa, _, exponent = token.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    value = Fraction(int((whole + decimals) or "0"), 10 ** len(decimals))
    if exponent:
        value *= Fraction(10) ** int(exponent)
        return ("n", value, None)
    if not decimals:
        return ("n", int(value), None)
    return ("n", value, len(decimals))
