"""Programs in chains: found in either form, run, and shown."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.blocks import PROMPT, is_error
from jaxlrm.verify.programs import tools
from jaxlrm.verify.programs.tools import Interpreter, program_of

BLOCK = "```python\nprint(2 + 3)\n```"


@pytest.fixture(scope="module")
def interpreter():
    with Interpreter(deadline=1.0) as made:
        yield made


@pytest.fixture
def light(monkeypatch):
    """Interpreters without numpy and sympy, which take a second to import."""
    sandbox = functools.partial(tools.Sandbox, modules=())
    monkeypatch.setattr(tools, "Sandbox", sandbox)


def chain(*lines: str) -> tuple[tuple[str, ...], str]:
    *earlier, last = (PROMPT + line for line in lines)
    return tuple(earlier), last


# --- Finding ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "program"),
    [
        (">>> 2 + 3", ">>> 2 + 3"),
        (">>> 2 + 3 \n", ">>> 2 + 3"),
        ("We add.\n>>> 2 + 3", ">>> 2 + 3"),
        (">>> 2 + 3\n5", None),
        (">>>", None),
        (">>> ", None),
        (">>>2", None),
        (" >>> 2", None),
        ("2 >>> 3", None),
        ("5", None),
        ("", None),
        (BLOCK, "print(2 + 3)"),
        (f"We add.\n\n{BLOCK}\n\n", "print(2 + 3)"),
        ("```py\na = 2\n\nprint(a)\n```", "a = 2\n\nprint(a)"),
        ("``` Python\nx\n```", "x"),
        (f"{BLOCK}\nSo it is 5.", None),
        (f"{BLOCK}\n```output\n5\n```", None),
        (f"{BLOCK}\n```output\n5\n```\n```python\nx\n```", "x"),
        ("```python\nprint(2 + 3)", None),
        ("```\nprint(2 + 3)\n```", "print(2 + 3)"),
        ("```\nx = 5\n```", None),
        ("~~~python\nprint(2)\n~~~", "print(2)"),
        ("```json\n{}\n```", None),
        ("```python\n```", None),
        ("print(2 + 3)\n```", None),  # the end of a block
        ("```", None),
        ("`" * 100_000, None),
        ("```\n" * 100_001, None),
    ],
)
def test_programs_are_found(step, program):
    assert program_of(step) == program


@given(st.text("`>python \n\rx", max_size=60))
def test_no_text_breaks_the_search(step):
    found = program_of(step)
    assert found is None or found.strip()
    assert found is None or "".join(found.split()) in "".join(step.split())


# --- Running ----------------------------------------------------------------


def test_lines_as_in_a_session(interpreter):
    wanted = {
        chain("2 + 3"): "5",
        chain("a = 2"): "",
        chain("None"): "",
        chain("'a'"): "'a'",
        chain("1; 2"): "1 2",
        chain("print('a\\n  b')"): "a b",
        chain("print('a\\x1b[2J\\u2028b')"): "a [2J b",
        chain("a, b = 0, 1", "for i in range(30): a, b = b, a + b", "a"): (
            "832040"
        ),
        chain("for i in range(3): i"): "0 1 2",
        chain("def f(n): return n + 1", "f(2)"): "3",
        chain("3", "_ + 1"): "4",
        chain("exec = compile = globals = 3", "exec"): "3",
        chain("a = 2", "a = b", "a"): "2",
        chain("import random", "random.random()"): "0.8444218515250481",
        chain("print('>>> 3')"): "3",
        chain("exit()"): "",
    }
    assert interpreter.outputs(list(wanted)) == list(wanted.values())


def test_what_fails_is_one_line(interpreter):
    wanted = {
        chain("x"): "NameError: name 'x' is not defined",
        chain("f("): "SyntaxError: '(' was never closed",
        chain("1/0"): "ZeroDivisionError: division by zero",
        chain("raise ValueError('a\\nb')"): "ValueError: a b",
        chain("class E(Exception): pass", "raise E(3)"): "RuntimeError: E: 3",
        chain("print(1); x"): "NameError: name 'x' is not defined",
        chain("[0] * 10**9"): "MemoryError",
        chain("import os; os._exit(3)"): "RuntimeError: exit status 3",
        chain("'x' * 10**7"): (
            "RuntimeError: more than 1048576 bytes of output"
        ),
    }
    found = interpreter.outputs(list(wanted))
    assert found == list(wanted.values())
    assert all(map(is_error, found))
    hostile = [
        chain("import os; os.fork()"),
        chain("open('/etc/passwd')"),
        chain("import ctypes; ctypes.string_at(0)"),
        chain("\ud800"),
        chain("a\x00b"),
        chain("a\nb"),
        chain("(" * 100_000),
        chain("-" * 100_000 + "1"),
    ]
    assert all(map(is_error, interpreter.outputs(hostile)))


def test_what_ran_out_of_time_leaves_nothing(interpreter):
    endless = "while True: x = 2"
    branches = [chain("x = 1", endless), chain("x = 1", endless, "x")]
    found = interpreter.outputs(branches)
    assert found == ["TimeoutError: no result within 1 s", "1"]
    assert is_error(found[0])
    runs = interpreter.sandbox.statistics.runs
    assert interpreter.outputs(branches) == found
    assert interpreter.sandbox.statistics.runs == runs  # remembered


def test_blocks(interpreter):
    def block(text: str) -> str:
        return f"```output\n{text}\n```"

    wanted = {
        ((), program_of(BLOCK)): block("5"),
        ((), "print(2)\n\nprint(3)\n"): block("2\n3"),
        ((), "2 + 3"): block("5"),
        ((), "a = 2 + 3"): block(""),
        (("x = 1\nimport os; os._exit(0)",), "1/0"): block(
            "ZeroDivisionError: division by zero"
        ),
        ((), "x"): block("NameError: name 'x' is not defined"),
        (("a = 2", "a += 1"), "print(a)"): block("3"),
        (("a = 2",), ">>> a"): "2",
        ((">>> a = 2",), "print(a)"): block("2"),
        ((), "print('```\\n```python\\nx\\n```')"): block(
            "'''\n'''python\nx\n'''"
        ),
    }
    found = interpreter.outputs(list(wanted))
    assert found == list(wanted.values())
    assert not any(map(program_of, found))


def test_long_outputs_are_cut(light):
    with Interpreter(limit=10) as interpreter:
        assert interpreter.outputs(
            [chain("'x' * 8"), chain("'x' * 98"), ((), "print('y' * 98)")]
        ) == [
            "'xxxxxxxx'",
            "'xxxx ... (90 characters left out) ... xxxx'",
            "```output\nyyyyy\n... (88 characters left out) ...\nyyyyy\n```",
        ]


def test_equal_branches_run_once(light):
    branches = [chain("a = 2", f"a + {i % 2}") for i in range(64)]
    with Interpreter() as interpreter:
        statistics = interpreter.sandbox.statistics
        assert statistics.runs == 0
        found = interpreter.outputs(branches)
        assert found == ["2", "3"] * 32
        assert interpreter.sandbox.statistics.runs == 3
        assert interpreter.outputs(branches) == found
        assert interpreter.outputs([]) == []
        assert interpreter.outputs([chain("a = 2")]) == [""]
        assert interpreter.sandbox.statistics.runs == 3
        assert interpreter.outputs([chain("a = 2", "a + 1", "_")]) == ["3"]
        assert interpreter.sandbox.statistics.runs == 4


def test_what_is_forgotten_runs_again(light):
    with Interpreter(cache=1) as interpreter:
        first, second = chain("a = 2", "a"), chain("a = 3", "a")
        for _ in range(2):
            assert interpreter.outputs([first]) == ["2"]
            assert interpreter.outputs([second]) == ["3"]
        assert interpreter.sandbox.statistics.runs == 8


def test_bad_arguments_and_the_end(light):
    for name in ("limit", "cache", "workers", "deadline"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            Interpreter(**{name: 0})
    with pytest.raises(ValueError, match="exclude"):
        Interpreter(require=True, unsafe=True)
    interpreter = Interpreter()
    assert interpreter.outputs([chain("2")]) == ["2"]
    interpreter.close()
    interpreter.close()
    with pytest.raises(RuntimeError):
        interpreter.outputs([chain("3")])
