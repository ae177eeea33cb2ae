"""Tables of summaries."""

from __future__ import annotations

import pytest

from jaxlrm.evaluate import summary, tables


def record(task, correct, tokens=1):
    return {
        "task": task,
        "correct": correct,
        "tokens": {"generator": tokens, "verifier": 1},
        "seconds": {"total": 1.0},
        "error": None,
    }


def test_combinations_run_the_baselines_once():
    assert tables.combinations(
        ["greedy", "majority", "beam", "beam"], ["symbolic", "both"]
    ) == [
        ("greedy", "none"),
        ("majority", "none"),
        ("majority", "symbolic"),
        ("beam", "symbolic"),
        ("beam", "both"),
    ]


def test_a_single_combination_is_run_as_asked():
    assert tables.combinations(["majority"], ["both"]) == [("majority", "both")]
    with pytest.raises(ValueError):
        tables.combinations([], ["both"])


def test_table_shows_a_dash_where_nothing_was_run():
    def of(correct):
        return summary.summarise(
            [record("linear", i < correct, 1234) for i in range(10)]
        )

    text = tables.table(
        {
            ("beam", "both"): of(9),
            ("greedy", "none"): of(1),
            ("beam", "learned"): of(5),
        },
        branches=64,
    )
    title, blank, *rows = text.splitlines()
    assert "n = 10" in title and blank == ""
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert cells[0] == ["strategy", "no verifier", "learned scores", "both"]
    assert cells[2:] == [
        ["greedy", "10.0 [1.8, 40.4], 1,234", "–", "–"],
        [
            "beam@64",
            "–",
            "50.0 [23.7, 76.3], 1,234",
            "90.0 [59.6, 98.2], 1,234",
        ],
    ]
    assert len({len(row) for row in rows}) == 1


def test_table_has_strategies_of_ones_own():
    found = summary.summarise([record("linear", True)])
    names = ["own:second", "beam", "own:first"]
    pairs = [(name, v) for name in names for v in ("learned", "both")]
    text = tables.table(dict.fromkeys(pairs, found), branches=8)
    rows = [row.split("|")[1].strip() for row in text.splitlines()[4:]]
    assert rows == ["beam@8", "own:second@8", "own:first@8"]


def test_table_of_several_tasks_has_a_part_for_each():
    found = summary.summarise(
        [record("linear", True), record("arithmetic", False)]
    )
    text = tables.table({("beam", "both"): found}, branches=8)
    assert "All problems (n = 2)" in text
    assert "Task linear (n = 1)" in text
    assert "Task arithmetic (n = 1)" in text
