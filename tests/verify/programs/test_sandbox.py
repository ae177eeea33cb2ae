"""Ordinary programs, branches, and many at once."""

import os
import pathlib
import subprocess
import sys
import threading

import pytest

import jaxlrm.verify.programs
from jaxlrm.verify.programs import Run, Sandbox, Status, pool, run_python

ROOT = pathlib.Path(jaxlrm.verify.programs.__file__).parents[3]
PIECES = {
    "sum": ("print(sum(range(101)))", "5050\n"),
    "several lines": ("for i in range(3):\n    print(i)", "0\n1\n2\n"),
    "nothing": ("", ""),
    "sympy": (
        "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 2, x))",
        "[-sqrt(2), sqrt(2)]\n",
    ),
    "sympy imported late": (
        "import sympy.stats as s; print(s.E(s.Die('D', 6)))",
        "7/2\n",
    ),
    "numpy": (
        "import numpy as np\nprint(np.dot([1, 2], [3, 4]), np.eye(2)[1])",
        "11 [0. 1.]\n",
    ),
    "numpy's random": (
        "import numpy.random, numpy.fft\nprint(numpy.fft.fft([1]).real)",
        "[1.]\n",
    ),
    "fractions": (
        "from fractions import Fraction as F\nprint(F(1, 3) + F(1, 6))",
        "1/2\n",
    ),
    "class": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    b: int\n"
        "print(A(3))",
        "A(b=3)\n",
    ),
    "recursion": (
        "def f(n):\n    return n * f(n - 1) if n else 1\nprint(f(20))",
        "2432902008176640000\n",
    ),
    "main": ("if __name__ == '__main__':\n    print(__name__)", "__main__\n"),
    "pickle of its own class": (
        "import pickle\nclass A: b = 1\n"
        "print(pickle.loads(pickle.dumps(A())).b)",
        "1\n",
    ),
    "unicode": ("print('π ≈ 3, 数学, 🙂')", "π ≈ 3, 数学, 🙂\n"),
    "surrogate": (r"print('\ud800')", "\\ud800\n"),
    "exit": ("print(1)\nexit()\nprint(2)", "1\n"),
    "system exit": ("import sys\nprint(1, end='')\nsys.exit(0)", "1"),
    "stream of its own": (
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO())"
        " as s:\n    print(1)\nprint(s.getvalue())",
        "1\n\n",
    ),
    "no stream": ("import sys\nprint(1)\nsys.stdout = None", "1\n"),
    "many modules": (
        "import asyncio, ast, csv, decimal, difflib, email, hashlib, hmac\n"
        "import html, http.client, logging, string, timeit, tomllib, unittest\n"
        "import urllib.parse, uuid, xml.dom.minidom, zipfile, zoneinfo\n"
        "print(hashlib.sha256(b'').hexdigest()[:8])",
        "e3b0c442\n",
    ),
    "modules of sympy": (
        "import sympy.combinatorics, sympy.crypto, sympy.diffgeom\n"
        "import sympy.physics.units, sympy.parsing.latex, sympy.geometry\n"
        "print(sympy.geometry.Point(0, 0).distance((3, 4)))",
        "5\n",
    ),
}
ERRORS = {
    "1 / 0": "ZeroDivisionError: division by zero",
    "print(x)": "NameError: name 'x' is not defined",
    "f(": "SyntaxError: '(' was never closed",
    "input()": "EOFError: EOF when reading a line",
    "import jax": "ModuleNotFoundError: No module named 'jax'",
    "import jaxlrm": "ModuleNotFoundError: No module named 'jaxlrm'",
    "raise ValueError('two\\nlines')": "ValueError: two lines",
    "assert 1 == 2, 'no'": "AssertionError: no",
    "import sys; sys.exit('why')": "SystemExit: why",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "class E(Exception):\n def __str__(self): 1 / 0\nraise E": (
        "E: <exception str() failed>"
    ),
    "raise ValueError('é')": "ValueError: é",
    "import os; os._exit(4)": "exit status 4",
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=2, deadline=1.0, unsafe=True) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", PIECES)
def test_ordinary_program(sandbox, name):
    code, output = PIECES[name]
    run = sandbox.run(code)
    assert (run.stdout, run.status, run.error) == (output, Status.OK, "")
    assert 0 < run.seconds < 2 and run.memory > 2**20 and run.cpu_seconds > 0


