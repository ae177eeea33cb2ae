"""The mini reasoners that ship with jaxlrm, trained on a laptop CPU.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs

Presets `xs`, `s` and `l` are generators of three sizes, trained on the same
data: worked chains of thought of all families, the easier levels first.
"""

import dataclasses

from jaxlrm.config import ModelConfig, OptimiserConfig, TrainConfig
from jaxlrm.tasks import TASKS

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
        tasks=tuple(TASKS),
        easy=0.3,
        rows=32,
        length=256,
        long=512,
        steps=12_500,
        optimiser=OptimiserConfig(warmup=100, decay=3000),
        checkpoint_every=500,
    )
