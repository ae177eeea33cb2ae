r"""Are two answers the same? Text, words, then trees taken apart.

Lists, tuples, intervals and other containers are compared part by part; each
pair of values goes to a `Judge` with its tiers.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxlrm.verify import balls, phrases
from jaxlrm.verify.exact import LENGTH, NotParsed, ungroup
from jaxlrm.verify.normal import normal_form, squeeze
from jaxlrm.verify.regions import Region, is_written_as_region, region
from jaxlrm.verify.scalars import Judge, renamed
from jaxlrm.verify.syntax import Tree, parse_answer
from jaxlrm.verify.verdict import Verdict, combine

# Budgets, beside those of `syntax`.
NESTING = 5  # of containers
PAIRS = 1200  # of values, for lists of lists


# --- Text -------------------------------------------------------------------


def decide(prediction: str, gold: str, judge: Judge) -> Verdict:
    """The verdict on `prediction`; its policies are those of `maths.compare`.

    Returns:
        VALID or INVALID where shown, else UNKNOWN.
    """
    form, right = normal_form(prediction), normal_form(gold)
    if not right:
        return Verdict.UNKNOWN
    if not form:
        return Verdict.INVALID
    if form == right:
        return Verdict.VALID
    if (
        (form + right).isascii()
        and form.isdecimal()
        and right.isdecimal()
        and len(form) < LENGTH
    ):
        return _same(form.lstrip("0") == right.lstrip("0"))
    if squeeze(form) == squeeze(right):
        return Verdict.VALID
    if len(form) > LENGTH or len(right) > LENGTH:
        return Verdict.UNKNOWN
    verdict = _compare_phrases(form, right)
    if verdict is not None:
        return verdict
    try:
        verdict = _compare_readings(form, right, judge)
        if verdict is Verdict.UNKNOWN and ("=" in form or "=" in right):
            return _compare_labelled(form, right, judge)
        return verdict
    except RecursionError:
        return Verdict.UNKNOWN


def _compare_labelled(form: str, right: str, judge: Judge) -> Verdict:
    """`AB = 5` and 5."""
    name, value = phrases.label(form)
    gold_name, gold_value = phrases.label(right)
    if not name and not gold_name:
        return Verdict.UNKNOWN
    if name and gold_name and squeeze(name) != squeeze(gold_name):
        return Verdict.UNKNOWN
    if "=" in value or "=" in gold_value:
        return Verdict.UNKNOWN
    return _compare_readings(value, gold_value, judge)


def _same(same: bool) -> Verdict:
    return Verdict.VALID if same else Verdict.INVALID


def _compare_phrases(form: str, right: str) -> Verdict | None:
    """Answers in words; None where they are mathematics."""
    if not any(c.isalpha() or c == ":" for c in right):
        if right.count("-") != 2:  # 2020-03-05
            return None
    gold_choice = phrases.choice(right)
    if gold_choice:
        answer = phrases.choice(form)
        if answer and not (answer[1] and gold_choice[1]):
            return _same(answer[0] == gold_choice[0])
    one, other = phrases.letters(form), phrases.letters(right)
    if one and other and ("," in form + right or " " in form + right):
        return _same(one == other)
    one, other = phrases.canonical(form), phrases.canonical(right)
    if one and other:
        return _same(one == other)
    if any(c.isdigit() for c in right):
        one, other = phrases.moment(form), phrases.moment(right)
        if one and other:
            return _same(one == other)
        times = phrases.clock(form), phrases.clock(right)
        if all(times):
            # Where 2:30 is a ratio, another one may be equal.
            return _same(True) if times[0] == times[1] else Verdict.UNKNOWN
        one, other = one or times[0], other or times[1]
        return _same(one == other) if one and other else None
    if phrases.plain(form) == phrases.plain(right) and len(form) > 1:
        return Verdict.VALID
    if len(right) > 3:
        one, other = phrases.words(form), phrases.words(right)
        if one and one == other:
            return Verdict.VALID
    return None


# --- Readings ---------------------------------------------------------------


def _compare_readings(form: str, right: str, judge: Judge) -> Verdict:
    judge.reach("containers")
    golds = _readings(right)
    if not golds:
        return Verdict.UNKNOWN
    answers = _readings(form)
    verdicts = set()
    for gold in golds:
        for answer in answers:
            verdict = _Comparer(judge).compare(answer, gold, NESTING)
            if verdict is Verdict.VALID:
                return verdict
            verdicts.add(verdict)
    return verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN


def _readings(text: str) -> list[Tree]:
    """`1,234` is a number or a list of two."""
    texts = [text]
    worded = "=" not in text or "except" in text
    worded = worded and any(c.isalpha() for c in text)
    formula = phrases.as_formula(text) if worded else None
    if formula:
        texts = [formula]
    elif "," in text:
        grouped = ungroup(text)
        if grouped != text:
            texts = [grouped, text]
    elif " " in text and text.replace(" ", "").isdecimal():
        first, *rest = text.split(" ")
        if len(first) < 4 and all(len(part) == 3 for part in rest):
            texts = [text.replace(" ", "")]
    trees = []
    for reading in texts:
        try:
            trees.append(parse_answer(reading))
        except NotParsed:
            continue
    return trees


# --- Trees ------------------------------------------------------------------


class _Comparer:
    """Compares trees; counts the pairs of values it has looked at."""

    def __init__(self, judge: Judge):
        self.judge = judge
        self.pairs = 0

    def compare(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        self.pairs += 1
        if answer == gold:
            return Verdict.VALID
        if nesting < 0 or self.pairs > PAIRS:
            return Verdict.UNKNOWN
        if gold[0] == "same":
            verdicts = {self.compare(answer, g, nesting) for g in gold[1:]}
            return _any(verdicts)
        if answer[0] == "same":
            return combine(self.compare(a, gold, nesting) for a in answer[1:])
        answer, gold = _simplified(answer), _simplified(gold)
        if is_written_as_region(answer) or is_written_as_region(gold):
            verdict = self.regions(answer, gold, nesting)
            if verdict is not None:
                return verdict
        if "rel" in (answer[0], gold[0]):
            if "list" not in (answer[0], gold[0]):
                return self.relations(answer, gold, nesting)
        kinds = {answer[0], gold[0]}
        if kinds & {"list", "set"}:
            return self.lists(answer, gold, nesting)
        if kinds & {"group", "matrix"}:
            return self.tuples(answer, gold, nesting)
        if kinds & {"builder", "cup", "cap", "minus"}:
            return Verdict.UNKNOWN
        return self.judge.quantities(answer, gold)

    # --- Relations ----------------------------------------------------------

    def relations(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        name, values = _assignment(answer)
        gold_name, golds = _assignment(gold)
        if name and gold_name:
            if _base_name(name) != _base_name(gold_name):
                # x = 5y and y = x/5 are the same line.
                if answer[1] == gold[1] == ("=",):
                    return self.equations(answer, gold)
                return Verdict.INVALID
            return self.chains(values, golds, nesting)
        if gold_name and answer[0] != "rel":
            return self.chains([(answer, True)], golds, nesting)
        if name and gold[0] != "rel":
            return self.chains(values, [(gold, True)], nesting)
        if gold[0] == "rel" and answer[0] == "rel":
            if gold_name and not _unknowns(golds[0][0]):
                verdict = self.equations(answer, gold)
                # An equation that is not solved answers no solved one.
                if verdict is Verdict.VALID and not _is_swapped(answer, gold):
                    return Verdict.INVALID
                return verdict
            if set(answer[1]) <= {"="} and set(gold[1]) <= {"="}:
                return self.equations(answer, gold)
            return self.inequalities(answer, gold)
        if gold[0] == "rel":
            # 7 for 3 + 4 = 7: the end of a chain without unknowns.
            operators, sides = gold[1], gold[2]
            if operators[-1] == "~" and set(operators[:-1]) <= {"="}:
                return _any(
                    {self.compare(answer, side, nesting - 1) for side in sides}
                )
            if set(operators) <= {"="}:
                return self.chain_end(answer, sides, nesting)
            return Verdict.UNKNOWN
        operators, sides = answer[1], answer[2]
        if set(operators) <= {"=", "~"} and gold[0] != "rel":
            chain = [(sides[0], True)]
            chain += [
                (side, operator == "=")
                for operator, side in zip(operators, sides[1:], strict=True)
            ]
            verdict = self.chains(chain, [(gold, True)], nesting)
            if verdict is Verdict.VALID or not balls.names(answer):
                return verdict
            return self.unsolved(gold)
        return Verdict.UNKNOWN

    def unsolved(self, gold: Tree) -> Verdict:
        """An equation where a value is asked for."""
        return Verdict.UNKNOWN

    def chain_end(self, answer: Tree, sides, nesting: int) -> Verdict:
        verdict = self.compare(answer, sides[-1], nesting - 1)
        if verdict is Verdict.VALID:
            first = self.compare(sides[0], sides[-1], nesting - 1)
            return verdict if first is Verdict.VALID else Verdict.UNKNOWN
        return Verdict.UNKNOWN

    def chains(self, values, golds, nesting: int) -> Verdict:
        """`x = 10/2 = 5`: all values of the answer, any of the gold.

        What stands after an "approximately" in the answer must be near.
        """
        exact = [value for value, is_exact in values if is_exact]
        verdicts = []
        for value in exact or [value for value, _ in values]:
            found = set()
            for right, _ in golds:
                found.add(self.compare(value, right, nesting - 1))
                if Verdict.VALID in found:
                    break
            verdicts.append(_any(found))
        verdict = combine(verdicts)
        rounded = [value for value, is_exact in values if not is_exact]
        if verdict is Verdict.VALID and exact and rounded:
            near = (self.judge.is_near(part, exact[0]) for part in rounded)
            return Verdict.INVALID if False in near else verdict
        return verdict

    def equations(self, answer: Tree, gold: Tree) -> Verdict:
        operators, sides = answer[1], answer[2]
        right_operators, right_sides = gold[1], gold[2]
        if operators != ("=",) or right_operators != ("=",):
            if operators == right_operators:
                return self.sides(sides, right_sides)
            return Verdict.UNKNOWN
        if any(side[0] not in _PLAIN for side in (*sides, *right_sides)):
            return self.sides(sides, right_sides)
        one, other = _difference(sides), _difference(right_sides)
        if not (_unknowns(one) and _unknowns(other)):
            return combine(
                self.compare(side, right, 1)
                for side, right in zip(sides, right_sides, strict=True)
            )
        return self.judge.equations(one, other)

    def sides(self, sides, right_sides) -> Verdict:
        verdict = combine(
            self.compare(one, other, 1)
            for one, other in zip(sides, right_sides, strict=True)
        )
        return verdict if verdict is Verdict.VALID else Verdict.UNKNOWN

    def inequalities(self, answer: Tree, gold: Tree) -> Verdict:
        """`y > 2x` and `2x - y < 0`."""
        answer, gold = _ascending(answer), _ascending(gold)
        one, other = _oriented(answer), _oriented(gold)
        if one is None or other is None:
            if answer[1] == gold[1]:
                return self.sides(answer[2], gold[2])
            return Verdict.UNKNOWN
        if one[0] != other[0]:
            return Verdict.INVALID
        verdict = self.judge.equations(one[1], other[1])
        if verdict is not Verdict.VALID:
            return verdict
        try:
            positive = balls.same_sign(one[1], other[1])
        except (NotParsed, ZeroDivisionError):
            return Verdict.UNKNOWN
        if positive is None:
            return Verdict.UNKNOWN
        return _same(positive)

    # --- Sets of numbers ----------------------------------------------------

    def regions(self, answer: Tree, gold: Tree, nesting: int) -> Verdict | None:
        one, other = region(_numbers(answer)), region(_numbers(gold))
        if one is None or other is None:
            return None
        if one.name and other.name and one.name != other.name:
            return Verdict.INVALID
        return self.pieces(one, other, nesting)

    def pieces(self, one: Region, other: Region, nesting: int) -> Verdict:
        if len(one.pieces) != len(other.pieces):
            return Verdict.INVALID
        verdicts = []
        for a, b in zip(one.pieces, other.pieces, strict=True):
            shapes = (a.low_closed, a.high_closed)
            if shapes != (b.low_closed, b.high_closed):
                return Verdict.INVALID
            verdicts.append(self.compare(a.low, b.low, nesting - 1))
            verdicts.append(self.compare(a.high, b.high, nesting - 1))
        return combine(verdicts)

    # --- Containers ---------------------------------------------------------

    def lists(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        """Unordered lists and sets, as multisets."""
        golds, answers = _items(gold), _items(answer)
        others = answers if gold[0] == "group" else golds
        # A tuple and a list of tuples are two lists.
        if "group" in (gold[0], answer[0]):
            if not any(item[0] == "group" for item in others):
                return self.assignments(answer, gold, nesting)
        answers, golds = _unpacked(answers), _unpacked(golds)
        if _is_system(answers) and _is_system(golds):
            answers, golds = _solved(answers), _solved(golds)
        if len(answers) != len(golds):
            if gold[0] == "set" or answer[0] == "set":
                answers, golds = self.distinct(answers), self.distinct(golds)
            if len(answers) != len(golds):
                return self.one_answer(answer, answers, golds, nesting)
        return self.match(answers, golds, nesting - 1)

    def one_answer(self, answer: Tree, answers, golds, nesting: int) -> Verdict:
        """`3/5 or 60%` is one answer, `5 or 6` is not."""
        if len(golds) != 1 or answer[0] != "list" or answer[2] != {"or"}:
            return Verdict.INVALID
        verdicts = {self.compare(a, golds[0], nesting - 1) for a in answers}
        return _same(verdicts == {Verdict.VALID})

    def distinct(self, items: list[Tree]) -> list[Tree]:
        kept: list[Tree] = []
        for item in items[:32]:
            if not any(
                self.compare(item, other, 1) is Verdict.VALID for other in kept
            ):
                kept.append(item)
        return kept

    def assignments(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        """`x = 1, y = 2` against `(1, 2)`; lists against tuples."""
        group, other = (gold, answer) if gold[0] == "group" else (answer, gold)
        items = _items(other)
        if not _is_system(items):
            if len(items) != len(group[2]):
                return Verdict.INVALID
            # Whether 1, 2 was meant as (1, 2) is not known.
            verdict = combine(
                self.compare(a, g, nesting - 1)
                for a, g in zip(items, group[2], strict=True)
            )
            return (
                Verdict.UNKNOWN
                if verdict is Verdict.VALID or other[0] == "list"
                else Verdict.INVALID
            )
        items = _solved(items)
        named = sorted((_assignment(item)[0], item) for item in items)
        if len(named) != len(group[2]):
            return Verdict.INVALID
        values = tuple(_assignment(item)[1][0][0] for _, item in named)
        ordered = ("group", group[1], values)
        if gold[0] == "group":
            return self.tuples(ordered, gold, nesting)
        return self.tuples(answer, ordered, nesting)

    def match(self, answers, golds, nesting: int) -> Verdict:
        """As multisets; greedy, since equality is transitive."""
        left = list(answers)
        verdicts = []
        for gold in golds:
            found = Verdict.INVALID
            for index, answer in enumerate(left):
                verdict = self.compare(answer, gold, nesting)
                if verdict is Verdict.VALID:
                    del left[index]
                    found = verdict
                    break
                if verdict is not Verdict.INVALID:
                    found = Verdict.UNKNOWN
            verdicts.append(found)
            if found is Verdict.INVALID:
                return found
        return combine(verdicts)

    def tuples(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        answer, gold = _as_matrix(answer, gold), _as_matrix(gold, answer)
        answer, gold = _components(answer, gold), _components(gold, answer)
        one, other = _vector(answer), _vector(gold)
        if answer[0] == gold[0] == "matrix":
            rows, right = answer[1], gold[1]
            if len(rows) != len(right) or len(rows[0]) != len(right[0]):
                return Verdict.INVALID
            pairs = [
                (a, b)
                for row, gold_row in zip(rows, right, strict=True)
                for a, b in zip(row, gold_row, strict=True)
            ]
        elif one is None or other is None:
            return self.not_both_tuples(answer, gold)
        else:
            if answer[0] == gold[0] == "group" and not _same_shape(
                answer[1], gold[1], len(other)
            ):
                return Verdict.INVALID
            if len(one) != len(other):
                return Verdict.INVALID
            pairs = list(zip(one, other, strict=True))
        return combine(self.compare(a, b, nesting - 1) for a, b in pairs)

    def not_both_tuples(self, answer: Tree, gold: Tree) -> Verdict:
        for tree in (answer, gold):
            if tree[0] not in ("group", "matrix") and tree[0] not in _PLAIN:
                return Verdict.UNKNOWN
            # A product of matrices has a value that is not computed.
            if tree[0] in _PLAIN and tree[0] not in ("n", "-", "/"):
                return Verdict.UNKNOWN
        return Verdict.INVALID


_PLAIN = frozenset(("n", "v", "f", "base", *"+-*/^"))


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    verdicts = set(verdicts)
    if Verdict.VALID in verdicts:
        return Verdict.VALID
    return verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN


def _simplified(tree: Tree) -> Tree:
    """±, names that are given once, brackets around solutions."""
    if tree[0] in ("group", "set") and tree[-1]:
        items = tree[2] if tree[0] == "group" else tree[1]
        if all(item[0] == "rel" and item[1] == ("=",) for item in items):
            tree = ("list", items, frozenset((",",)))
    if tree[0] == "list":
        total = _compound(tree[1])
        if total is not None:
            return total
        items = [item for part in tree[1] for item in _branches(part)]
        return ("list", _named(tuple(items)), tree[2])
    if tree[0] == "set":
        return (
            "set",
            tuple(item for part in tree[1] for item in _branches(part)),
        )
    if tree[0] == "rel" and tree[1] == ("=",) and tree[2][1][0] == "set":
        name, values = tree[2]  # x = {1, 2}
        items = tuple(("rel", ("=",), (name, item)) for item in values[1])
        if items and name[0] == "v" and name[1][0].islower():
            return ("list", items, frozenset((",",)))
    tree = _scaled_matrix(tree)
    branches = _branches(tree)
    if len(branches) > 1:
        return ("list", tuple(branches), frozenset((",",)))
    return branches[0]


def _compound(items: tuple[Tree, ...]) -> Tree | None:
    """`2 hours and 30 minutes` as one quantity."""
    if any(item[0] != "unit" for item in items):
        return None
    first, *rest = (item[2] for item in items)
    sizes = [first.size, *(unit.size for unit in rest)]
    if any(unit.powers != first.powers for unit in rest):
        return None
    if any(a <= b for a, b in zip(sizes, sizes[1:], strict=False)):
        return None
    total = items[0][1]
    for item in items[1:]:
        factor = ("n", item[2].size / first.size, None)
        total = ("+", total, ("*", item[1], factor))
    return ("unit", total, first)


def _scaled_matrix(tree: Tree) -> Tree:
    """A number times a matrix, as a matrix."""
    if tree[0] == "-" and tree[1][0] == "matrix":
        factor, matrix = ("n", -1, None), tree[1]
    elif tree[0] == "*" and tree[2][0] == "matrix" and tree[1][0] in _PLAIN:
        factor, matrix = tree[1], tree[2]
    elif tree[0] == "*" and tree[1][0] == "matrix" and tree[2][0] in _PLAIN:
        factor, matrix = tree[2], tree[1]
    else:
        return tree
    rows = (tuple(("*", factor, item) for item in row) for row in matrix[1])
    return ("matrix", tuple(rows))


def _branches(tree: Tree) -> list[Tree]:
    """Both values of ±, all signs taken together."""
    if not _has_sign(tree):
        return [tree]
    return [_with_sign(tree, True), _with_sign(tree, False)]


def _has_sign(tree: Tree) -> bool:
    stack = [tree]
    while stack:
        node = stack.pop()
        for part in node:
            if type(part) is tuple:
                stack.append(part)
            elif type(part) is str and part == "pm":
                return True
    return False


def _with_sign(tree: Tree, plus: bool) -> Tree:
    if tree and tree[0] == "pm":
        _, sign, left, right = tree
        right = _with_sign(right, plus)
        if (sign == "+") != plus:
            right = ("-", right)
        return right if left is None else ("+", _with_sign(left, plus), right)
    return tuple(
        _with_sign(part, plus) if type(part) is tuple else part for part in tree
    )


def _named(items: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """`x = 1, 2` is `x = 1, x = 2`."""
    if not items or items[0][0] != "rel" or items[0][2][0][0] != "v":
        return items
    operators = items[0][1]
    if operators != ("!=",) and len(_assignment(items[0])[1]) != 1:
        return items
    if any(item[0] not in _PLAIN for item in items[1:]):
        return items
    left = items[0][2][0]
    return items[:1] + tuple(
        ("rel", operators, (left, item)) for item in items[1:]
    )


def _assignment(tree: Tree) -> tuple[str, list[tuple[Tree, bool]]]:
    """`("x", [(5, True)])` for `x = 5`; values, and whether they are exact."""
    if tree[0] != "rel" or not set(tree[1]) <= {"=", "~"}:
        return "", []
    sides, operators = tree[2], tree[1]
    # Only a single equation is read from right to left.
    for name, values in ((sides[0], sides[1:]), (sides[1], sides[:1])):
        if name[0] == "v" and name[1] in ("e", "pi", "i", "oo"):
            continue
        label = _label(name)
        if not label:
            continue
        if any(label in balls.names(value) for value in values):
            continue
        if name is not sides[0] and len(sides) > 2:
            continue
        exact = [operator == "=" for operator in operators]
        return label, list(zip(values, exact, strict=False))
    return "", []


def _unknowns(tree: Tree) -> frozenset[str]:
    return balls.names(tree) - {"e", "pi", "i", "oo"}


def _label(tree: Tree) -> str:
    if tree[0] == "v":
        return tree[1]
    if tree[0] == "group" and all(item[0] == "v" for item in tree[2]):
        return "(" + ",".join(item[1] for item in tree[2]) + ")"
    if tree[0] == "f" and tree[1][0] in "fgh" and len(tree[1]) < 3:
        return tree[1] + "(" + str(tree[2]) + ")"
    derivative = tree[0] == "/" and {tree[1][0], tree[2][0]} <= {"*", "v"}
    if derivative and "d" in balls.names(tree[1]) & balls.names(tree[2]):
        return str(tree)
    return ""


def _base_name(name: str) -> str:
    """`y` for `y(t)`."""
    return name[:1] + name[1:].partition("(")[0] if name[-1:] == ")" else name


def _is_swapped(answer: Tree, gold: Tree) -> bool:
    return answer[2] == gold[2][::-1]


def _difference(sides) -> Tree:
    return ("+", sides[0], ("-", sides[1]))


def _oriented(tree: Tree) -> tuple[str, Tree] | None:
    """`(">", a - b)` for `a > b` and for `b < a`."""
    if len(tree[1]) != 1 or any(side[0] not in _PLAIN for side in tree[2]):
        return None
    (operator,) = tree[1]
    if operator in (">", ">="):
        return operator, _difference(tree[2])
    if operator in ("<", "<="):
        return operator.replace("<", ">"), _difference(tree[2][::-1])
    return None


def _ascending(tree: Tree) -> Tree:
    """`c < b < a` for `a > b > c`."""
    if len(tree[1]) > 1 and set(tree[1]) <= {">", ">="}:
        operators = tuple(op.replace(">", "<") for op in tree[1][::-1])
        return ("rel", operators, tree[2][::-1])
    return tree


def _items(tree: Tree) -> list[Tree]:
    if tree[0] in ("list", "set"):
        return list(tree[1])
    return [tree]


def _is_system(items: list[Tree]) -> bool:
    """Equations that each give another unknown its value?"""
    if any(item[0] != "rel" for item in items):
        return False
    if any(not _assignment(i)[0] and not _shared(i) for i in items):
        return False
    names = [_assignment(item)[0] for item in items]
    return len(set(names)) == len(names)


def _shared(tree: Tree) -> bool:
    """`x = y = 4`."""
    names = tree[2][:-1]
    return (
        len(names) > 1
        and set(tree[1]) == {"="}
        and all(name[0] == "v" and _unknowns(name) for name in names)
        and not _unknowns(tree[2][-1]) & {name[1] for name in names}
    )


def _unpacked(items: list[Tree]) -> list[Tree]:
    """`(a, b) = (1, 2)` as `a = 1` and `b = 2`."""
    unpacked: list[Tree] = []
    for item in items:
        if item[0] == "rel" and item[1] == ("=",):
            names, values = item[2]
            if names[0] == values[0] == "group":
                if len(names[2]) == len(values[2]):
                    pairs = zip(names[2], values[2], strict=True)
                    unpacked += [("rel", ("=",), pair) for pair in pairs]
                    continue
        unpacked.append(item)
    return unpacked


def _solved(items: list[Tree]) -> list[Tree]:
    """`x = y = 4` as `x = 4` and `y = 4`."""
    solved: list[Tree] = []
    for item in items:
        if len(item[2]) > 2 and _shared(item):
            for name in item[2][:-1]:
                solved.append(("rel", ("=",), (name, item[2][-1])))
        else:
            solved.append(item)
    return solved


def _numbers(tree: Tree) -> Tree:
    """A number or a list of them as a set, for comparison with intervals."""
    if tree[0] == "rel" and set(tree[1]) == {"="}:
        return tree
    if tree[0] == "list" and all(item[0] in _PLAIN for item in tree[1]):
        return ("set", tree[1])
    if tree[0] in _PLAIN:
        return ("set", (tree,))
    return tree


def _as_matrix(tree: Tree, other: Tree) -> Tree:
    """`[[1, 2], [3, 4]]` where the other one is a matrix."""
    if tree[0] != "group" or other[0] != "matrix":
        return tree
    rows = tree[2]
    if any(row[0] != "group" or len(row[2]) != len(rows[0][2]) for row in rows):
        return tree
    return ("matrix", tuple(row[2] for row in rows))


_BASIS = tuple(("v", f"hat({('v', name)!r})") for name in "ijk")
_ZERO, _ONE = ("n", 0, None), ("n", 1, None)


def _components(tree: Tree, other: Tree) -> Tree:
    """A vector in unit vectors as a tuple, where the other one is one."""
    vector = _vector(other)
    if tree[0] not in _PLAIN or vector is None or len(vector) not in (2, 3):
        return tree
    if not any(name[1] in balls.names(tree) for name in _BASIS[: len(vector)]):
        return tree
    parts = []
    for chosen in _BASIS[: len(vector)]:
        part = tree
        for name in _BASIS:
            part = renamed(part, name, _ONE if name == chosen else _ZERO)
        parts.append(part)
    return ("group", "<>" if other[0] == "matrix" else other[1], tuple(parts))


def _vector(tree: Tree) -> tuple[Tree, ...] | None:
    if tree[0] == "group":
        return tree[2]
    if tree[0] == "matrix":
        rows = tree[1]
        if len(rows) == 1:
            return rows[0]
        if len(rows[0]) == 1:
            return tuple(row[0] for row in rows)
    return None


def _same_shape(one: str, other: str, size: int) -> bool:
    """Are two kinds of brackets the same for a tuple of this size?"""
    if one == other:
        return True
    vectors = {one, other} <= {"()", "<>"}
    return vectors or (size > 2 and {one, other} <= {"()", "<>", "[]"})
