"""Writes a model folder: of a GGUF file, or of another folder.

    python -m launch.convert --source=model.Q4_K_M.gguf --output=DIR
    python -m launch.convert --source=DIR --lora=ADAPTER --output=MERGED

The result is what `transformers` writes, for `--model=DIR` here and for
`from_pretrained` there: weights de-quantised, the tokenizer and the chat
template rebuilt (docs/models.md). A source is a GGUF file (of a split one the
first), a model folder, or ORG/NAME of the Hugging Face Hub. Tensors are read
and written one by one, so a model may be larger than the memory.
"""

from __future__ import annotations

import sys

from absl import flags

from . import console
from . import flags as launch_flags

_SOURCE = launch_flags.define_path(
    "source", "GGUF file, model folder, or ORG/NAME of the Hub.", required=True
)
_OUTPUT = launch_flags.define_path(
    "output", "Folder to write, which is empty or not there.", required=True
)
_DTYPE = flags.DEFINE_enum(
    "dtype",
    "auto",
    ("auto", "float32", "bfloat16", "float16"),
    "Of the weights; auto is that of the source, bfloat16 of quantised ones.",
)
_LORA = launch_flags.define_path(
    "lora", "Folder of a LoRA adapter, as peft writes it, to merge."
)


def main(argv: list[str]) -> int:
    """Converts and says what was written."""
    del argv
    try:
        _convert()
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        console.leave(130)
    return 0


def _convert() -> None:
    with console.interruptible():
        from jaxlrm.models import convert
    with console.LiveLine() as live:
        found = convert.convert(
            _SOURCE.value,
            _OUTPUT.value,
            dtype=_DTYPE.value,
            adapter=_LORA.value,
            report=lambda done, total, name: live.show(
                f"{done / 1e9:.2f} of {total / 1e9:.2f} GB · {name}"
            ),
        )
    print(
        f"{_OUTPUT.value}: {found.kind}, {found.tensors} tensors, "
        f"{found.bytes / 1e9:.2f} GB in {found.dtype}"
    )


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
