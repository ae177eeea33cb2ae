"""Fits the scores of a value head to labelled steps.

    python -m launch.calibrate --model=runs/prm/model --rollouts=labelled.jsonl

Chains of half of the problems are fitted to, those of the other half measured:
AUROC of the steps, and of siblings (steps after the same text, as
`launch.rollouts --next_step` writes them: what a search must tell apart), and
expected calibration error before and after. The fit and its measurements are
written to calibration.json in the model's folder, which `jaxlrm.load` reads.
Use chains that the model was not trained on; see `launch.rollouts`.
"""

from __future__ import annotations

import json
import math
import pathlib
import sys
import zlib

from absl import flags

from . import console, environment
from . import flags as launch_flags

_MODEL = launch_flags.define_path("model", "Model folder.", required=True)
_ROLLOUTS = launch_flags.define_path(
    "rollouts", "JSON-lines file of labelled chains.", required=True
)
_LIKELIHOOD = flags.DEFINE_bool(
    "likelihood",
    False,
    "Weigh the likelihood that the model gives to a step, beside its value "
    "head.",
)


def main(argv: list[str]) -> int:
    """Fits, measures, writes and prints."""
    del argv
    try:
        _calibrate()
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        console.leave(130)
    return 0


def _calibrate() -> None:
    with console.interruptible():
        from jaxlrm import files
        from jaxlrm.engine import calibrate
        from jaxlrm.models import hf
        from jaxlrm.text import Text
        from jaxlrm.train import data, grade

    folder = pathlib.Path(_MODEL.value)  # never a shipped model, by its name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {_MODEL.value!r}; give a model folder, and to "
            "calibrate a shipped model a copy of its own"
        )
    environment.require_devices()
    config, params = hf.load(folder)
    halves = ([], [])
    text = Text.load(folder)
    for chain in data.read_chains(_ROLLOUTS.value):
        half = halves[zlib.crc32(chain.problem.encode()) % 2]
        half.append(data.labelled(text, chain))
    seen = grade.grade(config, params, halves[0])
    line = calibrate.fit(
        seen.logits,
        seen.labels,
        seen.likelihoods if _LIKELIHOOD.value else None,
    )
    if not line.is_ordered:
        raise ValueError(
            f"of {len(seen.labels)} steps those that the model scores higher "
            f"are right less often (scale {line.scale:.3g}, likelihood "
            f"{line.likelihood:.3g}); give more chains"
            f"{'' if _LIKELIHOOD.value else ', or --likelihood'}"
        )
    held_out = grade.grade(config, params, halves[1])
    labels = held_out.labels
    before = calibrate.sigmoid(held_out.logits)
    fitted = line(held_out.logits, held_out.likelihoods)
    after = calibrate.sigmoid(fitted)
    auroc = calibrate.auroc(fitted, labels)
    order, pairs = calibrate.siblings(fitted, labels, held_out.parents)
    found = {
        **line._asdict(),
        "steps": len(labels),
        "auroc": None if math.isnan(auroc) else auroc,
        "siblings": order if pairs else None,
        "pairs": pairs,
        "error_before": calibrate.expected_error(before, labels),
        "error_after": calibrate.expected_error(after, labels),
    }
    files.write(
        folder / calibrate.FILE,
        json.dumps(found, indent=2, allow_nan=False) + "\n",
    )
    print("score  steps  mean score  right")
    for row in calibrate.reliability(after, labels, 10):
        means = f"{row.score:10.3f}  {row.right:5.3f}"
        print(f"{row.low:5.1f}  {row.steps:5}  {means}")
    if pairs:
        print(f"of {pairs} pairs of siblings {order:.4f} are in order")
    told = f"{auroc:.4f}"
    if math.isnan(auroc):
        told = "unknown, all labels are alike"
    print(
        f"AUROC {told}, calibration error "
        f"{found['error_before']:.4f} before and {found['error_after']:.4f} "
        f"after, on {len(labels)} held-out steps; {folder / calibrate.FILE}"
    )


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
