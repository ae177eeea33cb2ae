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
from typing import NamedTuple

from jaxlrm.files import visible
from jaxlrm.solution import Solution, Thought
from jaxlrm.verify.verdict import Verdict

# Icon and word: colour alone tells some people nothing.
VERDICTS = {
    Verdict.VALID: ("✓", "valid"),
    Verdict.INVALID: ("✗", "invalid"),
    Verdict.UNKNOWN: ("?", "unknown"),
    Verdict.TIMEOUT: ("◷", "timeout"),
    Verdict.ERROR: ("!", "error"),
}


def render(solutions: Sequence[Solution]) -> str:
    """The page about `solutions`, in their order.

    Returns:
        A complete HTML document, to be written as UTF-8.
    """
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest())
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
        f"<title>{_text(title)} · jaxlrm</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n<main>\n{_contents(solutions)}{sections}</main>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
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
        tags.append(thought.kind)
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

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b2130; --soft: #5d6678;
  --line: #dfe3ea; --accent: #4f46e5; --tint: #eeedfd;
  --low: #d97706; --mid: #a8a29e; --high: #0d9488;
  --good: #15803d; --bad: #b91c1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10131a; --card: #181d27; --ink: #e6e9f0; --soft: #98a2b5;
    --line: #2b3342; --accent: #a5a0ff; --tint: #24244a;
    --low: #f59e0b; --mid: #78716c; --high: #2dd4bf;
    --good: #4ade80; --bad: #f87171;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 80px; }
