"""Solutions as one HTML page: the answer, the votes, the cost, the tree.

The page needs no network and no other file. Model text is hostile: it is
escaped, and a content security policy lets nothing run but the page's own
script.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import NamedTuple

from jaxlrm.engine.solution import Solution, Thought
from jaxlrm.files import visible
from jaxlrm.verify.verdict import Verdict

# Icon and word: colour alone tells some people nothing.
VERDICTS = {
    Verdict.VALID: ("✓", "valid"),
    Verdict.INVALID: ("✗", "invalid"),
    Verdict.UNKNOWN: ("?", "unknown"),
    Verdict.TIMEOUT: ("◷", "timeout"),
    Verdict.ERROR: ("!", "error"),
}


def _asset(name: str) -> str:
    """A file of the page, which lies beside this one."""
    return (resources.files("jaxlrm.evaluate") / name).read_text("utf-8")


def render(solutions: Sequence[Solution]) -> str:
    """The page about `solutions`, in their order.

    Returns:
        A complete HTML document, to be written as UTF-8.
    """
    script = f"\n{_asset('view.js')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest.decode()}'"
    )
    title = "Reasoning tree"
    if len(solutions) == 1:
        title = _shorten(solutions[0].problem, 60)
    sections = "".join(
        _section(index, solution) for index, solution in enumerate(solutions)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)} · jaxlrm</title>\n<style>\n{_asset('view.css')}"
        "</style>\n"
        f"</head>\n<body>\n<main>\n{_contents(solutions)}{sections}</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


# --- Text -------------------------------------------------------------------


def _text(text: str) -> str:
    """`text` as HTML, whatever is in it."""
    return html.escape(visible(text))


def _shorten(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NARROW NO-BREAK SPACE}%"


def format_bytes(number: float) -> str:
    """`3.15 MB` for 3145728."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # what is over has four digits, rounded
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


