"""The tree of a search as a page shows it: a map and an outline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from jaxlrm.engine.solution import Solution, Thought
from jaxlrm.verify.verdict import Verdict

_ROOT = -1  # the problem, as the parent of a thought


class Tree(NamedTuple):
    """What follows what.

    Attributes:
        children: thoughts after each thought, the winning chain's first, then
            kept ones, best score first; at -1 those after the problem.
        below: number of thoughts after each thought, all generations.
        classes: `win` of each thought in the winning chain, else `kept` or
            `cut`.
    """

    children: dict[int, list[int]]
    below: list[int]
    classes: list[str]


def tree_of(solution: Solution) -> Tree:
    """The tree of all thoughts."""
    thoughts, chain = solution.thoughts, frozenset(solution.best_chain)
    children: dict[int, list[int]] = {}
    below = [0] * len(thoughts)
    for index, thought in enumerate(thoughts):
        children.setdefault(thought.parent, []).append(index)
    for index in reversed(range(len(thoughts))):  # parents stand first
        if thoughts[index].parent != _ROOT:
            below[thoughts[index].parent] += 1 + below[index]
    for siblings in children.values():
        siblings.sort(
            key=lambda i: (
                i not in chain,
                not thoughts[i].kept,
                -(thoughts[i].score or 0.0),
            )
        )
    classes = [
        "win" if index in chain else "kept" if thought.kept else "cut"
        for index, thought in enumerate(thoughts)
    ]
    return Tree(children, below, classes)


class Dot(NamedTuple):
    """A thought in the map: the line from its parent and its mark, as paths."""

    index: int
    edge: str
    shape: str
    mark: str


class Map(NamedTuple):
    """A picture of the tree: a column a round.

    Attributes:
        width, height: of the picture, in pixels.
        root: centre of the problem's mark.
        rounds: place and number of the rounds that are labelled.
        dots: the thoughts, in the order of drawing.
    """

    width: float
    height: float
    root: tuple[float, float]
    rounds: list[tuple[float, int]]
    dots: list[Dot]


def map_of(solution: Solution, tree: Tree) -> Map:
    """Where each thought stands in the map."""
    thoughts = solution.thoughts
    columns: list[list[int]] = []
    before = [_ROOT]
    # Children stand in the order of their parents, which avoids crossings.
    while column := [c for p in before for c in tree.children.get(p, ())]:
        columns.append(column)
        before = column
    tallest = max(map(len, columns))
    gap = min(18.0, max(7.0, 620 / tallest))
    stride = min(240.0, max(52.0, 940 / len(columns)))
    radius = min(5.0, 0.42 * gap)
    height = max(tallest * gap, 60) + 40
    root = 24.0, height / 2 + 8
    place = {_ROOT: root}
    for number, column in enumerate(columns, 1):
        top = root[1] - (len(column) - 1) * gap / 2
        for row, index in enumerate(column):
            place[index] = (24 + number * stride, top + row * gap)
    # What matters is drawn last, on top.
    order = [index for column in columns for index in column]
    order.sort(key=lambda i: ("cut", "kept", "win").index(tree.classes[i]))
    dots = []
    for index in order:
        thought = thoughts[index]
        edge = _curve(place[thought.parent], place[index])
        dots.append(Dot(index, edge, *_mark(thought, *place[index], radius)))
    step = max(1, math.ceil(28 / stride))
    labelled = range(step, len(columns) + 1, step)
    return Map(
        width=48 + stride * len(columns),
        height=height + 10,
        root=root,
        rounds=[(24 + n * stride, n) for n in labelled],
        dots=dots,
    )


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    return (
        f"M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} "
        f"{x1:.0f} {y1:.1f}"
    )


def _mark(thought: Thought, x: float, y: float, r: float) -> tuple[str, str]:
    """A shape for the verdict: the colour is the score's."""
    if thought.verdict is Verdict.INVALID:
        r *= 0.8
        return "cross", (
            f"M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}"
            f"m0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"
        )
    shape = "disc" if thought.verdict is Verdict.VALID else "ring"
    if thought.kind == "answer":  # a diamond
        r += 1
        return shape, (
            f"M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l{-r:.1f} {r:.1f}"
            f"l{-r:.1f} {-r:.1f}z"
        )
    arc = f"a{r:.1f} {r:.1f} 0 1 0"
    return shape, f"M{x - r:.1f} {y:.1f}{arc} {2 * r:.1f} 0{arc} {-2 * r:.1f} 0"


class Line(NamedTuple):
    """A line of the outline, or the end of a part that opens and closes.

    Attributes:
        kind: `row`, a thought; `whole`, one of several lines, which opens;
            `branch`, one that opens onto what follows it, and `cut`, the
            pruned thoughts of a place, each up to its `end branch` and
            `end cut`.
        index: the thought's.
        text: its last line, of `whole`; what was pruned, of `cut`.
    """

    kind: str
    index: int = _ROOT
    text: str = ""


def outline(
    solution: Solution, tree: Tree, node: int = _ROOT
) -> Iterator[Line]:
    """What follows `node`.

    A line of only children stays in one column; where several were kept, each
    becomes a branch that opens and closes, so the depth on the page is that
    of the choices, not of the chain.
    """
    while True:
        siblings = tree.children.get(node, [])
        kept = [index for index in siblings if tree.classes[index] != "cut"]
        cut = [index for index in siblings if tree.classes[index] == "cut"]
        if cut:
            yield Line("cut", text=_count(solution, cut))
            for index in cut:
                yield _leaf(solution, tree, index)
                yield from outline(solution, tree, index)
            yield Line("end cut")
        if len(kept) != 1:
            break
        (node,) = kept
        yield Line("row", node)
    for index in kept:
        if not tree.children.get(index):
            yield _leaf(solution, tree, index)
            continue
        yield Line("branch", index)
        yield from outline(solution, tree, index)
        yield Line("end branch")


def _leaf(solution: Solution, tree: Tree, index: int) -> Line:
    """A thought that nothing follows; whole chains open and close."""
    text = solution.thoughts[index].text.rstrip()
    if text.count("\n") < 2 or tree.classes[index] == "win":
        return Line("row", index)
    return Line("whole", index, text[text.rindex("\n") + 1 :])


def _count(solution: Solution, cut: list[int]) -> str:
    verdicts = [solution.thoughts[index].verdict for index in cut]
    invalid = verdicts.count(Verdict.INVALID)
    words = f"{len(cut):,} pruned"
    if invalid:
        share = "all" if invalid == len(cut) else f"{invalid:,}"
        words += f", {share} invalid"
    return words
