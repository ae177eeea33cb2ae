"""launch.evaluate as a person runs, stops and kills it; a fake engine."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.fakes", "evaluate"]


def evaluate(*arguments):
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def write_dataset(path, number, word):
    lines = (
        json.dumps({"id": f"q{i}", "problem": f"{word} {i}", "answer": "5"})
        for i in range(number)
    )
    path.write_text("\n".join(lines))
    return path


def read_ids(path):
    lines = path.read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


def stop_after(arguments, path, number, how):
    """Starts the program, sends `how` once `path` has `number` lines."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text().count("\n") < number:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(how)
    output, error = process.communicate(timeout=60)
    return process.returncode, output, error


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_was(tmp_path, how):
    dataset = write_dataset(tmp_path / "d.jsonl", 8, "slow")
    output = tmp_path / "out"
    arguments = [f"--dataset={dataset}", f"--output={output}", "--batch=1"]
    path = output / "records.jsonl"
    code, stdout, stderr = stop_after(arguments, path, 3, how)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert stdout == "" and "Traceback" not in stderr
    before = path.read_bytes()
    assert before.endswith(b"\n")
    assert len(read_ids(path)) < 8
    assert not (output / "summary.json").exists()

    result = evaluate(*arguments)
    assert result.returncode == 0, result.stderr
    assert path.read_bytes().startswith(before)
    assert read_ids(path) == [f"q{i}" for i in range(8)]
    assert json.loads((output / "summary.json").read_text())["accuracy"] == 1


def test_a_second_writer_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    dataset = write_dataset(tmp_path / "d.jsonl", 4, "hang")
    output = tmp_path / "out"
    arguments = [f"--dataset={dataset}", f"--output={output}"]
    first = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert "hanging\n" in iter(first.stderr.readline, "")
    before = (output / "config.json").read_bytes()
    second = evaluate(*arguments, "--seed=2")
    first.kill()
    first.communicate(timeout=60)
    assert_refused(second, f"is being written to by process {first.pid} on")
    assert (output / "config.json").read_bytes() == before
    write_dataset(tmp_path / "d.jsonl", 4, "right")
    assert evaluate(*arguments, "--seed=2").returncode == 0


def test_one_combination_writes_to_the_folder_itself(tmp_path):
    output = tmp_path / "deep" / "out"
    arguments = ["--dataset=tasks:linear,arithmetic", f"--output={output}"]
    result = evaluate(*arguments, "--limit=3", "--seed=7")
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in output.iterdir()) == [
        "config.json",
        "records.jsonl",
        "summary.json",
        "table.md",
    ]
    assert result.stdout.strip() == (output / "table.md").read_text().strip()
    ids = set(read_ids(output / "records.jsonl"))
    assert ids == {"linear-0", "arithmetic-0", "linear-1"}

    result = evaluate(*arguments, "--limit=4", "--seed=8")
    assert result.returncode == 2
    assert "search.seed was 7 and is 8 now" in result.stderr

    result = evaluate(*arguments, "--limit=2", "--seed=7")
    assert result.returncode == 2
    assert "'linear-1' is not among the 2 of this dataset" in result.stderr
    assert "the file has 3 records; if --limit was higher" in result.stderr


def test_a_table_is_made_by_one_command(tmp_path):
    dataset = write_dataset(tmp_path / "d.jsonl", 3, "right")
    output = tmp_path / "out"
    result = evaluate(
        f"--dataset={dataset}",
        f"--output={output}",
        "--strategy=greedy,majority,beam",
        "--verifiers=learned,symbolic,both",
        "--limit=2",
    )
    assert result.returncode == 0, result.stderr
    folders = sorted(p.name for p in output.iterdir() if p.is_dir())
    assert folders == [
        "beam-both",
        "beam-learned",
        "beam-symbolic",
        "greedy-none",
        "majority-none",
        "majority-symbolic",
    ]
    for folder in folders:
        assert len(read_ids(output / folder / "records.jsonl")) == 2
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in result.stdout.splitlines()[4:]
    ]
    cell = "100.0 [34.2, 100.0], 1,234"
    assert rows == [
        ["greedy", cell, "–", "–", "–"],
        ["majority@64", cell, "–", cell, "–"],
        ["beam@64", "–", cell, cell, cell],
    ]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--dataset=nowhere.jsonl", "nowhere.jsonl: No such file"),
        ("--dataset=tasks:lin", "unknown task 'lin'; known tasks: linear"),
        ("--dataset=tasks:", "no tasks to draw from"),
        ("--limit=0", "limit"),
        ("--extensions=no.where", "extension 'no.where' cannot be imported"),
        ("--strategy=beam,bfs", "'bfs' is unknown"),
        ("--strategy=", "at least one strategy"),
        ("--verifiers=x", "verifiers 'x' is"),
        ("--branches=6", "not a multiple of width"),
        ("--model=/nowhere", "/nowhere/model"),
        ("--output=/dev/null/x", "Not a directory"),
    ],
)
def test_bad_flags_get_one_message(tmp_path, argument, message):
    usual = ["--dataset=tasks:linear", f"--output={tmp_path / 'out'}"]
    assert_refused(evaluate(*usual, argument), message)


def test_dataset_and_output_are_needed():
    assert_refused(evaluate(), "--dataset is missing; give --dataset=")
    assert_refused(
        evaluate("--dataset=d"), "--output is missing; give --output="
    )


def assert_refused(result, message):
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert message in result.stderr


def test_several_models_have_a_folder_and_a_table_each(tmp_path):
    dataset = write_dataset(tmp_path / "d.jsonl", 2, "right")
    output = tmp_path / "out"
    result = evaluate(
        f"--dataset={dataset}", f"--output={output}", "--model=mini,mini-l"
    )
    assert result.returncode == 0, result.stderr
    for name in ("mini", "mini-l"):
        assert len(read_ids(output / name / "records.jsonl")) == 2
        assert f"Model {name}" in result.stdout
    assert (output / "table.md").read_text().count("| beam@64") == 2


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--model=mini,typo", "typo/model"),
        ("--model=mini,", "/model"),
        ("--model=", "/model"),
        ("--reward=own,typo=2", "typo/model"),
    ],
)
def test_all_models_are_looked_for_before_any_runs(tmp_path, argument, message):
    dataset = write_dataset(tmp_path / "d.jsonl", 1, "right")
    output = tmp_path / "out"
    result = evaluate(f"--dataset={dataset}", f"--output={output}", argument)
    assert_refused(result, message)
    assert not output.exists()


def test_models_of_one_name_are_refused(tmp_path):
    dataset = write_dataset(tmp_path / "d.jsonl", 1, "right")
    result = evaluate(
        f"--dataset={dataset}",
        f"--output={tmp_path / 'out'}",
        "--model=a/mini,b/mini",
    )
    assert result.returncode == 2
    assert "a/mini, b/mini would share a folder" in result.stderr