section + section, nav + section {
  margin-top: 56px; padding-top: 40px; border-top: 1px solid var(--line);
}
h1 { font-size: 22px; margin: 0 0 12px; }
h2 { font-size: 22px; line-height: 1.35; margin: 0 0 20px; font-weight: 600; }
h3 {
  font-size: 12px; letter-spacing: .06em; text-transform: uppercase;
  color: var(--soft); margin: 0 0 10px; font-weight: 600;
}
section > h3, .head { margin-top: 36px; }
p { margin: 0 0 8px; }
small { color: var(--soft); font-size: 13px; display: block; }
.eyebrow { color: var(--accent); font-weight: 600; margin: 0 0 2px; }
.text {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono",
    monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
}
.note {
  border-left: 3px solid var(--low); padding: 6px 12px; margin: 0 0 20px;
  background: var(--card);
}
nav ol { margin: 0; padding: 0; list-style: none; }
nav li {
  display: flex; gap: 14px; align-items: baseline; padding: 6px 0;
  border-bottom: 1px solid var(--line);
}
nav a { flex: 1; color: inherit; text-decoration: none; }
nav a:hover { color: var(--accent); }
.cards { display: grid; gap: 14px; grid-template-columns: 1fr 1.5fr 1.2fr; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 16px 18px; min-width: 0;
}
.card p:last-child { margin: 0; color: var(--soft); font-size: 13px; }
.answer { font-size: 34px; line-height: 1.2; font-weight: 600; }
.badge {
  font-size: 12px; font-weight: 600; padding: 2px 9px; border-radius: 99px;
  white-space: nowrap; border: 1px solid currentColor; margin-right: 6px;
}
.yes { color: var(--good); } .no { color: var(--bad); }
.bar {
  display: block; height: 6px; border-radius: 3px; background: var(--line);
  overflow: hidden; margin: 12px 0 4px;
}
.bar i {
  display: block; height: 100%; background: var(--accent);
  border-radius: 3px; min-width: 2px;
}
.votes { list-style: none; margin: 0; padding: 0; font-size: 13px; }
.votes li {
  display: grid; grid-template-columns: 1fr auto auto; column-gap: 12px;
  color: var(--soft);
}
.votes li + li { margin-top: 10px; }
.votes .text { font-size: 15px; font-weight: 600; color: var(--ink); }
.votes .bar { grid-column: 1 / -1; margin: 4px 0 0; }
.votes li + li .bar i { opacity: .55; }
dl {
  display: grid; grid-template-columns: auto 1fr; gap: 4px 16px; margin: 0;
  font-variant-numeric: tabular-nums;
}
dt { color: var(--soft); } dd { margin: 0; }
.verdict { white-space: nowrap; font-size: 13px; color: var(--soft); }
.verdict b { display: inline-block; width: 1em; text-align: center; }
.valid { color: var(--good); } .invalid { color: var(--bad); }
.legend {
  display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 13px;
  color: var(--soft);
}
.legend span { display: flex; align-items: center; gap: 6px; }
.scale {
  width: 72px; height: 8px; border-radius: 4px; background:
    linear-gradient(90deg, var(--low), var(--mid), var(--high));
}
.map {
  overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; padding: 10px 8px;
}
.map svg { display: block; margin: 0 auto; width: 100%; height: auto; }
.rounds text {
  font-size: 11px; fill: var(--soft); text-anchor: middle;
}
path.win, path.kept, path.cut { fill: none; stroke: var(--soft); }
path.kept { stroke-opacity: .55; stroke-width: 1.2; }
path.cut { stroke-opacity: .28; stroke-dasharray: 2 3; }
path.win { stroke: var(--accent); stroke-width: 3; }
.root { fill: var(--accent); }
.mark { --c: var(--mid); }
[style] > .mark, .score[style] {
  --c: color-mix(in oklab, var(--high) clamp(0%, (var(--s) - 50%) * 2, 100%),
    color-mix(in oklab, var(--mid) clamp(0%, var(--s) * 2, 100%),
      var(--low)));
}
.legend .mark { --c: var(--soft); }
.disc { fill: var(--c); stroke: var(--card); stroke-width: 1; }
.ring { fill: var(--card); stroke: var(--c); stroke-width: 1.8; }
.cross { stroke: var(--c); stroke-width: 1.8; fill: none; }
a.cut .mark { opacity: .6; }
a.win .mark { stroke: var(--accent); stroke-width: 2; }
a:hover .mark, a.lit .mark { opacity: 1; stroke: var(--ink); stroke-width: 2; }
.inspect {
  font-size: 13px; color: var(--soft); margin: 8px 2px 0; min-height: 3em;
}
.inspect .text { display: block; color: var(--ink); font-size: 15px; }
.head { display: flex; align-items: baseline; gap: 16px; flex-wrap: wrap; }
.tools { display: flex; gap: 8px; }
[hidden] { display: none; }
button {
  font: inherit; font-size: 13px; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 7px; padding: 3px 11px;
  cursor: pointer;
}
button:hover { border-color: var(--accent); }
.row {
  display: flex; gap: 12px; align-items: baseline; padding: 5px 12px;
  border-left: 3px solid transparent; border-radius: 6px; margin: 3px 0;
  scroll-margin: 30vh;
}
.row .text { flex: 1; }
.row.problem { margin: 0; font-weight: 600; }
.row.problem .round { color: var(--accent); }
.row.win { border-left-color: var(--accent); background: var(--tint); }
.row.win .text { font-weight: 600; }
.row.cut .text { color: var(--soft); }
.row.cut .facts { opacity: .75; }
.row:target, .row.found { outline: 2px solid var(--accent); }
.round {
  font-size: 12px; color: var(--soft); min-width: 1.6em; text-align: right;
  font-variant-numeric: tabular-nums;
}
.facts {
  display: grid; grid-template-columns: 3.4em 6em 13em; gap: 10px;
  align-items: baseline; font-size: 13px;
}
.score {
  font-variant-numeric: tabular-nums; text-align: center; border-radius: 5px;
  background: color-mix(in srgb, var(--c, var(--line)) 24%, transparent);
  border-bottom: 2px solid var(--c, var(--line));
}
.tags { color: var(--soft); }
details > summary { cursor: pointer; list-style: none; }
details > summary::-webkit-details-marker { display: none; }
details.branch > summary .round::before, details.cut > summary::before {
  content: "▸"; display: inline-block; width: 1.1em; color: var(--soft);
}
details[open].branch > summary .round::before,
details[open].cut > summary::before { content: "▾"; }
.inner.text { padding: 0 12px 8px 38px; border: 0; }
.inner {
  margin-left: 13px; padding-left: 10px; border-left: 1px solid var(--line);
}
details.cut > summary {
  font-size: 13px; color: var(--soft); padding: 1px 12px 1px 42px;
}
details.cut > summary:hover, summary.row:hover .text { color: var(--accent); }
details.cut > .row { margin-left: 30px; }
@media (max-width: 800px) {
  main { padding: 18px 12px 60px; }
  .cards { grid-template-columns: 1fr; }
  h2 { font-size: 18px; }
  .row { flex-wrap: wrap; column-gap: 10px; row-gap: 2px; padding: 6px 8px; }
  .row .text { flex: 1 1 70%; }
  .facts {
    flex-basis: 100%; padding-left: 2.4em;
    grid-template-columns: 3.2em 5.4em 1fr;
  }
  .inner { margin-left: 4px; padding-left: 6px; }
  details.cut > .row { margin-left: 12px; }
  nav li { flex-wrap: wrap; } nav a { flex-basis: 100%; }
}
"""

_SCRIPT = """
"use strict";
const find = (id) => document.getElementById(id);
function reveal(row) {
  for (let up = row.parentElement; up; up = up.parentElement)
    if (up.tagName === "DETAILS") up.open = true;
}
function arrive() {
  const row = find(location.hash.slice(1));
  if (!row || !row.classList.contains("row")) return;
  reveal(row);
  row.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", arrive);
arrive();
for (const tools of document.querySelectorAll(".tools")) {
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    if (!event.target.dataset || event.target.dataset.open === undefined)
      return;
    const open = event.target.dataset.open === "1";
    const section = tools.closest("section");
    for (const part of section.querySelectorAll("details"))
      part.open = open || "win" in part.dataset;
  });
}
for (const map of document.querySelectorAll(".map")) {
  const inspect = map.nextElementSibling;
  inspect.hidden = false;
  inspect.textContent = "Point at a thought to read it, click to find it.";
  const links = new Map();
  for (const link of map.querySelectorAll("a"))
    links.set(link.getAttribute("href").slice(1), link);
  map.addEventListener("mouseover", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    for (const other of links.values()) other.classList.remove("lit");
    for (let up = link; up; up = links.get(up.dataset.parent))
      up.classList.add("lit");
    const row = find(link.getAttribute("href").slice(1));
    const text = document.createElement("span");
    text.className = "text";
    text.textContent = row.querySelector(".text").textContent;
    inspect.replaceChildren(text, link.dataset.about);
  });
  map.addEventListener("mouseleave", () => {
    for (const other of links.values()) other.classList.remove("lit");
  });
}
"""
