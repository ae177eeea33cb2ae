"""The mini reasoners that ship with jaxlrm, trained on a laptop CPU.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs

Presets `xs`, `s` and `l` are generators of three sizes, trained on the same
data: worked chains of thought of all families, the easier levels first.
"""

import dataclasses

from jaxlrm.config import ModelConfig, OptimiserConfig, TrainConfig

# Short chains are drawn more often, so that no family is a few tokens only.
TASKS = (
    *["linear", "arithmetic"] * 3,
    *["rational", "gcd", "evaluate", "game24", "countdown"] * 2,
    *["system", "lcm", "factors", "expand", "differentiate"],
)
_SHARED = ModelConfig(
    vocab_size=256,
    hidden_size=48,
    num_layers=6,
    num_heads=3,
    num_kv_heads=1,
    head_dim=16,
    intermediate_size=96,
    hidden_act="relu2",
    rope_theta=1000.0,
    max_position_embeddings=1024,
    qk_norm=True,
)
XS = _SHARED
S = dataclasses.replace(
    _SHARED,
    hidden_size=96,
    num_heads=6,
    num_kv_heads=2,
    intermediate_size=224,
)
L = dataclasses.replace(
    _SHARED,
    hidden_size=192,
    num_layers=8,
    num_heads=6,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=640,
)


def get_config(preset: str = "xs") -> TrainConfig:
    """The configuration of one size."""
    sizes = {"xs": XS, "s": S, "l": L}
    if preset not in sizes:
        raise ValueError(
            f"unknown preset {preset!r}; presets: {', '.join(sizes)}"
        )
    return TrainConfig(
        model=sizes[preset],
        tasks=TASKS,
        easy=0.3,
        rows=32,
        length=256,
        long=512,
        steps=7000,
        optimiser=OptimiserConfig(warmup=100, decay=1500),
        checkpoint_every=250,
    )