def plural(number: int, word: str) -> str:
    """`1 token`, `2 tokens`."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")


# --- Summary ----------------------------------------------------------------


def _contents(solutions: Sequence[Solution]) -> str:
    if len(solutions) < 2:
        return ""
    solved = sum(solution.solved for solution in solutions)
    rows = "".join(
        f'<li><a href="#p{index}"><span class="text">'
        f"{_text(_shorten(solution.problem, 90))}</span></a>"
        f'<b class="text">{_text(_shorten(solution.answer or "–", 20))}</b>'
        f"{_badge(solution)}</li>"
        for index, solution in enumerate(solutions)
    )
    return (
        f"<nav><h1>{plural(len(solutions), 'problem')}, {solved} solved</h1>"
        f"<ol>{rows}</ol></nav>\n"
    )


def _badge(solution: Solution) -> str:
    if solution.solved:
        return '<span class="badge yes">✓ solved</span>'
    if solution.answer is None:
        return '<span class="badge no">✗ not answered</span>'
    return '<span class="badge">answered</span>'


def _section(index: int, solution: Solution) -> str:
    prefix = f"p{index}"
    note = ""
    if solution.note:
        note = f'<p class="note">{_text(solution.note)}</p>'
    parts = [
        f'<p class="eyebrow">{_text(solution.strategy)}</p>',
        f'<h2 class="text">{_text(_shorten(solution.problem, 2000))}</h2>',
        note,
        f'<div class="cards">{_answer(solution)}{_votes(solution)}'
        f"{_cost(solution)}</div>",
    ]
    if solution.thoughts:
        forest = _Forest.of(solution)
        parts += [
            _map(solution, forest, prefix),
            _outline(solution, forest, prefix),
        ]
    return f'<section id="{prefix}">{"".join(parts)}</section>\n'


def _answer(solution: Solution) -> str:
    answer = "none" if solution.answer is None else solution.answer
    sure = min(max(solution.confidence, 0.0), 1.0)
    return (
        f'<div class="card"><h3>Answer</h3>'
        f'<p class="answer text">{_text(_shorten(answer, 200))}</p>'
        f"<p>{_badge(solution)} {_verdict(solution.verdict)}</p>"
        f'<p class="bar"><i style="width:{100 * sure:.1f}%"></i></p>'
        f"<p>{_percent(sure)} sure</p></div>"
    )


def _votes(solution: Solution) -> str:
    shown = solution.votes[:6]
    rows = "".join(
        f'<li><span class="text">{_text(_shorten(vote.answer, 60))}</span>'
        f"{_verdict(vote.verdict)}"
        f"<span>{plural(vote.count, 'chain')} · {_percent(vote.weight)}"
        '</span><span class="bar">'
        f'<i style="width:{100 * min(vote.weight, 1):.1f}%"></i></span></li>'
        for vote in shown
    )
    more = len(solution.votes) - len(shown)
    if more:
        rows += f"<li><span>and {plural(more, 'other')}</span></li>"
    rows = rows or "<li><span>no chain ended in an answer</span></li>"
    return (
        f'<div class="card"><h3>Votes</h3><ol class="votes">{rows}</ol></div>'
    )


def _cost(solution: Solution) -> str:
    seconds = solution.seconds
    phases = " · ".join(
        f"{_text(name)} {value:.2f}"
        for name, value in seconds.items()
        if name != "total"
    )
    tokens, cache, tree = solution.tokens, solution.cache, solution.tree
    rows = [
        ("generator", f"{plural(tokens.get('generator', 0), 'token')}"),
        ("verifier", f"{plural(tokens.get('verifier', 0), 'token')}"),
        ("time", f"{seconds.get('total', 0):.2f} s<small>{phases}</small>"),
    ]
    used, dense = cache.get("bytes", 0), cache.get("dense", 0)
    if used:
        ratio = (
            f"<small>dense {format_bytes(dense)}, {dense / used:.1f} ×</small>"
        )
        rows.append(("cache", format_bytes(used) + (ratio if dense else "")))
    rows.append(
        (
            "tree",
            f"{plural(tree.get('rounds', 0), 'round')}<small>"
            f"{tree.get('nodes', 0):,} kept, {tree.get('pruned', 0):,} pruned"
            "</small>",
        )
    )
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<div class="card"><h3>Cost</h3><dl>{body}</dl></div>'


def _verdict(verdict: Verdict) -> str:
    icon, word = VERDICTS[verdict]
    return f'<span class="verdict {word}"><b>{icon}</b> {word}</span>'


# --- The tree ---------------------------------------------------------------


class _Forest(NamedTuple):
    """What follows what.

    Attributes:
        children: thoughts after each thought, the winning chain's first, then
            kept ones, best score first; at -1 those after the problem.
        below: number of thoughts after each thought, all generations.
        chain: the winning chain.
    """

    children: dict[int, list[int]]
    below: list[int]
    chain: frozenset[int]

    @classmethod
    def of(cls, solution: Solution) -> _Forest:
        thoughts, chain = solution.thoughts, frozenset(solution.best_chain)
        children: dict[int, list[int]] = {}
        below = [0] * len(thoughts)
        for index, thought in enumerate(thoughts):
            children.setdefault(thought.parent, []).append(index)
        for index in reversed(range(len(thoughts))):  # parents stand first
            if thoughts[index].parent >= 0:
                below[thoughts[index].parent] += 1 + below[index]
        for family in children.values():
            family.sort(
                key=lambda i: (
                    i not in chain,
                    not thoughts[i].kept,
                    -(thoughts[i].score or 0.0),
                )
            )
        return cls(children, below, chain)


def _meaning(thought: Thought) -> str:
    """The thought's data in words, for the map."""
    _, word = VERDICTS[thought.verdict]
    parts = [
        f"round {thought.round + 1}",
        "no score" if thought.score is None else f"score {thought.score:.2f}",
        word,
        "kept" if thought.kept else "pruned",
        plural(thought.tokens, "token"),
    ]
    if thought.count > 1:
        parts.append(f"written {thought.count} times")
    return ", ".join(parts)


def _score_style(thought: Thought) -> str:
    if thought.score is None:
        return ""
    score = min(max(thought.score, 0.0), 1.0)
    return f' style="--s:{100 * score:.0f}%"'


# --- The map: a column a round ----------------------------------------------


