"""The grammar: lists, relations, quantities, expressions, brackets."""

from __future__ import annotations

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax.commands import PREFIXES, read_command
from jaxlrm.verify.answers.syntax.cursor import ITEMS, Reader
from jaxlrm.verify.answers.syntax.functions import read_function
from jaxlrm.verify.answers.syntax.names import (
    ALSO_UNITS,
    BINDING,
    CONJUNCTIONS,
    CONSTANTS,
    DECORATIONS,
    FUNCTIONS,
    GREEK,
    POWER,
    PRODUCT,
    RELATIONS,
    SIGN,
    SUM,
    UNITLESS,
)
from jaxlrm.verify.answers.syntax.nodes import (
    Tree,
    determinant,
    literal,
    power_of_ten,
)
from jaxlrm.verify.answers.syntax.numbers import add_minutes, read_number
from jaxlrm.verify.answers.syntax.quantities import (
    is_per,
    is_rate,
    read_unit,
    unit_follows,
)
from jaxlrm.verify.answers.syntax.variables import read_variable

_CLOSING = {"(": ")]", "[": "])", "{": "}", r"\{": (r"\}",)}


class Parser(Reader):
    """Precedence climbing (Pratt 1973)."""

    def answer(self) -> Tree:
        """Reads all tokens."""
        tree = self.items(("",))
        if self.tokens[self.index] == ":":  # x > 1: (1, 2)
            self.index += 1
            tree = ("same", tree, self.items(("",)))
        if self.tokens[self.index]:
            self.refuse()
        return tree

    def items(self, closing) -> Tree:
        """Reads items between separators, up to a token in `closing`."""
        tokens = self.tokens
        items: list[Tree] = []
        separators = set()
        while True:
            if tokens[self.index] not in closing:
                items.append(self.item())
            token = tokens[self.index]
            kind = CONJUNCTIONS.get(token)
            if kind is None or token in closing:
                break
            while kind is not None:  # ", and"
                separators.add(kind)
                self.index += 1
                kind = CONJUNCTIONS.get(tokens[self.index])
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
        """Reads a whole number, or an argument."""
        token = self.tokens[self.index]
        if token.isdigit():
            self.index += 1
            return literal(token)
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
        """Reads an expression with its unit or currency."""
        tokens = self.tokens
        unit = units.NONE
        sign = ""
        if tokens[self.index] in (r"\approx", "≈", r"\sim"):
            self.index += 1
        if (
            tokens[self.index] in ("-", "+")
            and tokens[self.index + 1] in units.CURRENCIES
        ):
            sign = tokens[self.index]
            self.index += 1
        if tokens[self.index] in units.CURRENCIES:
            unit = units.single(tokens[self.index])
            self.index += 1
        tree = self.expression(0)
        if sign == "-":
            tree = ("-", tree)
        if tree[0] == "unit":
            return tree  # 25 °C
        if unit_follows(self):
            written, multiple = read_unit(self)
            if multiple != 1:
                tree = ("*", tree, power_of_ten(multiple))
            written = units.without_degrees(written)
            if unit is units.NONE:
                unit = written
            elif (
                written.powers and max(power for _, power in written.powers) < 0
            ):
                unit = units.rate(unit, units.times(unit, written))
        elif tree[0] == "f" and tree[1] == "degrees":
            return ("unit", tree[2][0], units.single("°"))
        return tree if unit is units.NONE else ("unit", tree, unit)

    def expression(self, minimum: int) -> Tree:
        """Reads operators that bind more tightly than `minimum`."""
        self.deeper()
        tokens = self.tokens
        left = self.prefix()
        divided = 0  # 1 after a/b, 2 after a literal a/b, then a space
        while True:
            token = tokens[self.index]
            binding = BINDING.get(token)
            if binding is None:
                if minimum >= PRODUCT or not self.is_factor(token):
                    break
                if divided == 1:
                    raise NotParsed("1/2x may be (1/2)x or 1/(2x)")
                left = ("*", left, self.expression(PRODUCT))
                continue
            if binding <= minimum:
                break
            if token == "/" and is_per(self):
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
                left = ("pm", sign, left, self.expression(SUM))
            else:
                right = self.expression(binding)
                if token == "+":
                    left = ("+", left, right)
                elif token == "-" and right[0] == "set":
                    left = ("minus", left, right)
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
        """Reads the exponent of a base."""
        token = self.tokens[self.index]
        if token == "{" and self.tokens[self.index + 1] == "}":
            self.index += 2
            return base
        if token == "{":
            self.index += 1
            exponent = self.grouped("}")
        else:
            # x^12 is x^1 2 in TeX, and x^{12} in what people mean.
            exponent = self.expression(POWER)
        if exponent == ("v", "T") or exponent == ("v", r"\top"):
            return ("f", "transpose", (base,))
        return ("^", base, exponent)

    def postfix(self, token: str, left: Tree) -> Tree:
        """Reads what a factorial, degree sign or prime goes on with."""
        if token == "!":
            double = self.tokens[self.index] == "!"
            self.index += double
            return ("f", "factorial2" if double else "factorial", (left,))
        if token == "°":
            left = add_minutes(self, left)
            scale = units.SCALES.get(self.tokens[self.index])
            if scale:
                self.index += 1
                return ("unit", left, scale)
            return ("f", "degrees", (left,))
        if left[0] == "v":
            return ("v", left[1] + token)
        return ("f", "derivative" + token, (left,))

    def is_factor(self, token: str) -> bool:
        """Can `token` begin a factor without a sign before it?"""
        if not token:
            return False
        first = token[0]
        if first.isalpha():
            if token in ALSO_UNITS and self.is_unit():
                return False
            if token in units.LETTERS and is_rate(self):
                return False
            return len(token) == 1 or token in FUNCTIONS or token in CONSTANTS
        if first.isdigit():
            before = self.tokens[self.index - 1]
            if before == "}" and self.tokens[self.index + 1] == "^":
                return True  # \frac{3}{2}2^n
            if before == "!":
                return True  # 3!2!
            end = self.starts[self.index - 1] + len(before)
            # ln(3) x 3^x, but not x2
            return self.starts[self.index] > end and (
                before.isalpha() or before == ")"
            )
        if first == "\\":
            return (
                token in GREEK
                or token in CONSTANTS
                or token[1:] in FUNCTIONS
                or token in DECORATIONS
                or token in PREFIXES
                or (
                    token.startswith(r"\text{")
                    and (token[6:] in FUNCTIONS or len(token) == 7)
                    and (token[6:] in UNITLESS or not self.after_number())
                )
                or token.startswith(r"\begin")
            )
        if first == "|":
            return not self.bars
        if first == "{" and len(token) == 1:
            # TeX sets {5}{6} as 56.
            following = self.tokens[self.index + 1 : self.index + 3]
            braced = following[0][:1].isdigit() and following[-1] == "}"
            return not braced
        return first in "(["

    def prefix(self) -> Tree:
        """Reads one operand with the signs before it."""
        tokens = self.tokens
        token = tokens[self.index]
        self.index += 1
        first = token[:1]
        if first.isdigit() or (first == "." and len(token) > 1):
            return read_number(self, token)
        if first.isalpha():
            if len(token) == 1:
                return read_variable(self, token)
            if token in CONSTANTS:
                return ("v", CONSTANTS[token])
            if token in FUNCTIONS:
                return read_function(self, FUNCTIONS[token])
        elif token == "-":
            return ("-", self.expression(SIGN))
        elif token == "+":
            return self.expression(SIGN)
        elif token in (r"\pm", r"\mp"):
            sign = "+" if token == r"\pm" else "-"
            return ("pm", sign, None, self.expression(SUM))
        elif token in ("(", "["):
            return self.group(token)
        elif token == "{":
            return self.grouped("}")
        elif first == "\\":
            return read_command(self, token)
        elif token in ("|", "‖"):
            return self.between("|", "abs")
        self.index -= 1
        self.refuse()

    def grouped(self, closing: str) -> Tree:
        """What stands in braces, or in brackets that are of no meaning."""
        bars, self.bars = self.bars, 0
        tree = self.items((closing,))
        self.bars = bars
        self.close(closing)
        return tree

    def group(self, opening: str) -> Tree:
        """Reads what stands behind a bracket, and the closing bracket."""
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
        """Reads what stands behind a bar, and the closing bar."""
        self.deeper()
        self.bars += 1
        tree = self.expression(0)
        self.bars -= 1
        self.close(bar)
        self.depth -= 1
        if name == "abs" and tree[0] == "matrix":
            return determinant(tree)
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
