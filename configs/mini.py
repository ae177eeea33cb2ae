"""The mini reasoner that ships with jaxlrm, trained on a laptop CPU.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs

The presets in the order they are run:

- `xs`: imitates worked chains of thought.
"""

from jaxlrm.config import ModelConfig, OptimiserConfig, TrainConfig

XS = ModelConfig(
    vocab_size=192,
    hidden_size=64,
    num_layers=6,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=128,
    hidden_act="relu2",
    rope_theta=1000.0,
    max_position_embeddings=512,
    qk_norm=True,
)


def get_config(preset: str = "xs") -> TrainConfig:
    """The configuration of one stage of training."""
    stages = {
        "xs": TrainConfig(
            model=XS,
            rows=32,
            length=256,
            steps=12000,
            optimiser=OptimiserConfig(decay=3000),
        ),
    }
    if preset not in stages:
        raise ValueError(
            f"unknown preset {preset!r}; presets: {', '.join(stages)}"
        )
    return stages[preset]
