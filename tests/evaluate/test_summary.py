"""Statistics of records."""

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