def _map(solution: Solution, forest: _Forest, prefix: str) -> str:
    thoughts = solution.thoughts
    columns: list[list[int]] = []
    previous = [-1]
    # Children stand in the order of their parents, which avoids crossings.
    while family := [c for p in previous for c in forest.children.get(p, ())]:
        columns.append(family)
        previous = family
    tallest = max(map(len, columns))
    gap = min(18.0, max(7.0, 620 / tallest))
    stride = min(240.0, max(52.0, 940 / len(columns)))
    radius = min(5.0, 0.42 * gap)
    height = max(tallest * gap, 60) + 40
    place = {-1: (24.0, height / 2 + 8)}
    for number, column in enumerate(columns, 1):
        top = height / 2 + 8 - (len(column) - 1) * gap / 2
        for row, index in enumerate(column):
            place[index] = (24 + number * stride, top + row * gap)
    order = [index for column in columns for index in column]
    # What matters is drawn last, on top.
    order.sort(key=lambda i: (i in forest.chain, thoughts[i].kept))
    edges = "".join(
        _edge(
            place[thoughts[i].parent], place[i], _classes(i, thoughts, forest)
        )
        for i in order
    )
    nodes = "".join(
        f'<a href="#{prefix}t{i}" tabindex="-1" '
        f'class="{_classes(i, thoughts, forest)}"{_score_style(thoughts[i])} '
        f'data-parent="{prefix}t{thoughts[i].parent}" '
        f'data-about="{_meaning(thoughts[i])}">'
        f"<title>{_text(_shorten(thoughts[i].text, 300))}\n"
        f"{_meaning(thoughts[i])}</title>"
        f"{_mark(thoughts[i], *place[i], radius)}</a>"
        for i in order
    )
    width = 48 + stride * len(columns)
    step = max(1, math.ceil(28 / stride))
    rounds = '<text x="24" y="12">round</text>' + "".join(
        f'<text x="{24 + n * stride:.0f}" y="12">{n}</text>'
        for n in range(step, len(columns) + 1, step)
    )
    x, y = place[-1]
    picture = (
        f'<svg viewBox="0 0 {width:.0f} {height + 10:.0f}" '
        f'style="max-width:{width:.0f}px;min-width:{0.7 * width:.0f}px" '
        'role="img" '
        'aria-label="Map of all thoughts, a column a round; the list below '
        f'has the same content"><g class="rounds">{rounds}</g>{edges}'
        f'<rect class="root" x="{x - 6}" y="{y - 6}" width="12" height="12" '
        f'rx="3"><title>the problem</title></rect>{nodes}</svg>'
    )
    return (
        f'<h3>Search</h3>{_LEGEND}<div class="map">{picture}</div>'
        '<p class="inspect" aria-hidden="true" hidden></p>'
    )


def _classes(index: int, thoughts: Sequence[Thought], forest: _Forest) -> str:
    if index in forest.chain:
        return "win"
    return "kept" if thoughts[index].kept else "cut"


def _edge(start, end, classes: str) -> str:
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    return (
        f'<path class="{classes}" d="M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} '
        f'{middle:.0f} {y1:.1f} {x1:.0f} {y1:.1f}"/>'
    )


def _mark(thought: Thought, x: float, y: float, radius: float) -> str:
    """A shape for the verdict: the colour is the score's."""
    if thought.verdict is Verdict.INVALID:
        r = 0.8 * radius
        return (
            f'<path class="mark cross" d="M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} '
            f'{2 * r:.1f}m0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"/>'
        )
    word = "disc" if thought.verdict is Verdict.VALID else "ring"
    if thought.kind == "answer":
        r = radius + 1
        return (
            f'<path class="mark {word}" d="M{x:.1f} {y - r:.1f}l{r:.1f} '
            f'{r:.1f}l{-r:.1f} {r:.1f}l{-r:.1f} {-r:.1f}z"/>'
        )
    return (
        f'<circle class="mark {word}" cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{radius:.1f}"/>'
    )


# --- The outline ------------------------------------------------------------


def _outline(solution: Solution, forest: _Forest, prefix: str) -> str:
    body = "".join(_branch(solution, forest, prefix, -1))
    root = _text(_shorten(solution.problem, 2000))
    return (
        '<div class="head"><h3>Thoughts</h3><span class="tools" hidden>'
        '<button type="button" data-open="1">expand all</button>'
        '<button type="button" data-open="">winning chain only</button>'
        '</span></div><p class="row problem"><span class="round">■</span>'
        f'<span class="text">{root}</span></p>{body}'
    )