@pytest.mark.parametrize("code", ERRORS)
def test_error(sandbox, code):
    run = sandbox.run("print('before')\n" * ("f(" not in code) + code)
    assert run.status is Status.ERROR
    assert run.error == ERRORS[code]
    assert run.stdout in ("before\n", "")


def test_traceback_shows_the_line(sandbox):
    run = sandbox.run("def f(a):\n    return 1 // a\n\nf(0)")
    assert 'File "<program>", line 2, in f' in run.stderr
    assert "return 1 // a" in run.stderr
    assert "sandbox" not in run.stderr and "exec(" not in run.stderr


def test_output_before_a_kill_is_kept(sandbox):
    run = sandbox.run("print('seen')\nwhile True: pass")
    assert (run.stdout, run.status) == ("seen\n", Status.TIMEOUT)
    assert run.error == "no end within 1 s"


def test_the_middle_of_long_output_is_left_out():
    with Sandbox(
        workers=1, modules=(), output=10, flood=10**6, unsafe=True
    ) as sandbox:
        run = sandbox.run("print('a' * 9)")
        assert (run.stdout, run.left_out) == ("a" * 9 + "\n", 0)
        run = sandbox.run("print('a' * 200_000, 'é'); print('last', end='')")
        assert run.status is Status.OK and run.left_out == 199_998
        assert run.stdout == "aaaaa\n... (199998 bytes left out) ...\n\nlast"
        run = sandbox.run("print('a' * 10**7); print('last')")
        assert run.status is Status.OUTPUT and not run.finished
        assert run.error == "more than 1000000 bytes of output"
        assert run.stdout.startswith("aaaaa\n... (")


def test_runs_are_deterministic(sandbox):
    code = (
        "import random, numpy\n"
        "print(random.random(), numpy.random.rand(), hash('a'), {'b', 'a'})"
    )
    first, second = sandbox.run(code), sandbox.run(code)
    assert first.stdout == second.stdout
    with Sandbox(workers=1, unsafe=True) as other:
        assert other.run(code).stdout == first.stdout


def test_nothing_stays_from_one_program_to_the_next(sandbox):
    sandbox.run("import math\nmath.pi = leak = 3")
    run = sandbox.run("import math\nprint(math.pi, 'leak' in globals())")
    assert run.stdout == "3.141592653589793 False\n"


def test_long_program(sandbox):
    run = sandbox.run("x = 0\n" + "x += 1\n" * 30_000 + "print(x)")
    assert run.stdout == "30000\n"
    run = sandbox.run("#" * 2**20 + "#")
    assert run.status is Status.ERROR and "at most 1048576" in run.error


# --- Branches ---------------------------------------------------------------


def test_state_across_steps(sandbox):
    session = sandbox.session()
    outputs = [
        session.run(code).stdout
        for code in (
            "import math\nx = 5\nprint('one')",
            "def f(a):\n    return a + x\nprint('two')",
            "x += 1\nprint(f(math.floor(1.5)))",
        )
    ]
    assert outputs == ["one\n", "two\n", "7\n"]
    assert [run.stdout for _, run in session.steps] == outputs


def test_branches_are_independent(sandbox):
    trunk = sandbox.session()
    trunk.run("x = [1]")
    left, right = trunk.fork(), trunk.fork()
    left.run("x.append(2)")
    right.run("x.append(3)")
    assert left.run("print(x)").stdout == "[1, 2]\n"
    assert right.run("print(x)").stdout == "[1, 3]\n"
    assert trunk.run("print(x)").stdout == "[1]\n"


def test_history_as_pairs_or_code(sandbox):
    history = [("x = 2\nprint(x)", "2\n"), "x *= 3"]
    assert sandbox.run("print(x)", history).stdout == "6\n"


def test_what_a_failed_step_did_stays(sandbox):
    session = sandbox.session()
    assert session.run("x = 1\n1 / 0\nx = 2").status is Status.ERROR
    run = session.run("print(x)")
    assert (run.stdout, run.stderr) == ("1\n", "")


def test_a_killed_step_is_not_part_of_the_state(sandbox):
    session = sandbox.session()
    session.run("x = 1")
    assert session.run("x = 2\nwhile True: pass").status is Status.TIMEOUT
    assert session.run("print(x)").stdout == "1\n"


def test_a_step_that_leaves_is_not_part_of_the_state(sandbox):
    session = sandbox.session()
    session.run("x = 1")
    run = session.run("import os\nx = 2\nos._exit(0)")
    assert run.status is Status.ERROR and not run.finished
    assert run.error == "exit status 0, before its end"
    assert session.run("print(x)").stdout == "1\n"


