r"""Identity of expressions by evaluation modulo a secret prime.

Variables and what is not rational become secret pseudo-random residues, and
two expressions are compared in one residue of 127 bits (Schwartz 1980, Zippel
1979): what is not identical as rational functions of degree d agrees by
chance with probability d / 2^126. The prime and the point are drawn anew in
every process, so that no text can be made for them. The prime is 1 modulo 4:
`i` is a square root of -1 there.
"""

from __future__ import annotations

import functools
import hashlib
import os
import random
from fractions import Fraction

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.primes import is_prime
from jaxlrm.verify.answers.syntax import Tree

BITS = 127
EXPONENT = 1 << 64  # of an integer power
FACTORS = 10_000  # of all factorials of an expression
ROUNDS = 24  # of the primality test: wrong with probability 4^-24


class Residue:
    """The residue of an expression, and whether it stands for it.

    Attributes:
        value: modulo the secret prime.
        opaque: there are functions in it that were not computed, so that
            unequal residues do not show unequal expressions.
    """

    __slots__ = ("opaque", "value")

    def __init__(self, value: int, opaque: bool):
        self.value = value
        self.opaque = opaque


def identical(one: Tree, other: Tree) -> bool | None:
    """Are two expressions identical? None where this cannot tell.

    Raises:
        NotParsed: a tree that is no expression.
        ZeroDivisionError: one of them divides by zero.
    """
    first, second = residue(one), residue(other)
    if first.value == second.value:
        return True
    return None if first.opaque or second.opaque else False


def proportional(one: Tree, other: Tree) -> bool | None:
    """Is one a nonzero constant times the other? None: cannot tell.

    Raises:
        NotParsed: a tree that is no expression.
        ZeroDivisionError: one of them divides by zero.
    """
    a, b = residue(one), residue(other)
    c, d = residue(one, 1), residue(other, 1)
    if not (a.value and b.value and c.value and d.value):
        return None
    if (a.value * d.value - b.value * c.value) % _secret().prime == 0:
        return True
    return None if a.opaque or b.opaque else False


def residue(tree: Tree, point: int = 0) -> Residue:
    """The residue of an expression at a secret point.

    Raises:
        NotParsed: the tree is no expression.
        ZeroDivisionError: it divides by zero.
    """
    value, opaque = _residue(tree, point)
    return Residue(value, opaque)


@functools.lru_cache(maxsize=4096)
def _residue(tree: Tree, point: int) -> tuple[int, bool]:
    evaluation = _Evaluation(_secret(), point)
    return evaluation.value(tree), evaluation.opaque


class _Secret:
    def __init__(self):
        self.key = os.urandom(32)
        source = random.SystemRandom()
        while True:
            prime = source.getrandbits(BITS) | 1 << (BITS - 1)
            prime = prime & ~3 | 1
            bases = (source.randrange(2, prime - 1) for _ in range(ROUNDS))
            if is_prime(prime, bases):
                break
        self.prime = prime
        while True:
            root = pow(source.randrange(2, prime), (prime - 1) // 4, prime)
            if root * root % prime == prime - 1:
                break
        self.imaginary = root


@functools.lru_cache(maxsize=1)
def _secret_of(process: int) -> _Secret:
    return _Secret()


def _secret() -> _Secret:
    return _secret_of(0)


class _Evaluation:
    __slots__ = ("factors", "key", "opaque", "point", "prime", "root")

    def __init__(self, secret: _Secret, point: int):
        self.prime = secret.prime
        self.root = secret.imaginary
        self.key = secret.key
        self.point = point
        self.opaque = False
        self.factors = FACTORS

    def value(self, tree: Tree) -> int:
        kind = tree[0]
        if kind == "n":
            number = tree[1]
            if type(number) is int:
                return number % self.prime
            return self.quotient(number.numerator, number.denominator)
        if kind == "v":
            if tree[1] == "i":
                return self.root
            return _named(self.key, self.prime, tree[1], self.point)
        if kind == "+":
            return (self.value(tree[1]) + self.value(tree[2])) % self.prime
        if kind == "*":
            return self.value(tree[1]) * self.value(tree[2]) % self.prime
        if kind == "-":
            return -self.value(tree[1]) % self.prime
        if kind == "/":
            return self.quotient(self.value(tree[1]), self.value(tree[2]))
        if kind == "^":
            return self.power(tree[1], tree[2])
        if kind == "f":
            return self.function(tree[1], tree[2])
        raise NotParsed(f"no expression: {kind}")

    def quotient(self, top: int, bottom: int) -> int:
        if bottom % self.prime == 0:
            raise ZeroDivisionError("division by zero")
        return top * pow(bottom, -1, self.prime) % self.prime

    def power(self, base: Tree, exponent: Tree) -> int:
        size = _integer(exponent)
        if size is None or abs(size) > EXPONENT:
            if exponent[0] == "/" and exponent[1] == ("n", 1, None):
                return self.function("root", (base, exponent[2]))
            value = self.value(exponent)
            if value == 0:
                return 1
            if value == 1:
                return self.value(base)
            return self.opaque_value("^", [self.value(base), value])
        value = self.value(base)
        if size <= 0 and value == 0:
            raise ZeroDivisionError("a power of zero")
        return pow(value, size, self.prime)

    def function(self, name: str, arguments: tuple[Tree, ...]) -> int:
        if name in ("sum", "prod"):
            values = [self.value(part) for part in arguments[1:]]
            # The bound variable is a part of what is computed.
            return self.opaque_value(name, [self.value(arguments[0]), *values])
        if name == "factorial" and arguments[0][0] == "n":
            number = arguments[0][1]
            if type(number) is int and number <= self.factors:
                self.factors -= number
                return _factorial(number, self.prime)
        return self.opaque_value(name, [self.value(a) for a in arguments])

    def opaque_value(self, name: str, values: list[int]) -> int:
        self.opaque = True
        text = name + " " + " ".join(map(str, values))
        digest = hashlib.blake2b(
            text.encode(), key=self.key, digest_size=16
        ).digest()
        return int.from_bytes(digest, "big") % self.prime


def _factorial(number: int, prime: int) -> int:
    result = 1
    for factor in range(2, number + 1):
        result = result * factor % prime
    return result


@functools.lru_cache(maxsize=4096)
def _named(key: bytes, prime: int, name: str, point: int) -> int:
    """The residue of a variable; of `e` and `pi` the same at every point."""
    if name in ("e", "pi", "oo"):
        point = 0
    text = f"{point} {name}".encode()
    digest = hashlib.blake2b(text, key=key, digest_size=20).digest()
    return int.from_bytes(digest, "big") % prime


def _integer(tree: Tree) -> int | None:
    if tree[0] == "n":
        number = tree[1]
        if type(number) is Fraction:
            return int(number) if number.denominator == 1 else None
        return number
    if tree[0] == "-":
        inner = _integer(tree[1])
        return None if inner is None else -inner
    return None
