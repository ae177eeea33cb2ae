"""Records that survive a kill."""

from __future__ import annotations

import json
import re

import pytest

from jaxlrm.config import SearchConfig
from jaxlrm.evaluate import run, tables
from jaxlrm.evaluate.datasets import Example
from tests import fakes

CONFIG = SearchConfig(branches=8)


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def examples_of(*problems):
    return [Example(f"id{i}", p, "5") for i, p in enumerate(problems)]


def test_evaluate_writes_records_summary_and_config(tmp_path):
    examples = examples_of("right", "wrong", "fail", "lost")
    seen = []
    summary = run.evaluate(
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
    run.evaluate(fakes.Engine(), examples_of("p"), config, tmp_path)
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
    run.evaluate(engine, examples_of("a", "b"), CONFIG, tmp_path)
    path = tmp_path / "records.jsonl"
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"id": "id2", "probl')  # killed in the middle
    run.evaluate(engine, examples_of("a", "b", "c"), CONFIG, tmp_path)
    run.evaluate(engine, examples_of("a", "b", "c"), CONFIG, tmp_path)
    assert engine.asked == [["a", "b"], ["c"]]
    assert path.read_bytes().startswith(before)
    assert sorted(r["id"] for r in read_lines(path)) == ["id0", "id1", "id2"]
    assert json.loads((tmp_path / "summary.json").read_text())["n"] == 3


def test_a_half_written_first_line_is_dropped(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"id": "id0"')
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    assert len(read_lines(tmp_path / "records.jsonl")) == 1


def test_another_run_is_refused(tmp_path):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    before = (tmp_path / "records.jsonl").read_bytes()
    other = SearchConfig(branches=16, seed=1)
    with pytest.raises(ValueError, match="search.branches was 8 and is 16 now"):
        run.evaluate(fakes.Engine(), examples_of("a"), other, tmp_path)
    engine = fakes.Engine()
    engine.weights_hash = "1" * 64
    with pytest.raises(ValueError, match="weights was '000"):
        run.evaluate(engine, examples_of("a"), CONFIG, tmp_path)
    for examples in (
        examples_of("b"),
        [Example("id0", "a", "6")],
        [Example("id0", "a", "5", "linear")],
    ):
        with pytest.raises(ValueError, match="records.jsonl:1: problem 'id0'"):
            run.evaluate(fakes.Engine(), examples, CONFIG, tmp_path)
    assert (tmp_path / "records.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "1" * 16),
        ("rewards", [[False, 2.0, 0.0]]),
        ("checkers", ["signs:flip"]),
        ("extensions", ["kinship"]),
    ],
)
def test_records_of_other_verifiers_are_refused(tmp_path, name, value):
    engine = fakes.Engine()
    run.evaluate(engine, examples_of("a"), CONFIG, tmp_path)
    engine.identity = lambda: {**fakes.Engine().identity(), name: value}
    with pytest.raises(ValueError, match=f"run: engine.{name} was .* now"):
        run.evaluate(engine, examples_of("a", "b"), CONFIG, tmp_path)


def test_records_of_an_older_version_are_refused(tmp_path):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["engine"]
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="engine.model was not recorded"):
        run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correct": ...}, "lacks 'correct'; it must be true or false"),
        ({"correct": "yes"}, "correct is 'yes'; it must be true or false"),
        ({"correct": 1}, "correct is 1; it must be true or false"),
        ({"tokens": "many"}, "tokens is 'many'; it must be an object"),
        (
            {"tokens": {"generator": "9"}},
            "tokens: generator is '9'; it must be",
        ),
        ({"tokens": {"generator": 1e400}}, "tokens: generator is inf"),
        ({"tokens": {"verifier": 10**400}}, "tokens: verifier is 1000"),
        ({"tokens": {"generator": -1}}, "tokens: generator is -1"),
        ({"seconds": None}, "seconds is None; it must be an object"),
        ({"seconds": {"total": float("nan")}}, "seconds: total is nan"),
        ({"error": ...}, "lacks 'error'"),
        ({"error": 3}, "error is 3; it must be text"),
        ({"answer": ...}, "lacks 'answer'"),
        ({"level": "\x1b[2J"}, r"level is '\x1b[2J'; it must be an integer"),
        ({"task": ["a"]}, "task is ['a']; it must be text"),
        ({"problem": ...}, "lacks 'problem'; it must be text"),
        ({"gold": 5}, "gold is 5; it must be text"),
        ({"id": None}, "id is None; it must be text"),
    ],
)
def test_a_field_of_a_record_is_checked(tmp_path, changes, message):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    path = tmp_path / "records.jsonl"
    record = {**json.loads(path.read_text()), **changes}
    record = {k: v for k, v in record.items() if v is not ...}
    path.write_text(json.dumps(record) + "\n")
    message = re.escape(message) + ".*; delete the line, and its problem is"
    with pytest.raises(ValueError, match=f"records.jsonl:1.*{message}"):
        run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nonsense", "records.jsonl:1: not JSON"),
        (b"3", "records.jsonl:1: not a record but 3"),
        (b'{"id": "id0"}', "records.jsonl:1 lacks 'problem'"),
        (b"[" * 100_000, "records.jsonl:1: brackets are nested more than 64"),
        (b"1" * 5000, "records.jsonl:1: not JSON: Exceeds the limit"),
        (b"\xff", "records.jsonl:1.*: byte 0xff is not UTF-8"),
        (b"", "records.jsonl:1: not JSON"),
    ],
    ids=range(7),
)
def test_a_broken_record_is_named(tmp_path, line, message):
    (tmp_path / "records.jsonl").write_bytes(line + b"\n")
    with pytest.raises(ValueError, match=f"{message}.*; delete the line, and"):
        run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


def test_a_second_writer_is_refused(tmp_path):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    before = (tmp_path / "records.jsonl").read_bytes()

    class Other(fakes.Engine):
        def solve(self, *arguments, **options):
            with pytest.raises(BlockingIOError, match="is being written to by"):
                run.evaluate(
                    fakes.Engine(), examples_of("a", "b"), CONFIG, tmp_path
                )
            assert (tmp_path / "records.jsonl").read_bytes() == before
            return super().solve(*arguments, **options)

    run.evaluate(Other(), examples_of("a", "b"), CONFIG, tmp_path)
    assert len(read_lines(tmp_path / "records.jsonl")) == 2


def test_labels_steer_no_terminal(tmp_path):
    examples = [Example("a", "p", "5", "\x1b[2J"), Example("b", "q", "5", "z")]
    found = run.evaluate(fakes.Engine(), examples, CONFIG, tmp_path)
    text = tables.table({("beam", "both"): found}, 8)
    assert "Task ␛[2J (n = 1)" in text and "\x1b" not in text


def test_a_record_twice_is_named(tmp_path):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    path = tmp_path / "records.jsonl"
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(ValueError, match="records.jsonl:2: a second record"):
        run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)


def test_records_without_their_config_are_refused(tmp_path):
    run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="config.json cannot be read"):
        run.evaluate(fakes.Engine(), examples_of("a"), CONFIG, tmp_path)