def test_a_program_behind_a_step_that_leaves_is_an_error(sandbox):
    run = sandbox.run("print(2 + 2)", ["x = 1", "import os; os._exit(0)"])
    assert (run.stdout, run.status) == ("", Status.ERROR)
    assert run.error == (
        "not run: step 2 ended the process (exit status 0) when it ran again"
    )


def test_what_is_denied_leaves_what_came_before(sandbox):
    session = sandbox.session()
    assert session.run("x = 1\nopen('f')").status is Status.DENIED
    assert session.run("print(x)").stdout == "1\n"


def test_streams_may_be_closed_or_joined(sandbox):
    session = sandbox.session()
    for code in ("os.dup2(1, 2)", "os.close(1)", "os.dup2(2, 1)"):
        run = session.run(f"import os; {code}")
        assert (run.status, run.finished) == (Status.OK, True), code
    assert session.run("x = 3").finished
    run = sandbox.run("import os; os.closerange(0, 99)")
    assert run.status is Status.ERROR and not run.finished


def test_no_process_is_needed_twice_for_many_ends(sandbox):
    """An end is found however the pipe cuts it, and whatever precedes it."""
    for size in (*range(0, 40), 4095, 4096, 65_535, 65_536, 65_537):
        run = sandbox.run(f"import sys\nsys.stderr.write('e' * {size})\n1 / 0")
        assert run.error == "ZeroDivisionError: division by zero"
        assert run.stderr.startswith("e" * min(size, 2**15))
        assert run.stderr.endswith("division by zero\n")


def test_long_histories_and_large_outputs(sandbox):
    steps = [f"x{i} = {i}\nprint('y' * 300_000)" for i in range(20)]
    run = sandbox.run(
        "print(sum(globals()[f'x{i}'] for i in range(20)))", steps
    )
    assert (run.stdout, run.left_out) == ("190\n", 0)


def test_values_are_shown_unless_told_not_to(sandbox):
    assert sandbox.run("2 + 3").stdout == "5\n"
    assert sandbox.run("2 + 3", show=False).stdout == ""
    assert sandbox.run("_", ["2 + 3"]).stdout == "5\n"
    assert sandbox.run("_", ["2 + 3"], show=False).status is Status.ERROR


def test_standard_input_is_that_of_the_new_step(sandbox):
    history = ["import sys\nx = sys.stdin.read()"]
    run = sandbox.run("print([x, input(), sys.stdin.read()])", history, "a\nb")
    assert run.stdout == "['', 'a', 'b']\n"
    assert run_python("print(input())", stdin="ü").stdout == "ü\n"
    with pytest.raises(TypeError, match="stdin is None"):
        sandbox.run("1", stdin=None)
    run = sandbox.run("1", stdin="a" * (2**24 + 1))
    assert "an input of 16777217 bytes; at most 16777216" in run.error


def test_replay_is_silent_however_it_writes(sandbox):
    noisy = (
        "import os, sys\nos.write(1, b'a')\nprint('b')\nsys.stderr.write('c')"
    )
    run = sandbox.run("print('d')", [noisy])
    assert (run.stdout, run.stderr) == ("d\n", "")


def test_replay_has_time_of_its_own():
    with Sandbox(workers=1, modules=(), deadline=1.0, unsafe=True) as sandbox:
        session = sandbox.session()
        wait = "import time; time.sleep(0.25)"
        assert session.run(wait).status is Status.OK
        assert session.run(wait).status is Status.OK
        run = session.run("while True: pass")
        assert run.status is Status.TIMEOUT
        assert 1.0 + 0.5 < run.seconds < 1.0 * 4


def test_state_is_the_same_at_each_replay(sandbox):
    session = sandbox.session()
    first = session.run("import random\nx = random.random()\nprint(x)").stdout
    assert session.run("print(x)").stdout == first
    assert session.run("print(x)").stdout == first


# --- The pool ---------------------------------------------------------------


def test_many_at_once_in_order(sandbox):
    runs = sandbox.run_many(f"print({i})" for i in range(40))
    assert [run.stdout for run in runs] == [f"{i}\n" for i in range(40)]


