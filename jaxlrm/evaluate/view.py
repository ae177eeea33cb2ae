"""Solutions as one HTML page: the answer, the votes, the cost, the tree.

The page needs no network and no other file. Model text is hostile: `view.html`
escapes whatever it is given, and a content security policy lets nothing run
but the page's own script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from jaxlrm import machine
from jaxlrm.engine.solution import Solution
from jaxlrm.evaluate import tree, words
from jaxlrm.files import visible


def render(solutions: Sequence[Solution]) -> str:
    """The page about `solutions`, in their order.

    Returns:
        A complete HTML document, to be written as UTF-8.
    """
    script = f"\n{_asset('view.js')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    title = "Reasoning tree"
    if len(solutions) == 1:
        title = words.shorten(solutions[0].problem, 60)
    return _template().render(
        title=title,
        script=Markup(script),
        digest=Markup(digest.decode()),
        style=Markup(_asset("view.css")),
        solutions=[(s, _tree(s)) for s in solutions],
    )


def _asset(name: str) -> str:
    """A file of the page, which lies beside this one."""
    return (resources.files("jaxlrm.evaluate") / name).read_text("utf-8")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        # All text but the page's own markup, so that no place forgets it.
        finalize=lambda value: visible(value) if type(value) is str else value,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "bytes": machine.format_bytes,
        "percent": words.percent,
        "plural": words.plural,
        "shorten": words.shorten,
    }
    environment.globals["verdicts"] = words.VERDICTS
    return environment.from_string(_asset("view.html"))


def _tree(solution: Solution):
    """The tree of a solution, its map and its outline; None if it has none."""
    if not solution.thoughts:
        return None
    found = tree.tree_of(solution)
    return (
        found,
        tree.map_of(solution, found),
        list(tree.outline(solution, found)),
    )
