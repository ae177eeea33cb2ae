"""Logits and greedy continuations are those of `transformers`, in float32.

Always with a small random model in a folder as `transformers` saves it; and
with JAXLRM_MODELS=DIR, a folder of model folders, with each of those that is
in float32.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib

import jax
import numpy as np
import pytest
import torch
import transformers

import jaxlrm
from jaxlrm.models import hf
from jaxlrm.models.architectures import ARCHITECTURES
from jaxlrm.models.transformer import forward, unembed
from jaxlrm.text import Text
from tests.text import test_prompts as styles

pytestmark = pytest.mark.slow

NEW = 64  # tokens of each continuation
PROBLEMS = [
    "Natalia sold clips to 48 of her friends in April, and half as many in "
    "May. How many clips did Natalia sell altogether?",
    "What is 12 * 13?",
    "Solve x^2 - 5x + 6 = 0 for x.",
    "A train travels 60 km in 45 minutes. What is its speed in km/h?",
    "List the prime numbers between 10 and 30.",
    "Write a Python function that reverses a list.",
    "How many diagonals has a convex octagon?",
    "Betty has half of the $100 that she needs. How much is missing?",
    "Explain why the sum of two odd numbers is even.",
    "Find the remainder of 2^10 divided by 7.",
]
# Longer than the window of Gemma 3.
LONG = " ".join(
    f"A shop sells {n} pens at {n + 2} dollars each: {n * (n + 2)} dollars."
    for n in range(1, 40)
)


def compare(folder: pathlib.Path, problems: list[str]) -> dict[str, float]:
    """What differs between the two on this folder.

    Our greedy continuation is read once by `transformers`: it is its own
    greedy continuation if each of its tokens is the likeliest there.

    Returns:
        `logits`, the largest difference; `equal`, continuations whose tokens
        are all the likeliest there, of `of`; `margin`, by how much the
        likeliest token was ahead where one differs; `tokens` compared.
    """
    # One side at a time: a machine need not hold the weights of both.
    text = Text.load(folder)
    prompts = [text.encode_prompt(problem) for problem in problems]
    continued = _continued(folder, problems)
    chains = [p + ids for p, ids in zip(prompts, continued, strict=True)]
    known = np.where(text.known, 0, -np.inf)
    worst, equal, margin = 0.0, 0, 0.0
    for prompt, ids, ours, theirs in zip(
        prompts,
        continued,
        _our_logits(folder, chains),
        _their_logits(folder, chains),
        strict=True,
    ):
        worst = max(worst, float(np.abs(ours - theirs).max()))
        spots = theirs[len(prompt) - 1 : -1, : len(known)] + known
        equal += spots.argmax(-1).tolist() == ids
        gap = spots.max(-1) - spots[np.arange(len(ids)), ids]
        margin = max(margin, float(gap.max(initial=0.0)))
    return {
        "logits": worst,
        "equal": equal,
        "of": len(problems),
        "margin": margin,
        "tokens": sum(map(len, continued)),
    }


def _continued(folder: pathlib.Path, problems: list[str]) -> list[list[int]]:
    """Token ids of our greedy continuation of each problem's prompt."""
    with jaxlrm.load(folder) as engine:
        found = engine.solve(
            problems,
            strategy="greedy",
            verifiers="none",
            chain_tokens=NEW,
            batch=len(problems),
        )
    return [list(solution.thoughts[0].tokens) for solution in found]


def _our_logits(
    folder: pathlib.Path, chains: list[list[int]]
) -> list[np.ndarray]:
    """`[S, V]` float32 of each chain of `S` tokens."""
    config, values = hf.load(folder)
    values = jax.tree.map(jax.numpy.asarray, values)
    read = jax.jit(functools.partial(_logits, config))
    longest = max(map(len, chains))  # all of one length: compiled once
    found = []
    for chain in chains:
        padded = np.zeros((1, 1, longest), np.int32)
        padded[..., : len(chain)] = chain
        found.append(np.array(read(values, padded))[0, 0, : len(chain)])
    return found


def _logits(config, values, tokens):
    size = tokens.shape[-1]
    hidden, _ = forward(
        config, values, tokens, np.arange(size), np.tri(size, dtype=bool)
    )
    return unembed(config, values, hidden)


def _their_logits(
    folder: pathlib.Path, chains: list[list[int]]
) -> list[np.ndarray]:
    """As `_our_logits`, by `transformers`."""
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    with torch.inference_mode():
        return [
            reference(torch.tensor([chain])).logits[0].numpy()
            for chain in chains
        ]


@pytest.fixture
def small(tmp_path) -> pathlib.Path:
    """A random Qwen2 in float32 whose folder is complete."""
    tokenizer = styles.tokenizer("chatml")
    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=len(tokenizer) + 5,  # padded, as published ones are
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_small_model(small):
    assert json.loads((small / "config.json").read_text())["dtype"] == "float32"
    found = compare(small, PROBLEMS[:3])
    assert found["logits"] < 1e-3
    assert found["equal"] == found["of"] == 3, found


def real_folders() -> list[pathlib.Path]:
    found = []
    for path in styles.real_folders():
        config = json.loads((path / "config.json").read_text())
        kind = config.get("dtype", config.get("torch_dtype"))
        if kind == "float32" and config["model_type"] in ARCHITECTURES:
            found.append(path)
    return found


@pytest.mark.skipif(
    not os.environ.get("JAXLRM_MODELS"),
    reason="JAXLRM_MODELS names no folder of model folders",
)
@pytest.mark.parametrize("folder", real_folders(), ids=lambda path: path.name)
def test_a_real_model(folder):
    found = compare(folder, [*PROBLEMS, LONG])
    assert found["logits"] < 1e-3, found
    assert found["equal"] == found["of"], found
