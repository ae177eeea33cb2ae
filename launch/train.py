"""Trains a model, or goes on with a run that was stopped.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs

The output folder holds `config.json` (the resolved configuration),
`metrics.jsonl`, `checkpoints/` and, at the end, `model/`, which
`launch.solve --model=runs/xs/model` takes; where `config.model.value_head` is
False, with `--verifiers=symbolic` or a reward model (`--reward=FOLDER`).
"""

from __future__ import annotations

import sys

from . import console, environment
from . import flags as launch_flags

_CONFIG = launch_flags.define_config()
_OUTPUT = launch_flags.define_path(
    "output", "Folder of the run.", required=True
)


def main(argv: list[str]) -> int:
    """Runs the training; 0 when it is complete."""
    del argv
    with console.interruptible():
        from jaxlrm.train import trainer

    try:
        environment.require_devices()
        trainer.train(_CONFIG.value, _OUTPUT.value)
    except (ImportError, OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        console.leave(130)
    return 0


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
