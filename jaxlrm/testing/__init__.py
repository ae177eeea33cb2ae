"""Fakes and tiny models for tests, of this package and of what plugs into it.

A strategy is tested on a *script*: a tree of steps that a fake model writes
word by word, so that the tree a search keeps can be written down by hand:

    script = (
        step("a", 0.9, answer("a1", 0.8)),
        step("b", 0.2),
    )
    found = run_scripts(strategies.build(config), [script])
    assert found.trees == [...]

`learned` and `engine` make a random model of a few thousand parameters, with a
tokenizer of single characters, where a real one is needed and its answers are
not.
"""

from jaxlrm.testing.scripts import (
    Found,
    Lines,
    Memory,
    Script,
    Step,
    answer,
    compile_scripts,
    cut,
    outline,
    run_scripts,
    scripted_model,
    step,
    verdicts_of,
)
from jaxlrm.testing.tiny import engine, learned, model_config, text

__all__ = [
    "Found",
    "Lines",
    "Memory",
    "Script",
    "Step",
    "answer",
    "compile_scripts",
    "cut",
    "engine",
    "learned",
    "model_config",
    "outline",
    "run_scripts",
    "scripted_model",
    "step",
    "text",
    "verdicts_of",
]
