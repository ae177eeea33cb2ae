"""Files of problems, drawn families, and what counts as correct."""

from __future__ import annotations

import json
import random
import re

import pytest

from jaxlrm import datasets, tasks
from jaxlrm.datasets import Example
from jaxlrm.tasks import countdown

GOOD = {"id": "a", "problem": "p", "answer": "5"}


def write_lines(path, *records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def test_read_dataset(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"id": "a", "problem": "p", "answer": "5", "level": 3}\n'
        b"\n"
        b'{"problem": "q\xe2\x80\xa8r", "answer": "6", "task": "linear"}\r\n'
        b'{"id": null, "problem": "s", "answer": "7", "task": null}'
    )
    assert datasets.read_dataset(path) == [
        Example("a", "p", "5"),
        Example("3", "q\u2028r", "6", "linear"),
        Example("4", "s", "7"),
    ]


def test_sample_dataset_by_level():
    examples = datasets.sample_dataset(["gcd", "linear@7", "gcd@6"], 30)
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
    every = datasets.sample_dataset(["all@6"], len(tasks.TASKS))
    assert [e.task for e in every] == list(tasks.TASKS)
    with pytest.raises(ValueError, match="unknown level '8' in 'gcd@8'"):
        datasets.sample_dataset(["gcd@8"], 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "d.jsonl:2: not JSON"),
        (b"[" * 100_000, "d.jsonl:2: not JSON"),
        (b"[1, 2]", "d.jsonl:2: not an object"),
        (b'{"id": "b", "answer": "5"}', "d.jsonl:2: 'problem' is missing"),
        (
            b'{"question": "p", "answer": "5"}',
            "'problem' is missing; there is question, answer, and a line is "
            '{"id": str?, "problem": str, "answer": str, "task": str?}',
        ),
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
        datasets.read_dataset(path)


def test_read_dataset_needs_a_file_with_problems(tmp_path):
    with pytest.raises(ValueError, match="d.jsonl: No such file"):
        datasets.read_dataset(tmp_path / "d.jsonl")
    with pytest.raises(ValueError, match="Is a directory"):
        datasets.read_dataset(tmp_path)
    (tmp_path / "d.jsonl").write_text("\n \n")
    with pytest.raises(ValueError, match="d.jsonl holds no problem"):
        datasets.read_dataset(tmp_path / "d.jsonl")


def test_read_problems_takes_lines_or_objects():
    assert datasets.read_problems(b"p\n\n q \n", "f") == [
        Example("1", "p"),
        Example("3", "q"),
    ]
    lines = b'\n{"problem": "p"}\n{"problem": "q", "answer": "5"}'
    assert datasets.read_problems(lines, "f") == [
        Example("2", "p"),
        Example("3", "q", "5"),
    ]
    with pytest.raises(ValueError, match="f:2: not JSON"):
        datasets.read_problems(b'{"problem": "p"}\nq', "f")


def test_sample_dataset_shares_the_number_and_repeats_itself():
    examples = datasets.sample_dataset(["linear", "arithmetic"], 21)
    names = ("linear", "arithmetic")
    counts = [sum(e.task == name for e in examples) for name in names]
    assert counts == [11, 10]
    for field in ("id", "problem"):
        assert len({getattr(e, field) for e in examples}) == 21
    assert examples[:7] == datasets.sample_dataset(["linear", "arithmetic"], 7)
    assert examples != datasets.sample_dataset(["linear", "arithmetic"], 21, 1)
    for example in examples:
        assert tasks.recognise(example.problem)[0].name == example.task


@pytest.mark.parametrize("name", ["game24", "game24@3"])
def test_sample_dataset_draws_hands_that_training_does_not(name):
    drawn = {hand(e.problem) for e in datasets.sample_dataset([name], 40)}
    assert len(drawn) > 20
    assert drawn <= countdown.unseen_hands()
    rng = random.Random(0)
    family = tasks.get("game24")
    trained = {hand(family.sample(rng).text) for _ in range(200)}
    assert not trained & countdown.unseen_hands()


def hand(problem: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall("[0-9]+", problem)]
    numbers.remove(countdown.TARGET)
    return tuple(sorted(numbers))


def test_sample_dataset_draws_no_problem_twice():
    found = datasets.sample_dataset(["factors@1"], 197)
    assert len({example.problem for example in found}) == 197
    with pytest.raises(ValueError, match="factors@1 at level 1 .* most 197 p"):
        datasets.sample_dataset(["factors@1"], 240)


@pytest.mark.parametrize(
    ("names", "number"), [([], 5), (["lin"], 5), (["linear"], 0)]
)
def test_sample_dataset_refuses(names, number):
    with pytest.raises(ValueError):
        datasets.sample_dataset(names, number)


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
        datasets.is_correct(Example("a", "p", gold, task), answer) == expected
    )
