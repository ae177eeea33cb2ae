r"""Compares two answers:

    python -m jaxlrm.verify --prediction='0.5' --gold='\frac{1}{2}'
    VALID by rational in 0.1 ms

The exit status is 0 for VALID, 1 for INVALID, 2 for wrong flags and 3 for what
is not decided (UNKNOWN, TIMEOUT, ERROR). With --extract the prediction is a
whole solution; its final answer is compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from jaxlrm.verify.answers.comparison import Comparison, compare
from jaxlrm.verify.answers.extract import extract_answer
from jaxlrm.verify.answers.grading import gold_answer
from jaxlrm.verify.answers.scalars import TIERS
from jaxlrm.verify.verdict import Verdict

DEADLINE = 1.0  # seconds of computer algebra


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the verdict, the tier and the time; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxlrm.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--prediction", required=True, help="an answer")
    parser.add_argument("--gold", required=True, help="the right answer")
    parser.add_argument(
        "--extract",
        action="store_true",
        help="the prediction is a solution: compare its final answer; so may "
        "the gold be, with `####` or a box (as `jaxlrm.verify.grade`)",
    )
    parser.add_argument(
        "--deadline",
        type=float,
        default=DEADLINE,
        help="seconds of computer algebra, in a process of its own, where "
        "nothing else decides; 0 does without (default: %(default)s)",
    )
    flags = parser.parse_args(arguments)
    if not 0 <= flags.deadline <= 3600:
        parser.error(f"--deadline={flags.deadline}: 0 to 3600 seconds")
    prediction, gold = flags.prediction, flags.gold
    if flags.extract:
        gold = gold_answer(gold)
        prediction = extract_answer(prediction) or ""
        print(f"answer: {prediction!r}")
    comparison = _compare(prediction, gold, flags.deadline)
    print(
        f"{comparison.verdict.name} by {comparison.tier} in "
        f"{1000 * comparison.seconds:.1f} ms"
    )
    if comparison.verdict is Verdict.VALID:
        return 0
    return 1 if comparison.verdict is Verdict.INVALID else 3


def _compare(prediction: str, gold: str, deadline: float) -> Comparison:
    comparison = compare(prediction, gold)
    if comparison.verdict is not Verdict.UNKNOWN or not deadline:
        return comparison
    # Not at the top: it takes longer than most comparisons.
    from jaxlrm.verify.answers import algebra

    try:
        with algebra.pool(deadline=deadline) as pool:
            return compare(prediction, gold, pool)
    except (ImportError, RuntimeError, OSError) as error:
        print(f"without {TIERS[-1]}: {error}", file=sys.stderr)
        return comparison


if __name__ == "__main__":
    sys.exit(main())
