"""Rewrites trees in a simpler form of the same meaning, to be compared."""

from __future__ import annotations

from jaxlrm.verify.answers.equivalence.assignments import assignment
from jaxlrm.verify.answers.syntax import Tree

# Kinds of trees that are values.
PLAIN = frozenset(("n", "v", "f", "base", *"+-*/^"))


def simplified(tree: Tree) -> Tree:
    """±, names that are given once, brackets around solutions."""
    if tree[0] in ("group", "set") and tree[-1]:
        items = tree[2] if tree[0] == "group" else tree[1]
        if all(item[0] == "rel" and item[1] == ("=",) for item in items):
            tree = ("list", items, frozenset((",",)))
    if tree[0] == "list":
        tree = _solutions(tree)
        total = _compound(tree[1])
        if total is not None:
            return total
        items = [item for part in tree[1] for item in _branches(part)]
        items = _unnamed(items)
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


def _solutions(tree: Tree) -> Tree:
    """`x = 1, y = 1 or x = 2, y = 3` as two pairs, and as `(x, y) = ...`."""
    items = tree[1]
    if len(items) < 2 or any(item[:2] != ("rel", ("=",)) for item in items):
        return tree
    names = [item[2][0] for item in items]
    if names[0][0] == "group":
        # In the order of the alphabet, as where values have no names.
        if any(name != names[0] for name in names) or list(
            names[0][2]
        ) != sorted(names[0][2], key=repr):
            return tree
        return ("list", tuple(item[2][1] for item in items), tree[2])
    period = names.index(names[0], 1) if names[0] in names[1:] else 0
    if period < 2 or len(names) % period:
        return tree
    cycle = names[:period]
    if any(name[0] != "v" for name in cycle) or len(set(cycle)) < period:
        return tree
    if names != cycle * (len(names) // period):
        return tree
    order = sorted(range(period), key=lambda index: cycle[index])
    groups = tuple(
        ("group", "()", tuple(items[start + i][2][1] for i in order))
        for start in range(0, len(items), period)
    )
    return ("list", groups, tree[2])


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
    elif tree[0] == "*" and tree[2][0] == "matrix" and tree[1][0] in PLAIN:
        factor, matrix = tree[1], tree[2]
    elif tree[0] == "*" and tree[1][0] == "matrix" and tree[2][0] in PLAIN:
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


def _unnamed(items: list[Tree]) -> list[Tree]:
    """`(x, y) = (1, 2), (2, 1)` is two pairs, in the order of the alphabet."""
    first, *rest = items
    if first[:2] != ("rel", ("=",)) or any(item[0] != "group" for item in rest):
        return items
    names, values = first[2]
    if not rest or not names[0] == values[0] == "group":
        return items
    return (
        [values, *rest]
        if list(names[2]) == sorted(names[2], key=repr)
        else items
    )


def _named(items: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """`x = 1, 2` is `x = 1, x = 2`."""
    if not items or items[0][0] != "rel" or items[0][2][0][0] != "v":
        return items
    operators = items[0][1]
    if operators != ("!=",) and len(assignment(items[0])[1]) != 1:
        return items
    if any(item[0] not in PLAIN for item in items[1:]):
        return items
    left = items[0][2][0]
    return items[:1] + tuple(
        ("rel", operators, (left, item)) for item in items[1:]
    )
