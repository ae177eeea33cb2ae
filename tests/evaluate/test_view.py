"""The page about a tree: whole, self-contained, and safe."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest

from jaxlrm.engine.solution import Vote
from jaxlrm.evaluate import view
from jaxlrm.verify import Verdict
from tests import fakes

VOID = {"meta"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """Elements of a page, with a check that they are nested."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self):
        return [a["id"] for _, a in self.elements if "id" in a]


def test_every_thought_is_in_the_map_and_in_the_outline():
    solution = fakes.large()
    page = Page(view.render([solution]))
    rows = [name for name in page.ids() if name.startswith("p0t")]
    assert sorted(rows) == sorted(
        f"p0t{index}" for index in range(len(solution.thoughts))
    )
    targets = {a["href"] for a in page.of("a")}
    assert targets == {f"#{name}" for name in rows}
    text = "".join(page.text)
    for thought in solution.thoughts:
        assert text.count(thought.text) >= 2


def test_winning_chain_and_pruned_branches_are_marked():
    page = Page(view.render([fakes.solution()]))
    rows = {
        a["id"]: a["class"]
        for _, a in page.elements
        if "id" in a and a["id"].startswith("p0t")
    }
    assert rows == {
        "p0t0": "row win",
        "p0t1": "row cut",
        "p0t2": "row win",
    }
    text = " ".join("".join(page.text).split())
    for words in ("1 pruned, all invalid", "✗ invalid", "✓ valid", "×2"):
        assert words in text


def test_the_summary_says_answer_confidence_votes_and_cost():
    text = " ".join("".join(Page(view.render([fakes.solution()])).text).split())
    for words in ("solved", "97", "1,234 tokens", "567 tokens", "3 chains"):
        assert words in text
    for words in ("1.50 s", "3.15 MB", "25.2 MB", "2 kept, 1 pruned"):
        assert words in text


def test_the_page_needs_nothing_else_and_runs_only_its_own_script():
    text = view.render([fakes.large()])
    page = Page(text)
    assert not re.search(r"(?:https?:)?//\w", text.partition("<body>")[2])
    assert not page.of("link") and not page.of("img")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    (policy,) = (a["content"] for a in page.of("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest.decode()}'" in policy


def test_hostile_text_stays_text():
    thoughts = (
        fakes.thought(-1, HOSTILE),
        fakes.thought(-1, HOSTILE, kept=False),
        fakes.thought(0, f"{HOSTILE}\n\n{HOSTILE}\n{HOSTILE}", kind="answer"),
    )
    solution = dataclasses.replace(
        fakes.solution(HOSTILE, thoughts),
        answer=HOSTILE,
        note=HOSTILE,
        votes=(Vote(HOSTILE, 1.0, 1, Verdict.VALID),),
    )
    text = view.render([solution, solution])
    page = Page(text)
    assert text.count("<script") == 1
    assert not page.of("img")
    assert not [
        a for _, a in page.elements if any(k.startswith("on") for k in a)
    ]
    assert HOSTILE in "".join(page.text)


@pytest.mark.parametrize(
    "bad",
    [
        *("\x1b[2J", "\x00", "\x9b", "\u202e", "\ud800", "\u200b", "\u200e"),
        *("\u200f", "\u061c", "\ufeff", "\U000e0041", "\u2066", "\xad"),
    ],
)
def test_controls_are_made_visible(bad):
    thoughts = (fakes.thought(-1, f"a{bad}b", kind="answer"),)
    solution = dataclasses.replace(
        fakes.solution(f"one{bad}two", thoughts), answer=f"5{bad}"
    )
    text = view.render([solution])
    assert bad not in text
    text.encode("utf-8")
    assert view.visible("a\tb\nc") == "a\tb\nc"


def test_a_kind_of_thought_is_text_as_well():
    thoughts = (fakes.thought(-1, "x = 5", kind=HOSTILE),)
    page = Page(view.render([fakes.solution("p", thoughts)]))
    assert not page.of("img")


def test_whole_chains_open_and_close():
    lines = "4*x = 20\n2*x = 10\nx = 5"
    thoughts = (
        fakes.thought(-1, lines, kind="answer"),
        fakes.thought(-1, lines.replace("5", "7"), kind="answer", score=None),
    )
    text = view.render([fakes.solution("p", thoughts, strategy="majority")])
    Page(text)
    assert "… x = 7" in text and "… x = 5" not in text


def test_what_was_not_searched_has_a_note_and_no_tree():
    solution = fakes.Engine().solve(["fail"])[0]
    page = Page(view.render([solution]))
    text = "".join(page.text)
    assert "not answered" in text and "900 tokens" in text
    assert not page.of("svg")


def test_several_problems_have_a_table_of_contents():
    solutions = fakes.Engine().solve(["one", "unsolved"])
    page = Page(view.render(solutions))
    assert {a["id"] for a in page.of("section")} == {"p0", "p1"}
    assert "2 problems, 1 solved" in "".join(page.text)
    assert len(set(page.ids())) == len(page.ids())


def test_long_chains_do_not_nest():
    thoughts = tuple(
        fakes.thought(index - 1, f"step {index}", round=index)
        for index in range(3000)
    )
    solution = dataclasses.replace(
        fakes.solution("p", thoughts), best_chain=tuple(range(3000))
    )
    text = view.render([solution])
    assert text.count("<details") == 0


def test_no_problems_at_all():
    text = view.render([])
    assert text.startswith("<!doctype html>")
    Page(text)
