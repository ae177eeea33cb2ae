"""Equations that give an unknown its value: `x = 5`, `x = y = 4`."""

from __future__ import annotations

from jaxlrm.verify.answers.syntax import CONSTANTS, Tree, names, unknowns


def assignment(tree: Tree) -> tuple[str, list[tuple[Tree, bool]]]:
    """`("x", [(5, True)])` for `x = 5`; values, and whether they are exact."""
    if tree[0] != "rel":
        return "", []
    sides, operators = _without_calls(tree[2]), tree[1]
    congruent = operators == ("==",) and sides[-1][:2] == ("f", "pmod")
    if not congruent and not set(operators) <= {"=", "~"}:
        return "", []
    # Only a single equation is read from right to left.
    for name, values in ((sides[0], sides[1:]), (sides[1], sides[:1])):
        if name[0] == "v" and name[1] in CONSTANTS:
            continue
        label = _label(name)
        if not label:
            continue
        if any(label in names(value) for value in values):
            continue
        if name is not sides[0] and len(sides) > 2:
            continue
        exact = [operator != "~" for operator in operators]
        return label, list(zip(values, exact, strict=False))
    return "", []


def _without_calls(sides: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """`y = 2x` for `y = f(x) = 2x`."""
    called = sides[1][0] == "v" and sides[1][1][-1:] == ")"
    return (sides[0], *sides[2:]) if called and len(sides) > 2 else sides


def _label(tree: Tree) -> str:
    if tree[0] == "v":
        return tree[1]
    if tree[0] == "group" and all(item[0] == "v" for item in tree[2]):
        return "(" + ",".join(item[1] for item in tree[2]) + ")"
    if tree[0] == "f" and tree[1][0] in "fgh" and len(tree[1]) < 3:
        return tree[1] + "(" + str(tree[2]) + ")"
    derivative = tree[0] == "/" and {tree[1][0], tree[2][0]} <= {"*", "v"}
    if derivative and "d" in names(tree[1]) & names(tree[2]):
        return str(tree)
    return ""


def is_system(items: list[Tree]) -> bool:
    """Equations that each give another unknown its value?"""
    if any(item[0] != "rel" for item in items):
        return False
    if any(not assignment(i)[0] and not _shared(i) for i in items):
        return False
    names = [assignment(item)[0] for item in items]
    return len(set(names)) == len(names)


def _shared(tree: Tree) -> bool:
    """`x = y = 4`."""
    names = tree[2][:-1]
    return (
        len(names) > 1
        and set(tree[1]) == {"="}
        and all(name[0] == "v" and unknowns(name) for name in names)
        and not unknowns(tree[2][-1]) & {name[1] for name in names}
    )


def unpacked(items: list[Tree]) -> list[Tree]:
    """`(a, b) = (1, 2)` as `a = 1` and `b = 2`."""
    found: list[Tree] = []
    for item in items:
        if item[0] == "rel" and item[1] == ("=",):
            names, values = item[2]
            if names[0] == values[0] == "group":
                if len(names[2]) == len(values[2]):
                    pairs = zip(names[2], values[2], strict=True)
                    found += [("rel", ("=",), pair) for pair in pairs]
                    continue
        found.append(item)
    return found


def solved(items: list[Tree]) -> list[Tree]:
    """`x = y = 4` as `x = 4` and `y = 4`."""
    found: list[Tree] = []
    for item in items:
        if len(item[2]) > 2 and _shared(item):
            for name in item[2][:-1]:
                found.append(("rel", ("=",), (name, item[2][-1])))
        else:
            found.append(item)
    return found
