"""Files of problems, and what counts as correct."""

from __future__ import annotations

import gzip
import json
import pathlib
import re
import sys

import pytest

from jaxlrm.evaluate import datasets, rows
from jaxlrm.evaluate.datasets import Example
from tests import formulas

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
        Example("a", "p", "5", level=3),
        Example("3", "q\u2028r", "6", "linear"),
        Example("4", "s", "7"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "d.jsonl:2: not JSON"),
        (b"[" * 100_000, "d.jsonl:2: brackets are nested"),
        (b"[1, 2]", "d.jsonl:2: not an object"),
        (b'{"id": "b", "answer": "5"}', "d.jsonl:2: 'problem' is missing"),
        (
            b'{"Frage": "p", "answer": "5"}',
            "d.jsonl:2: 'problem' is missing; there is Frage, answer; name its "
            "column with --columns=problem=NAME",
        ),
        (b'{"id": "b", "problem": "p"}', "d.jsonl:2: 'answer' is missing"),
        (b'{"problem": ["p"], "answer": "5"}', "'problem' is ['p']; write t"),
        (b'{"problem": "p", "answer": {}}', "'answer' is {}; write text or a"),
        (b'{"problem": "p", "answer": NaN}', "'answer' is nan; write text or"),
        (b'{"problem": "p", "answer": []}', "'answer' is empty"),
        (
            json.dumps({"problem": "p", "answer": [*range(99)]}).encode(),
            "'answer' has 99 values; at most 32 are read",
        ),
        (b'{"problem": "p", "answer": [["1"]]}', "'answer' is ['1']; write te"),
        (b'{"problem": " ", "answer": "5"}', "'problem' is empty"),
        (b'{"problem": "\\ud800", "answer": "5"}', "surrogate"),
        (b'{"id": [3], "problem": "p", "answer": "5"}', "'id' is [3]"),
        (
            b'{"question": "p", "options": ["A)1", "B)2"], "answer": "B"}',
            "d.jsonl:2: 'options' holds choices",
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


@pytest.mark.parametrize(
    ("answer", "gold", "task", "expected"),
    [
        ("5", "5", None, True),
        ("10/2", "5", None, True),
        ("6", "5", None, False),
        (None, "5", None, False),
        ("7", "3+4=<<3+4=7>>7\n#### 7", None, True),
        ("1,200", "1200", None, True),
        ("3 + 2", "5", None, True),
        # A label that is no family, and a family that does not know the text.
        ("3 + 2", "5", "algebra", True),
        ("3 + 2", "5", "sums", True),
    ],
)
def test_is_correct(answer, gold, task, expected):
    example = Example("a", "p", gold, task)
    assert datasets.is_correct(example, answer) == expected


@pytest.mark.parametrize(
    ("problem", "answer", "expected"),
    [
        ("What is 2 + 3?", "5", True),
        # The value is right, but the problem says no more than that.
        ("What is 2 + 3?", "3 + 2", False),
        ("What is the sum of 2 and 3, in words of algebra?", "3 + 2", True),
    ],
)
def test_a_family_decides_where_it_knows_the_problem(problem, answer, expected):
    example = Example("a", problem, "5", formulas.Sums.name)
    assert datasets.is_correct(example, answer) == expected


# --- As published -----------------------------------------------------------


CASES = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[1] / "cases/datasets.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_files_as_published(tmp_path, case):
    """The files of `cases/datasets.jsonl`: read, or refused in one line.

    `expected` lists problem and answer of each row; `error` is part of the
    message.
    """
    path = tmp_path / case["file"]
    path.write_bytes(case["text"].encode())
    columns = case.get("columns")
    if "error" in case:
        with pytest.raises(ValueError, match=re.escape(case["error"])) as error:
            datasets.read_dataset(path, columns)
        assert str(error.value).isprintable()
        return
    found = datasets.read_dataset(path, columns)
    assert [[e.problem, e.answer] for e in found] == case["expected"]
    problems = datasets.read_problems(path.read_bytes(), str(path), columns)
    assert problems == found
    for example in found:
        assert datasets.is_correct(example, case.get("right", example.answer))
        assert not datasets.is_correct(example, case.get("wrong", "12345"))


def test_compressed_files(tmp_path):
    text = b'{"problem": "p", "answer": "5"}\n{"problem": "q", "answer": "6"}'
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(gzip.compress(text))
    assert [e.answer for e in datasets.read_dataset(path)] == ["5", "6"]
    path.write_bytes(gzip.compress(text)[:-9])
    with pytest.raises(ValueError, match="d.jsonl.gz: broken gzip file"):
        datasets.read_dataset(path)


def test_a_compression_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LIMIT", 1 << 16)
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 20)))
    with pytest.raises(ValueError, match="is larger than 65,536 bytes"):
        datasets.read_dataset(path)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "test-00000-of-00001.parquet"
    table = pyarrow.table(
        {
            "question": ["p", "q"],
            "answer": ["1+1=<<1+1=2>>2\n#### 2", "#### 1,234"],
            "image": [b"\x89PNG", None],
        }
    )
    parquet.write_table(table, path)
    found = datasets.read_dataset(path)
    assert found == [Example("1", "p", "2"), Example("2", "q", "1,234")]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="parquet: broken Parquet file"):
        datasets.read_dataset(path)


def test_parquet_without_its_reader(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "d.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"pip install 'jaxlrm\[datasets\]'"):
        datasets.read_dataset(path)


def test_a_folder_names_what_is_in_it(tmp_path):
    (tmp_path / "test.jsonl").write_text("{}")
    (tmp_path / "README.md").write_text("")
    with pytest.raises(ValueError, match=r"Is a directory; .*\(test.jsonl\)"):
        datasets.read_dataset(tmp_path)


def test_columns_of_a_field_that_is_none(tmp_path):
    path = write_lines(tmp_path / "d.jsonl", GOOD)
    with pytest.raises(ValueError, match="no field 'gold' to name a column of"):
        datasets.read_dataset(path, {"gold": "answer"})


@pytest.mark.parametrize(
    "text",
    [
        '[\n  {"problem": "p"}\n]',
        '[{"problem": "p"}]',
        '{\n  "problem": "p"\n}',
        '["p"]',
        '\ufeff{"problem": "p"}',
    ],
)
def test_problems_in_json_whatever_the_file_is_called(text):
    for name in ("stdin", "p.txt", "p.json"):
        assert datasets.read_problems(text.encode(), name) == [
            Example("1", "p")
        ]


@pytest.mark.parametrize(
    "text", ['[\n{"problem": "p"', "[", "{problem: 'p'}", "{", "[{'a': 1}]"]
)
def test_broken_json_is_not_solved(text):
    with pytest.raises(ValueError, match="stdin: not JSON|not an object"):
        datasets.read_problems(text.encode(), "stdin")


@pytest.mark.parametrize(
    "text", ["[x] is the floor of x.", "{1, 2} is a set.", "[[1, 2], [3, 4]]?"]
)
def test_a_problem_may_begin_with_a_bracket(text):
    assert datasets.read_problems(text.encode(), "p.txt") == [
        Example("1", text)
    ]
