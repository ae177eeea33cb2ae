"""What words, commands and signs mean, and how tightly operators bind."""

from __future__ import annotations

GREEK = frozenset(
    r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa
    \lambda \mu \nu \xi \rho \sigma \tau \upsilon \phi \chi \psi \omega \Gamma
    \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega \ell \hbar
    \vartheta \varrho""".split()
)
CONSTANTS = {
    r"\pi": "pi",
    "pi": "pi",
    "Pi": "pi",
    r"\infty": "oo",
    "infinity": "oo",
    "Infinity": "oo",
    "inf": "oo",
    "oo": "oo",
}
GREEK_WORDS = {
    name[1:]: name
    for name in r"""\alpha \beta \gamma \delta \epsilon \theta \lambda \mu
    \rho \sigma \tau \phi \psi \omega""".split()
}
FUNCTIONS = {
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
LOOSE = frozenset(FUNCTIONS.values()) - {"max", "min", "gcd", "lcm", "abs"}
INVERSE = {
    name: "arc" + name
    for name in "sin cos tan cot sec csc sinh cosh tanh".split()
}
ALSO_UNITS = frozenset(("min", "deg", "sec"))
UNITLESS = frozenset(FUNCTIONS) - ALSO_UNITS
# Their arguments have no order.
SYMMETRIC = frozenset(("max", "min", "gcd", "lcm"))
CALLED = frozenset("fgh")
DECORATIONS = frozenset(r"\bar \hat \vec \tilde \dot \ddot \widetilde".split())
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
CONJUNCTIONS = {
    ",": ",",
    ";": ",",
    "or": "or",
    "and": "and",
    r"\vee": "or",
    r"\wedge": "and",
    "&": "and",
    r"\\": ",",
}
SHORT_WORDS = frozenset(
    """an as at be but by can do for get has if is it let mod no not of so the
    to two we yes you am pm one its are was all any odd ten six per via set
    low out new old red top""".split()
)
# Numbers that are written as words below the digits of another one.
BASES = {
    name: str(number)
    for number, name in enumerate(
        """two three four five six seven eight nine ten eleven twelve thirteen
        fourteen fifteen sixteen""".split(),
        2,
    )
}
BINDING = {
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
SUM, PRODUCT, SIGN, POWER = 2, 3, 3, 4
