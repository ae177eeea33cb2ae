import subprocess
import sys

import pytest

from jaxlrm.verify import __main__ as command


@pytest.mark.parametrize(
    ("prediction", "gold", "status", "words"),
    [
        ("1/2", "0.5", 0, "VALID by rational in"),
        ("0.6", "0.5", 1, "INVALID by rational in"),
        ("f(x+1)", "fx+f", 3, "UNKNOWN by"),
    ],
)
def test_verdicts(capsys, prediction, gold, status, words):
    flags = [f"--prediction={prediction}", f"--gold={gold}", "--deadline=0"]
    assert command.main(flags) == status
    assert capsys.readouterr().out.startswith(words)


def test_extract(capsys):
    flags = ["--prediction=So \\boxed{5}.", "--gold=5", "--extract"]
    assert command.main(flags) == 0
    assert "answer: '5'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [
        ["--gold=1"],
        ["--prediction=1", "--gold=1", "--deadline=-1"],
        ["--prediction=1", "--gold=1", "stray"],
        ["--pred=1", "--gold=1"],
    ],
)
def test_wrong_flags(flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(flags)
    capsys.readouterr()


def test_the_program_brings_in_no_jax_and_no_sympy():
    program = (
        "import sys; from jaxlrm.verify.__main__ import main;"
        "main(['--prediction=1/2', '--gold=0.5']);"
        "sys.exit(any(name in sys.modules for name in ('jax', 'sympy')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("VALID")
