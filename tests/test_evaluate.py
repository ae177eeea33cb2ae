"""Datasets, statistics, and records that survive."""

from __future__ import annotations

import json
import re

import pytest

from jaxlrm import evaluate, tasks
from jaxlrm.config import SearchConfig
from jaxlrm.evaluate import Example
from tests import fakes

CONFIG = SearchConfig(branches=8)
GOOD = {"id": "a", "problem": "p", "answer": "5"}


def write_lines(path, *records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- Datasets ---------------------------------------------------------------


def test_read_dataset(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"id": "a", "problem": "p", "answer": "5", "level": 3}\n'
        b"\n"
        b'{"problem": "q\xe2\x80\xa8r", "answer": "6", "task": "linear"}\r\n'
        b'{"id": null, "problem": "s", "answer": "7", "task": null}'
    )
    assert evaluate.read_dataset(path) == [
        Example("a", "p", "5"),
        Example("3", "q\u2028r", "6", "linear"),
        Example("4", "s", "7"),
    ]


def test_sample_dataset_by_level():
    examples = evaluate.sample_dataset(["gcd", "linear@7", "gcd@6"], 30)
    levels = [(e.id.split("-")[0], e.level) for e in examples]
    assert [level for name, level in levels if name == "gcd"] == [
        1,
        2,
        3,
        4,
        5,
        1,
        2,
        3,
        4,
        5,
    ]
    assert {pair for pair in levels if pair[0] != "gcd"} == {
        ("linear@7", 7),
        ("gcd@6", 6),
    }
    every = evaluate.sample_dataset(["all@6"], len(tasks.TASKS))
    assert [e.task for e in every] == list(tasks.TASKS)
    with pytest.raises(ValueError, match="unknown level '8' in 'gcd@8'"):
        evaluate.sample_dataset(["gcd@8"], 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "d.jsonl:2: not JSON"),
        (b"[" * 100_000, "d.jsonl:2: not JSON"),
        (b"[1, 2]", "d.jsonl:2: not an object"),
        (b'{"id": "b", "answer": "5"}', "d.jsonl:2: 'problem' is missing"),
        (b'{"id": "b", "problem": "p"}', "d.jsonl:2: 'answer' is missing"),
        (b'{"problem": "p", "answer": 5}', "'answer' is 5; write a string"),
        (b'{"problem": " ", "answer": "5"}', "'problem' is empty"),
        (b'{"problem": "\\ud800", "answer": "5"}', "surrogate"),
        (b'{"id": 3, "problem": "p", "answer": "5"}', "'id' is 3"),
        (
            b'{"problem": "p", "answer": "5", "task": "lin"}',
            "d.jsonl:2: unknown task 'lin'; known tasks: linear",
        ),
        (
            b'{"id": "a", "problem": "p", "answer": "5"}',
            "d.jsonl:2: id 'a' was used before",
        ),
        (b"\xff\xfe", "d.jsonl:2: byte 0xff is not UTF-8"),
    ],
)
def test_read_dataset_names_the_line(tmp_path, line, message):
    path = tmp_path / "d.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line)
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate.read_dataset(path)


def test_read_dataset_needs_a_file_with_problems(tmp_path):
    with pytest.raises(ValueError, match="d.jsonl: No such file"):
        evaluate.read_dataset(tmp_path / "d.jsonl")
    with pytest.raises(ValueError, match="Is a directory"):
        evaluate.read_dataset(tmp_path)
    (tmp_path / "d.jsonl").write_text("\n \n")
    with pytest.raises(ValueError, match="d.jsonl holds no problem"):
        evaluate.read_dataset(tmp_path / "d.jsonl")


def test_read_problems_takes_lines_or_objects():
    assert evaluate.read_problems(b"p\n\n q \n", "f") == [
        Example("1", "p"),
        Example("3", "q"),
    ]
    lines = b'\n{"problem": "p"}\n{"problem": "q", "answer": "5"}'
    assert evaluate.read_problems(lines, "f") == [
        Example("2", "p"),
        Example("3", "q", "5"),
    ]
    with pytest.raises(ValueError, match="f:2: not JSON"):
        evaluate.read_problems(b'{"problem": "p"}\nq', "f")


