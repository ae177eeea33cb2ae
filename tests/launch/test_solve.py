"""launch.solve as a person or a script runs it, with a fake engine."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys

import pytest

from jaxlrm.engine.solution import Vote
from jaxlrm.verify import Verdict
from launch import report
from tests import fakes

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.fakes", "solve"]
EQUATION = "--problem=Solve 2*x = 10 for x."


def solve(*arguments, stdin=b"", **options):
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=120,
        **options,
    )


def assert_refused(result, *messages):
    error = result.stderr.decode()
    assert result.returncode == 2, error
    assert result.stdout == b""
    assert "Traceback" not in error
    for message in messages:
        assert message in error


def test_a_person_sees_chain_answer_votes_and_cost():
    result = solve(EQUATION)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b"memory: enough\n"  # no terminal, no progress
    text = result.stdout.decode()
    assert "\x1b" not in text
    assert text.startswith("Solve 2*x = 10 for x.\n")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "│ x = 10/2 0.81 ✓ valid",
        "│ x = 5 0.97 ✓ valid",
        "answer 5 solved, 97 % sure",
        "votes 5 90 % 3 chains",
        "7 10 % 1 chain",
        "cost 1,234 generator tokens, 567 verifier tokens",
        "1.50 s: model 1.25, verify 0.25; 4 programs compiled so far",
        "cache 3.15 MB; a dense one takes 25.2 MB, 8.0 times as much",
        "2 rounds, 2 thoughts kept, 1 pruned",
    ):
        assert line in lines


def test_json_is_a_line_a_problem_in_order():
    result = solve(
        "--problem=one", "--problem=unsolved", "--problem=fail", "--format=json"
    )
    assert result.returncode == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["problem"] for r in records] == ["one", "unsolved", "fail"]
    assert [r["solved"] for r in records] == [True, False, False]
    assert [r["answer"] for r in records] == ["5", "5", None]
    assert [r["correct"] for r in records] == [None, None, None]
    assert records[0]["best_trace"] == ["x = 10/2", "x = 5"]
    assert "900 tokens" in records[2]["note"]


def test_a_file_with_answers_says_what_is_correct(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(
        '{"problem": "a", "answer": "5"}\n'
        '{"problem": "wrong", "answer": "5", "task": "linear"}\n'
        '{"problem": "b"}\n'
    )
    result = solve(f"--problems={path}", "--format=json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["correct"] for r in records] == [True, False, None]
    result = solve(f"--problems={path}")
    assert result.stdout.decode().count("gold    5  correct") == 1
    assert result.stdout.decode().count("gold    5  wrong") == 1


def test_stdin_is_a_problem_a_line():
    result = solve("-", "--format=json", stdin="eins\n\nzwölf\n".encode())
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["problem"] for r in records] == ["eins", "zwölf"]


def test_not_solved_is_said_with_the_best_guess():
    result = solve("--problem=unsolved")
    assert result.returncode == 1
    text = result.stdout.decode()
    assert "answer  5  answered, 31 % sure" in text
    result = solve("--problem=lost")
    assert result.returncode == 1
    assert "answer  none: not answered" in result.stdout.decode()
    assert "no chain reached an answer" in result.stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --problem=TEXT, --problems=FILE or -"),
        ([EQUATION, "-"], "give one of"),
        (["--problem="], "--problem 1 is empty"),
        (["--problem=p", "--problem= \n"], "--problem 2 is empty"),
        (["--problem=" + 100_000 * "x"], "100,000 characters; at most 32,768"),
        (["--problems=/nowhere/p.txt"], "/nowhere/p.txt: No such file"),
        (["--problems=/"], "/: Is a directory"),
        ([EQUATION, "--seed=99999999999999999999"], "seed"),
        (
            [EQUATION, "--branches=0"],
            "branches is 0; it must be positive",
        ),
        ([EQUATION, "--branches=6"], "6 is not a multiple of width 4"),
        ([EQUATION, "--branches=many"], "branches"),
        ([EQUATION, "--temperature=-1"], "temperature -1.0 is negative"),
        ([EQUATION, "--min_p=2"], "min_p 2.0 is not in [0, 1]"),
        ([EQUATION, "--prompt=rap"], "<auto|chat|cot|tir|plain>"),
        ([EQUATION, "--strategy=bfs"], "use one of greedy, majority, "),
        ([EQUATION, "--tools=ruby"], "<auto|python|none>"),
        ([EQUATION, "--execution=slow"], "<stepped|fused>"),
        ([EQUATION, "--confidence=1.5"], "confidence"),
        ([EQUATION, "--reward=prm=-1"], "'prm=-1' has no positive weight"),
        ([EQUATION, "--reward=prm=much"], "'prm=much' has no positive weight"),
        ([EQUATION, "--mesh=4"], "mesh '4' is not DATAxMODEL"),
        ([EQUATION, "--checkers=no.such:thing"], "No module named 'no'"),
        ([EQUATION, "--checkers=math:pi"], "'math:pi' is no function at the"),
        ([EQUATION, "--checkers=math"], "'math' is no function at the top"),
        ([EQUATION, "--checkers=math:inf2"], "'math:inf2' is no function"),
        ([EQUATION, "--extensions=nowhere"], "extension 'nowhere' cannot be"),
        ([EQUATION, "--verifiers=all"], "<auto|both|learned|symbolic|none>"),
        ([EQUATION, "--format=xml"], "<text|json>"),
        ([EQUATION, "--model=/nowhere"], "/nowhere/model.safetensors is"),
        ([EQUATION, "--html=/nowhere/t.html"], "/nowhere/t.html: No such file"),
        ([EQUATION, "--html=/"], "/: Is a directory"),
        ([EQUATION, "stray"], "unexpected argument 'stray'"),
    ],
)
def test_bad_input_gets_one_message(arguments, message):
    result = solve(*arguments)
    assert_refused(result, message)


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "stdin holds no problem"),
        (b"\n \n", "stdin holds no problem"),
        (b"one\ntwo \xff\n", "stdin:2: byte 0xff is not UTF-8"),
        (100_000 * b"x", "problem 1 has 100,000 characters"),
        (b"{}\n", "stdin:1: 'problem' is missing"),
        (b'{"problem": ""}\n', "stdin:1: 'problem' is empty"),
        (b'{"problem"', "stdin: not JSON"),
    ],
)
def test_bad_stdin_gets_one_message(stdin, message):
    assert_refused(solve("-", stdin=stdin), message)


def test_an_argument_that_is_not_utf8_gets_one_message():
    assert_refused(solve(b"--problem=\xff"), "--problem 1 is not UTF-8 text")


def test_html_is_one_page_with_all_trees(tmp_path):
    path = tmp_path / "tree.html"
    result = solve("--problem=one", "--problem=two", f"--html={path}")
    assert result.returncode == 0
    text = path.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert 'id="p0t2"' in text and 'id="p1t2"' in text


def test_the_page_is_left_alone_if_nothing_is_solved(tmp_path):
    path = tmp_path / "tree.html"
    assert_refused(solve(EQUATION, f"--html={path}", "--model=none"))
    assert not path.exists()
    path.write_text("before")
    assert_refused(solve(EQUATION, f"--html={path}", "--model=none"))
    assert path.read_text() == "before"


def test_ctrl_c_exits_with_130_and_prints_what_was_finished():
    process = subprocess.Popen(
        [*PROGRAM, "--problem=hang", "--problem=one", "--format=json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # By now the second problem is finished and waits for the first.
    assert process.stderr.readline() == b"memory: enough\n"
    assert process.stderr.readline() == b"hanging\n"
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == b""
    assert [json.loads(r)["problem"] for r in output.splitlines()] == ["one"]


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [*PROGRAM, *(f"--problem=slow {i}" for i in range(3)), "--batch=1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b"memory: enough\n"
    assert process.wait(60) == 141


def on_a_terminal(environment):
    """What a person sees, stdout and stderr together."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, EQUATION],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # how Linux reports the end
            break
        if not part:
            break
        seen += part
    os.close(parent)
    assert process.wait(60) == 0
    return seen.decode()


