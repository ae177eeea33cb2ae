"""The mini reasoner that ships with jaxlrm, trained on a laptop CPU.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs
    python -m launch.rollouts --model=runs/xs/model --output=runs/rollouts.jsonl
    python -m launch.train --config=configs/mini.py:xs_value --output=runs/value

The presets, in the order they are run:

- `xs`: imitates worked chains of thought.
- `xs_value`: goes on with it at a falling learning rate, and learns on its own
  chains (`launch.rollouts`) to tell which steps are right: the value head.
"""

import dataclasses

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
    imitate = TrainConfig(model=XS, rows=32, length=256, steps=6000)
    stages = {
        "xs": imitate,
        "xs_value": dataclasses.replace(
            imitate,
            model=dataclasses.replace(XS, value_head=True),
            init="runs/xs/model",
            rollouts="runs/rollouts.jsonl",
            rollout_share=0.4,
            steps=2500,
            optimiser=OptimiserConfig(warmup=50, decay=2300),
            seed=1,
        ),
    }
    if preset not in stages:
        raise ValueError(
            f"unknown preset {preset!r}; presets: {', '.join(stages)}"
        )
    return stages[preset]