def test_sample_dataset_shares_the_number_and_repeats_itself():
    examples = evaluate.sample_dataset(["linear", "arithmetic"], 21)
    names = ("linear", "arithmetic")
    counts = [sum(e.task == name for e in examples) for name in names]
    assert counts == [11, 10]
    for field in ("id", "problem"):
        assert len({getattr(e, field) for e in examples}) == 21
    assert examples[:7] == evaluate.sample_dataset(["linear", "arithmetic"], 7)
    assert examples != evaluate.sample_dataset(["linear", "arithmetic"], 21, 1)
    for example in examples:
        assert tasks.recognise(example.problem)[0].name == example.task


@pytest.mark.parametrize(
    ("names", "number"), [([], 5), (["lin"], 5), (["linear"], 0)]
)
def test_sample_dataset_refuses(names, number):
    with pytest.raises(ValueError):
        evaluate.sample_dataset(names, number)


@pytest.mark.parametrize(
    ("answer", "gold", "task", "expected"),
    [
        ("5", "5", None, True),
        ("10/2", "5", None, True),
        ("6", "5", None, False),
        (None, "5", None, False),
        ("5.0", "5", "linear", True),
        # The value is right, but the problem says no more than that.
        ("3 + 2", "5", "arithmetic", False),
        ("3 + 2", "5", None, True),
        ("-5", "5", "linear", False),
    ],
)
def test_is_correct(answer, gold, task, expected):
    assert (
        evaluate.is_correct(Example("a", "p", gold, task), answer) == expected
    )


# --- Running ----------------------------------------------------------------


def examples_of(*problems):
    return [Example(f"id{i}", p, "5") for i, p in enumerate(problems)]


def test_evaluate_writes_records_summary_and_config(tmp_path):
    examples = examples_of("right", "wrong", "fail", "lost")
    seen = []
    summary = evaluate.evaluate(
        fakes.Engine(),
        examples,
        CONFIG,
        tmp_path,
        recorded=lambda records: seen.append(len(records)),
    )
    assert seen == [0, 1, 2, 3, 4]
    records = {r["id"]: r for r in read_lines(tmp_path / "records.jsonl")}
    assert records["id0"] == {
        "id": "id0",
        "task": None,
        "level": None,
        "problem": "right",
        "answer": "5",
        "gold": "5",
        "correct": True,
        "verdict": "VALID",
        "confidence": 0.97,
        "strategy": "beam",
        "branches": 8,
        "seed": 0,
        "tokens": {"generator": 1234, "verifier": 567},
        "seconds": {"total": 1.5, "model": 1.25, "verify": 0.25},
        "error": None,
    }
    assert [records[e.id]["correct"] for e in examples] == [True] + 3 * [False]
    assert "900 tokens" in records["id2"]["error"]
    # No answer was found, but it was looked for.
    assert records["id3"]["error"] is None
    assert records["id3"]["answer"] is None
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (summary["n"], summary["correct"], summary["errors"]) == (4, 1, 1)
    assert summary["tokens"]["generator"] == {"mean": 925.5, "total": 3702}
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["search"]["branches"] == 8
    assert config["weights"] == fakes.Engine.weights_hash
    assert config["jaxlrm"]


def test_greedy_has_one_branch(tmp_path):
    config = SearchConfig(strategy="greedy")
    evaluate.evaluate(fakes.Engine(), examples_of("p"), config, tmp_path)
    (record,) = read_lines(tmp_path / "records.jsonl")
    assert (record["strategy"], record["branches"]) == ("greedy", 1)


class Counting(fakes.Engine):
    """Notes what it is asked to solve."""

    def __init__(self):
        self.asked = []

    def solve(self, problems, *arguments, **options):
        self.asked.append(list(problems))
        return super().solve(problems, *arguments, **options)


def test_what_is_recorded_is_not_solved_again(tmp_path):
    engine = Counting()
    evaluate.evaluate(engine, examples_of("a", "b"), CONFIG, tmp_path)
    path = tmp_path / "records.jsonl"
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"id": "id2", "probl')  # killed in the middle
    evaluate.evaluate(engine, examples_of("a", "b", "c"), CONFIG, tmp_path)
    evaluate.evaluate(engine, examples_of("a", "b", "c"), CONFIG, tmp_path)
    assert engine.asked == [["a", "b"], ["c"]]
    assert path.read_bytes().startswith(before)
    assert sorted(r["id"] for r in read_lines(path)) == ["id0", "id1", "id2"]
    assert json.loads((tmp_path / "summary.json").read_text())["n"] == 3