def _branch(
    solution: Solution, forest: _Forest, prefix: str, node: int
) -> Iterator[str]:
    """What follows `node`.

    A line of only children stays in one column; where several were kept, each
    becomes a branch that opens and closes, so the depth on the page is that
    of the choices, not of the chain.
    """
    thoughts = solution.thoughts

    def grows(index: int) -> bool:
        return thoughts[index].kept or index in forest.chain

    while True:
        family = forest.children.get(node, [])
        kept = [index for index in family if grows(index)]
        cut = [index for index in family if not grows(index)]
        if cut:
            invalid = sum(
                thoughts[index].verdict is Verdict.INVALID for index in cut
            )
            words = f"{len(cut):,} pruned"
            if invalid:
                share = "all" if invalid == len(cut) else f"{invalid:,}"
                words += f", {share} invalid"
            yield f'<details class="cut"><summary>{words}</summary>'
            for index in cut:
                yield _leaf(solution, forest, prefix, index)
                yield from _branch(solution, forest, prefix, index)
            yield "</details>"
        if len(kept) != 1:
            break
        (node,) = kept
        yield _row("div", solution, forest, prefix, node)
    for index in kept:
        if not forest.children.get(index):
            yield _leaf(solution, forest, prefix, index)
            continue
        won = index in forest.chain
        yield f'<details class="branch"{" open data-win" if won else ""}>'
        yield _row("summary", solution, forest, prefix, index)
        yield '<div class="inner">'
        yield from _branch(solution, forest, prefix, index)
        yield "</div></details>"


def _leaf(solution: Solution, forest: _Forest, prefix: str, index: int) -> str:
    """A thought that nothing follows; whole chains open and close."""
    text = solution.thoughts[index].text.rstrip()
    lines = text.count("\n") + 1
    if lines <= 2 or index in forest.chain:
        return _row("div", solution, forest, prefix, index)
    last = text[text.rindex("\n") + 1 :]
    row = _row("summary", solution, forest, prefix, index, f"… {last}")
    return (
        f'<details class="branch">{row}<div class="inner text">{_text(text)}'
        "</div></details>"
    )


def _row(
    tag: str,
    solution: Solution,
    forest: _Forest,
    prefix: str,
    index: int,
    text: str = "",
) -> str:
    thought = solution.thoughts[index]
    score = "–" if thought.score is None else f"{thought.score:.2f}"
    tags = []
    if thought.kind != "step":
        tags.append(_text(thought.kind))
    if thought.count > 1:
        tags.append(f"×{thought.count}")
    tags.append(f"{thought.tokens} tok")
    if forest.below[index] and tag == "summary":
        tags.append(f"{forest.below[index]:,} below")
    classes = _classes(index, solution.thoughts, forest)
    return (
        f'<{tag} class="row {classes}" id="{prefix}t{index}">'
        f'<span class="round">{thought.round + 1}</span>'
        f'<span class="text">{_text(text or thought.text)}</span>'
        f'<span class="facts"><span class="score"{_score_style(thought)}>'
        f"{score}</span>{_verdict(thought.verdict)}"
        f'<span class="tags">{" · ".join(tags)}</span></span></{tag}>'
    )


_LEGEND = """
<p class="legend">
<span>score <i class="scale"></i> 0 to 1</span>
<span><svg width="12" height="12"><circle class="mark disc" cx="6" cy="6"
r="4.5"/></svg> valid</span>
<span><svg width="12" height="12"><path class="mark cross"
d="M2 2l8 8m0-8l-8 8"/></svg> invalid</span>
<span><svg width="12" height="12"><circle class="mark ring" cx="6" cy="6"
r="4.5"/></svg> not decided</span>
<span><svg width="14" height="14"><path class="mark disc"
d="M7 1l6 6l-6 6l-6-6z"/></svg> answer</span>
<span><svg width="22" height="12"><path class="win"
d="M1 6h20"/></svg> winning chain</span>
<span><svg width="22" height="12"><path class="cut"
d="M1 6h20"/></svg> pruned</span>
</p>"""