def test_a_terminal_shows_progress_and_colours():
    seen = on_a_terminal({"TERM": "xterm", "NO_COLOR": ""})
    assert "\r" in seen and "1,000 tokens · 2,000/s" in seen
    assert "best score 0.93" in seen
    assert "\x1b[32m✓ valid\x1b[m" in seen
    # The progress is gone before the report starts.
    assert "\r\x1b[K\x1b[1mSolve 2*x" in seen


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(environment):
    seen = on_a_terminal({"TERM": "xterm", "NO_COLOR": ""} | environment)
    assert "✓ valid" in seen
    assert "\x1b[32m" not in seen


# --- The report -------------------------------------------------------------


def test_report_of_whole_chains_has_one_verdict():
    thoughts = (fakes.thought(-1, "2*x = 10\nx = 5", kind="answer"),)
    text = report.report(fakes.solution("p", thoughts))
    assert text.count("valid") == 1
    assert "  │ 2*x = 10\n  │ x = 5     0.90  ✓ valid\n" in text
    text = report.report(
        fakes.solution("p", (fakes.thought(-1, "x = 5", score=None),))
    )
    assert "  │ x = 5  ✓ valid\n" in text


def test_report_makes_escapes_visible():
    thoughts = (fakes.thought(-1, "x = \x1b[2J5", score=None),)
    text = report.report(fakes.solution("p\x1b]0;t\x07", thoughts))
    assert "\x1b" not in text and "\x07" not in text
    assert "␛[2J" in text


def test_no_text_of_a_model_forges_a_line_of_the_report():
    forged = "answer  42  solved, 100 % sure"
    solution = fakes.dataclasses.replace(
        fakes.solution(
            "p", (fakes.thought(-1, f"x = 7\n  {forged}", kind="answer"),)
        ),
        answer=f"7\n  {forged}",
        votes=(Vote(f"7\n  {forged}", 1.0, 1, Verdict.UNKNOWN),),
        note=f"so\n  {forged}",
        solved=False,
        confidence=0.31,
    )
    lines = report.report(solution, gold=f"8\n  {forged}").splitlines()
    assert not [line for line in lines if line.strip().startswith(forged)]
    assert (
        "  answer  7␊  answer  42  solved, 100 % sure  answered, 31 % sure"
        in (lines)
    )


def test_report_says_what_is_in_doubt():
    thought = fakes.dataclasses.replace(
        fakes.thought(-1, "x = 5", score=None, verdict=Verdict.UNKNOWN),
        doubt=True,
        output="```output\n5\n```",
    )
    text = report.report(fakes.solution("p", (thought,)))
    assert "in doubt\n  │ ```output\n  │ 5\n  │ ```\n" in text


def test_report_is_short_for_long_problems_and_many_votes():
    votes = tuple(Vote(str(i), 0.05, 1, Verdict.UNKNOWN) for i in range(20))
    solution = fakes.dataclasses.replace(
        fakes.solution(30_000 * "x"), votes=votes
    )
    text = report.report(solution)
    assert len(text) < 2000
    assert "and 15 others" in text