def test_a_half_written_first_line_is_dropped(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"id": "id0"')
    evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    assert len(read_lines(tmp_path / "records.jsonl")) == 1


def test_another_run_is_refused(tmp_path):
    evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    before = (tmp_path / "records.jsonl").read_bytes()
    other = SearchConfig(branches=16, seed=1)
    with pytest.raises(ValueError, match="search.branches was 8 and is 16 now"):
        evaluate.evaluate(fakes.Engine(), examples_of("a"), other, tmp_path)
    engine = fakes.Engine()
    engine.weights_hash = "1" * 64
    with pytest.raises(ValueError, match="weights was '000"):
        evaluate.evaluate(engine, examples_of("a"), CONFIG, tmp_path)
    for examples in (examples_of("b"), [Example("id0", "a", "6")]):
        with pytest.raises(ValueError, match="records.jsonl:1: problem 'id0'"):
            evaluate.evaluate(fakes.Engine(), examples, CONFIG, tmp_path)
    assert (tmp_path / "records.jsonl").read_bytes() == before


@pytest.mark.parametrize("line", [b"nonsense\n", b"3\n", b'{"id": "id0"}\n'])
def test_a_broken_record_is_named(tmp_path, line):
    (tmp_path / "records.jsonl").write_bytes(line)
    with pytest.raises(ValueError, match="records.jsonl:1: not a record"):
        evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


def test_a_record_twice_is_named(tmp_path):
    evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    path = tmp_path / "records.jsonl"
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(ValueError, match="records.jsonl:2: a second record"):
        evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


def test_records_without_their_config_are_refused(tmp_path):
    evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="config.json cannot be read"):
        evaluate.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


# --- Statistics -------------------------------------------------------------


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
    assert evaluate.wilson(successes, n) == pytest.approx(expected, abs=5e-5)


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="3 successes of 2"):
        evaluate.wilson(3, 2)


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
    summary = evaluate.summarise(records)
    assert (summary["n"], summary["accuracy"]) == (4, 0.75)
    assert summary["interval"] == list(evaluate.wilson(3, 4))
    assert summary["seconds"] == {
        "p50": pytest.approx(2.5),
        "p95": pytest.approx(86.3),
    }
    linear = summary["tasks"]["linear"]
    assert (linear["n"], linear["accuracy"], linear["errors"]) == (2, 0.5, 1)
    assert linear["tokens"] == {
        "generator": {"mean": 20.0, "total": 40},
        "verifier": {"mean": 1.0, "total": 2},
    }
    assert set(summary["tasks"]) == {"linear", "arithmetic"}


def test_summarise_nothing():
    summary = evaluate.summarise([])
    assert (summary["n"], summary["interval"]) == (0, [0.0, 1.0])


# --- Tables -----------------------------------------------------------------


def test_combinations_run_the_baselines_once():
    assert evaluate.combinations(
        ["greedy", "majority", "beam", "beam"], ["symbolic", "both"]
    ) == [
        ("greedy", "none"),
        ("majority", "none"),
        ("majority", "symbolic"),
        ("beam", "symbolic"),
        ("beam", "both"),
    ]


def test_a_single_combination_is_run_as_asked():
    assert evaluate.combinations(["majority"], ["both"]) == [
        ("majority", "both")
    ]
    with pytest.raises(ValueError):
        evaluate.combinations([], ["both"])


def test_table_shows_a_dash_where_nothing_was_run():
    def summary(correct):
        return evaluate.summarise(
            [record("linear", i < correct, 1234, 1.0) for i in range(10)]
        )

    text = evaluate.table(
        {
            ("beam", "both"): summary(9),
            ("greedy", "none"): summary(1),
            ("beam", "learned"): summary(5),
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


def test_table_of_several_tasks_has_a_part_for_each():
    summary = evaluate.summarise(
        [record("linear", True, 1, 1.0), record("arithmetic", False, 1, 1.0)]
    )
    text = evaluate.table({("beam", "both"): summary}, branches=8)
    assert "All problems (n = 2)" in text
    assert "Task linear (n = 1)" in text
    assert "Task arithmetic (n = 1)" in text