def test_threads(sandbox):
    results: dict[int, Run] = {}

    def work(start):
        for i in range(start, start + 5):
            results[i] = sandbox.run(f"print({i})")

    threads = [
        threading.Thread(target=work, args=(start,))
        for start in range(0, 40, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {i: int(run.stdout) for i, run in results.items()} == {
        i: i for i in range(40)
    }


def test_a_slow_program_does_not_hold_up_others():
    program = "import time\nwhile time.process_time() < 2: pass"
    with Sandbox(workers=2, modules=(), deadline=60, unsafe=True) as sandbox:
        slow = threading.Thread(target=sandbox.run, args=(program,))
        slow.start()
        for i in range(5):
            assert sandbox.run(f"print({i})").status is Status.OK
        assert slow.is_alive()
        slow.join()


def test_no_descriptor_is_lost(sandbox):
    sandbox.run("print(1)")
    before = len(os.listdir("/dev/fd"))
    for code in ("print(1)", "print('a' * 10**6)", "1 / 0", "#" * 2**20):
        sandbox.run(code)
    assert len(os.listdir("/dev/fd")) == before


def test_statistics_and_cache():
    with Sandbox(
        workers=1, modules=(), cache=1, deadline=1.0, unsafe=True
    ) as sandbox:
        first = sandbox.run("import uuid; print(uuid.uuid4())")
        assert sandbox.run("import uuid; print(uuid.uuid4())") is first
        sandbox.run("print(1)")  # puts the first one out
        again = sandbox.run("import uuid; print(uuid.uuid4())")
        assert again.stdout != first.stdout
        sandbox.run("while True: pass")
        sandbox.run("while True: pass")  # never remembered
        statistics = sandbox.statistics
        assert (statistics.runs, statistics.cache_hits) == (6, 1)
        assert statistics.statuses == {Status.OK: 4, Status.TIMEOUT: 2}
        assert statistics.seconds > 2.0 and statistics.restarts == 0


def test_history_is_part_of_the_cache_key():
    with Sandbox(workers=1, modules=(), cache=9, unsafe=True) as sandbox:
        assert sandbox.run("print(x)", ["x = 1"]).stdout == "1\n"
        assert sandbox.run("print(x)", ["x = 2"]).stdout == "2\n"
        assert sandbox.run("print(x)").status is Status.ERROR


def test_run_python():
    run = run_python("print(6 * 7)")
    assert (run.stdout, run.status) == ("42\n", Status.OK)
    assert run_python("print(x)", ["x = 3"]).stdout == "3\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"workers": 0}, "workers is 0; at least 1"),
        ({"deadline": 0}, "deadline is 0"),
        ({"deadline": float("nan")}, "deadline is nan"),
        ({"memory": 1}, "memory is 1"),
        ({"output": 0}, "output is 0"),
        ({"cache": -1}, "cache is -1"),
        ({"require": True, "unsafe": True}, "exclude each other"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sandbox(**arguments)


def test_absent_module_is_said_and_others_work():
    with pytest.warns(RuntimeWarning, match="no module nosuchmodule"):
        sandbox = Sandbox(workers=1, modules=["nosuchmodule"], unsafe=True)
    with sandbox:
        assert sandbox.run("import csv; print(1)").stdout == "1\n"
        assert sandbox.run("import nosuchmodule").status is Status.ERROR


def test_jax_is_not_forked(tmp_path, monkeypatch):
    (tmp_path / "bringsjax.py").write_text("import sys; sys.modules['jax'] = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeError, match="imports jax"):
        Sandbox(workers=1, modules=["bringsjax"])


def test_large_packages_that_do_not_start_are_left_out(monkeypatch, tmp_path):
    (tmp_path / "bringsjax.py").write_text("import sys; sys.modules['jax'] = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(pool, "LARGE_MODULES", ("bringsjax",))
    with Sandbox(workers=1, modules=(), unsafe=True) as sandbox:
        with pytest.warns(RuntimeWarning, match="no large packages: .* jax"):
            assert sandbox.run("print('scipy')").stdout == "scipy\n"
        run = sandbox.run("import pandas")
        assert run.error.startswith("ModuleNotFoundError: No module named")


def test_a_killed_program_is_reported_as_such():
    with Sandbox(workers=1, modules=(), unsafe=True) as sandbox:
        run = sandbox.run("import ctypes; ctypes.string_at(0)")
        assert run.status is Status.KILLED
        assert run.error == "killed by SIGSEGV"


def test_importing_needs_no_jax():
    code = "import sys, jaxlrm.verify.programs; sys.exit('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0
