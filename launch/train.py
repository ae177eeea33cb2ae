"""Trains a model, or goes on with a run that was stopped.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs

The output folder holds `config.json` (the resolved configuration),
`metrics.jsonl`, `checkpoints/` and, at the end, `model/`, which
`launch.solve --model=runs/xs/model` takes; where `config.model.value_head` is
False, with `--verifiers=symbolic` or a reward model (`--reward=FOLDER`).
"""

from __future__ import annotations

import sys

from absl import flags

from . import flags as launch_flags

_CONFIG = launch_flags.define_config()
_OUTPUT = flags.DEFINE_string("output", None, "Folder of the run.")
flags.mark_flag_as_required("output")


def main(argv: list[str]) -> int:
    """Runs the training; 0 when it is complete."""
    del argv
    from jaxlrm.train import trainer

    try:
        trainer.train(_CONFIG.value, _OUTPUT.value)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
