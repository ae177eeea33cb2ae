"""Statistics of records, and their tables."""

from __future__ import annotations

import pytest

from jaxlrm.evaluate import summary


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [
        # Newcombe 1998, table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (20, 20, (0.8389, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson(successes, n, expected):
    assert summary.wilson(successes, n) == pytest.approx(expected, abs=5e-5)


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="3 successes of 2"):
        summary.wilson(3, 2)


def record(task, correct, tokens, seconds, error=None):
    return {
        "task": task,
        "correct": correct,
        "tokens": {"generator": tokens, "verifier": 1},
        "seconds": {"total": seconds},
        "error": error,
    }


def test_summarise_by_task_and_in_all():
    records = [
        record("linear", True, 10, 1.0),
        record("linear", False, 30, 3.0, "too long"),
        record("arithmetic", True, 20, 2.0),
        record(None, True, 40, 101.0),
    ]
    found = summary.summarise(records)
    assert (found["n"], found["accuracy"]) == (4, 0.75)
    assert found["interval"] == list(summary.wilson(3, 4))
    assert found["seconds"] == {
        "p50": pytest.approx(2.5),
        "p95": pytest.approx(86.3),
    }
    linear = found["tasks"]["linear"]
    assert (linear["n"], linear["accuracy"], linear["errors"]) == (2, 0.5, 1)
    assert linear["tokens"] == {
        "generator": {"mean": 20.0, "total": 40},
        "verifier": {"mean": 1.0, "total": 2},
    }
    assert set(found["tasks"]) == {"linear", "arithmetic"}


def test_summarise_nothing():
    found = summary.summarise([])
    assert (found["n"], found["interval"]) == (0, [0.0, 1.0])


def test_combinations_run_the_baselines_once():
    assert summary.combinations(
        ["greedy", "majority", "beam", "beam"], ["symbolic", "both"]
    ) == [
        ("greedy", "none"),
        ("majority", "none"),
        ("majority", "symbolic"),
        ("beam", "symbolic"),
        ("beam", "both"),
    ]


def test_a_single_combination_is_run_as_asked():
    assert summary.combinations(["majority"], ["both"]) == [
        ("majority", "both")
    ]
    with pytest.raises(ValueError):
        summary.combinations([], ["both"])


def test_table_shows_a_dash_where_nothing_was_run():
    def of(correct):
        return summary.summarise(
            [record("linear", i < correct, 1234, 1.0) for i in range(10)]
        )

    text = summary.table(
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
    found = summary.summarise([record("linear", True, 1, 1.0)])
    names = ["own:second", "beam", "own:first"]
    pairs = [(name, v) for name in names for v in ("learned", "both")]
    text = summary.table(dict.fromkeys(pairs, found), branches=8)
    rows = [row.split("|")[1].strip() for row in text.splitlines()[4:]]
    assert rows == ["beam@8", "own:second@8", "own:first@8"]


def test_table_of_several_tasks_has_a_part_for_each():
    found = summary.summarise(
        [record("linear", True, 1, 1.0), record("arithmetic", False, 1, 1.0)]
    )
    text = summary.table({("beam", "both"): found}, branches=8)
    assert "All problems (n = 2)" in text
    assert "Task linear (n = 1)" in text
    assert "Task arithmetic (n = 1)" in text
