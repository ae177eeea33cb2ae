"""Solves problems by searching over chains of thought.

    python -m launch.solve --problem="Solve 3*x + 4 = 19 for x."
    python -m launch.solve --problems=problems.txt --format=json
    echo "What is 2 - (7 + -4)?" | python -m launch.solve -

Give --problem, once or several times, --problems=FILE, or - to read stdin. A
file holds a problem a line, or is a dataset as launch.evaluate reads them: JSON
lines, JSON, CSV, TSV or Parquet. With an answer, the output says whether the
one found is correct.

For a person, progress goes to stderr (on a terminal) and the winning chain,
the votes and the cost to stdout. --format=json prints an object a problem, one
line each, in the order given. --html draws the trees of all problems, one after
the other, on one page.

"Solved" means proven: a family of problems recognises the problem, and its rule
found every step right. Any other answer is "answered", with a confidence; see
docs/verdicts.md.

Exit code: 0 if every problem was solved, 1 if some were only answered or not
at all, 2 for bad input or flags, 130 if interrupted (what was finished is
printed).
"""

from __future__ import annotations

import json
import pathlib
import sys

from absl import flags

from jaxlrm.config import STRATEGIES, VERIFIERS, SearchConfig

from . import console, environment, search_flags
from . import flags as launch_flags

_LONGEST = 1 << 15  # characters of a problem; no model reads as many

_PROBLEM = flags.DEFINE_multi_string(
    "problem", [], "A problem; may be repeated."
)
_PROBLEMS = launch_flags.define_path("problems", "File of problems.")
_COLUMNS = launch_flags.define_columns()
_STRATEGY = flags.DEFINE_string(
    "strategy",
    SearchConfig.strategy,
    f"How to search: {', '.join(STRATEGIES)}, or MODULE:FUNCTION.",
)
_VERIFIERS = flags.DEFINE_enum(
    "verifiers",
    SearchConfig.verifiers,
    VERIFIERS,
    "Which verifiers judge: learned scores, symbolic step checks, both, none; "
    "auto is both, or symbolic alone for a model without scores.",
)
_CONFIG = search_flags.define_search()
_MODEL = search_flags.ModelFlags()
_FORMAT = flags.DEFINE_enum(
    "format", "text", ("text", "json"), "What to print."
)
_HTML = launch_flags.define_path("html", "Write the trees to this page.")


def main(argv: list[str]) -> int:
    """Solves the problems and prints what came out."""
    try:
        return _solve(argv)
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        console.leave(130)


def _solve(argv: list[str]) -> int:
    with console.interruptible():
        from jaxlrm import files
        from jaxlrm.evaluate import view

    # Everything that can be refused is, before the model is loaded.
    _MODEL.extend()  # the problems may be of their families
    examples = _read(argv)
    config = _CONFIG(_STRATEGY.value, _VERIFIERS.value)
    page = _HTML.value and _writable(pathlib.Path(_HTML.value))
    sys.stdout.reconfigure(errors="replace")
    solutions, correct, printed, compiled, code = {}, {}, 0, 0, 0
    with console.LiveLine() as live:

        def finished(index, solution):
            nonlocal printed, compiled
            compiled = engine.programs
            solutions[index] = solution
            correct[index] = _is_correct(engine, examples[index], solution)
            while printed in solutions:
                live.clear()
                show(printed)
                printed += 1

        def show(index):
            _show(examples[index], solutions[index], correct[index], compiled)

        try:
            live.show("loading the model")
            with _MODEL.load() as engine:
                console.say_verifiers(live, engine, config)
                live.show("compiling the search")
                engine.solve(
                    [example.problem for example in examples],
                    config,
                    planned=lambda plan: console.say_plan(live, plan),
                    progress=lambda now: live.show(console.describe(now)),
                    finished=finished,
                )
        except KeyboardInterrupt:
            code = 130
    # After an interrupt, those that ended before an earlier one.
    for index in sorted(solutions)[printed:]:
        show(index)
    if page and solutions:
        ordered = [solutions[index] for index in sorted(solutions)]
        files.write(page, view.render(ordered))
    if code:
        console.leave(code)
    return 0 if all(s.solved for s in solutions.values()) else 1


def _read(argv: list[str]):
    """The problems that the flags name."""
    with console.interruptible():
        from jaxlrm import files
        from jaxlrm.evaluate import datasets, rows

    named = _PROBLEMS.value is not None
    if bool(_PROBLEM.value) + named + ("-" in argv[1:]) != 1:
        raise ValueError("give one of --problem=TEXT, --problems=FILE or -")
    if named:
        path = pathlib.Path(_PROBLEMS.value)
        data = files.read(path, rows.LIMIT, pipes=True)
        examples = datasets.read_problems(data, str(path), _COLUMNS.value)
    elif _PROBLEM.value:
        examples = [
            datasets.Example(f"--problem {number}", environment.as_utf8(text))
            for number, text in enumerate(_PROBLEM.value, 1)
        ]
    else:
        data = sys.stdin.buffer.read()
        examples = datasets.read_problems(data, "stdin", _COLUMNS.value)
    for example in examples:
        _check(example.problem, example.id)
    return examples


def _check(problem: str, name: str) -> None:
    if not problem.strip():
        raise ValueError(f"{name} is empty; give the problem's text")
    if len(problem) > _LONGEST:
        raise ValueError(
            f"problem {name} has {len(problem):,} characters; at most "
            f"{_LONGEST:,} are read"
        )
    try:
        problem.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not UTF-8 text") from None


def _writable(path: pathlib.Path) -> pathlib.Path:
    """Tries to open `path` for writing, and leaves it as it was."""
    existed = path.exists()
    path.open("ab").close()
    if not existed:
        path.unlink()
    return path


def _is_correct(engine, example, solution) -> bool | None:
    """Whether the answer is right; None where nobody knows."""
    if example.answer is None:
        return None
    asked = example.problem, example.task
    (correct,) = engine.grade([(*asked, solution.answer, example.answer)])
    return correct


def _show(example, solution, correct: bool | None, programs: int) -> None:
    from . import report

    if _FORMAT.value == "json":
        console.write(json.dumps(solution.to_json(correct)))
        return
    console.write(
        report.report(
            solution,
            gold=example.answer,
            correct=correct,
            programs=programs,
            colour=console.wants_colour(sys.stdout),
        )
    )


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main, positional=("-",))


if __name__ == "__main__":
    run()
