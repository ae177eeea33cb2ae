"""The mini reasoners that ship with jaxlrm, trained on a laptop CPU.

    python -m launch.train --config=configs/mini.py:xs --output=runs/xs
    python -m launch.rollouts --model=runs/xs/model --output=runs/xs.jsonl
    python -m launch.train --config=configs/mini.py:xs_value --output=runs/value

The presets:

- `xs`, `s`, `l`: generators of three sizes, trained on the same data, worked
  chains of thought of all families, the easier levels first.
- `xs_value`, ...: go on with it, the harder families in front, and learn on
  chains of its own (`launch.rollouts`) to tell which steps are right: the
  value head.
- `prm`: the `s` model reads siblings that the `xs` model writes after right
  steps, beside worked chains: a process reward model (the shipped `mini-prm`).
- `l_programs`: goes on with `l_value`, its weakest families in front, and
  learns to write programs too. A second, shorter run of it with other settings,
  `runs/l_last`, goes on with that (the card of `mini` has the command).
- `l_again`: goes on with `runs/l_last`.
- `l_longer`: goes on with `l_again`, with chains of up to 1,536 tokens: the
  longest products of sums, and `countdown` where long products are worked out.
- `l_sums`: goes on with `l_longer`, mostly on `expand`, whose worked chains
  keep the order of terms now.
- `l_powers`: goes on with `l_sums`, with products written power first, all
  families again, and more chains of `countdown` of its own.
- `l_hands`: goes on with `l_powers`, the Game of 24 and `countdown` in front.
  The shipped `mini`.
"""

import dataclasses

from jaxlrm.config import ModelConfig, OptimiserConfig, TrainConfig

# Short chains are drawn more often, so that no family is a few tokens only.
TASKS = (
    *["linear", "arithmetic"] * 3,
    *["rational", "gcd", "evaluate", "game24", "countdown"] * 2,
    *["system", "lcm", "factors", "expand", "differentiate"],
)
# Later, what is learned last is drawn more often.
HARDER = (
    *["rational", "expand"] * 4,
    *["arithmetic", "gcd", "evaluate", "system"] * 3,
    *["linear", "lcm", "differentiate", "countdown"] * 2,
    *["game24", "factors"],
)
# Last, what still fails, and programs.
WEAKEST = (
    *["rational", "expand"] * 6,
    *["system"] * 5,
    *["gcd", "countdown"] * 3,
    *["linear", "arithmetic", "lcm", "evaluate", "differentiate"] * 2,
    *["game24", "programs"] * 2,
    *["factors"],
)
# And once more, with the forms of problems that were added since.
AGAIN = (
    *["expand"] * 6,
    *["rational"] * 5,
    *["linear", "system"] * 4,
    *["arithmetic", "game24"] * 3,
    *["gcd", "countdown", "programs"] * 2,
    *["lcm", "evaluate", "differentiate", "factors"],
)
# The longest chains with the rest: products of sums, moves with long products.
LONGER = (
    *["countdown"] * 9,
    *["rational"] * 5,
    *["expand", "arithmetic", "lcm"] * 4,
    *["expand@5"] * 4,
    *["linear", "system", "evaluate", "game24"] * 3,
    *["gcd", "differentiate", "programs"] * 2,
    *["factors"],
)
# Over half of the tokens are products and sums.
SUMS = (
    *["expand@5", "countdown"] * 12,
    *["expand"] * 6,
    *["rational", "arithmetic", "evaluate"] * 4,
    *["linear", "system", "lcm", "differentiate", "game24"] * 3,
    *["gcd", "programs"] * 2,
    *["factors"],
)
# Products are written anew; no family is left with few tokens.
POWERS = (
    *["countdown"] * 10,
    *["expand@5", "arithmetic@5", "arithmetic"] * 8,
    *["expand"] * 6,
    *["evaluate"] * 5,
    *["rational", "linear"] * 4,
    *["lcm", "system", "differentiate", "game24", "gcd"] * 3,
    *["programs"] * 2,
    *["factors"],
)
# The Game of 24 once more, the hands with the fewest ways first.
HANDS = (
    *["countdown"] * 14,
    *["game24@5"] * 12,
    *["game24", "arithmetic", "expand@5"] * 8,
    *["arithmetic@5", "expand"] * 6,
    *["evaluate", "rational"] * 5,
    *["linear", "differentiate"] * 4,
    *["lcm", "system", "gcd"] * 3,
    *["programs"] * 2,
    *["factors"],
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


SIZES = {"xs": XS, "s": S, "l": L}


def get_config(preset: str = "xs") -> TrainConfig:
    """The configuration of one run."""
    runs = {size: _imitate(model) for size, model in SIZES.items()}
    runs |= {f"{size}_value": _judge(size, 0.25) for size in SIZES}
    judge = _judge("s", 0.7)
    runs["prm"] = dataclasses.replace(
        judge,
        init="runs/s_value/model",
        rollouts="runs/prm.jsonl",
        value_weight=1.0,
        steps=1500,
        optimiser=dataclasses.replace(judge.optimiser, decay=1200),
    )
    runs["l_programs"] = _go_on(runs["l_value"])
    runs["l_again"] = dataclasses.replace(
        runs["l_programs"],
        tasks=AGAIN,
        init="runs/l_last/model",
        steps=2200,
        seed=4,
    )
    again = runs["l_again"]
    runs["l_longer"] = dataclasses.replace(
        again,
        model=dataclasses.replace(again.model, max_position_embeddings=2048),
        tasks=LONGER,
        init="runs/l_again/model",
        rollouts="runs/l_again.jsonl",
        rollout_share=0.1,
        value_weight=0.05,  # new chains must not outweigh the language model
        rows=30,
        long=1536,
        steps=1250,
        # A higher rate undoes what the end of the last run settled.
        optimiser=OptimiserConfig(
            learning_rate=0.005,
            adam_learning_rate=1e-3,
            warmup=50,
            decay=1050,
        ),
        seed=5,
        checkpoint_every=25,
    )
    runs["l_sums"] = dataclasses.replace(
        runs["l_longer"],
        tasks=SUMS,
        init="runs/l_longer/model",
        rollouts="runs/l_longer.jsonl",
        steps=950,
        optimiser=dataclasses.replace(runs["l_longer"].optimiser, decay=750),
        seed=6,
    )
    runs["l_powers"] = dataclasses.replace(
        runs["l_sums"],
        tasks=POWERS,
        init="runs/l_sums/model",
        rollouts="runs/l_sums.jsonl",
        rollout_share=0.15,
        steps=1050,
        seed=7,
    )
    runs["l_hands"] = dataclasses.replace(
        runs["l_powers"],
        tasks=HANDS,
        init="runs/l_powers/model",
        rollouts="runs/l_powers.jsonl",
        steps=700,
        optimiser=dataclasses.replace(runs["l_powers"].optimiser, decay=600),
        seed=8,
    )
    if preset not in runs:
        raise ValueError(
            f"unknown preset {preset!r}; presets: {', '.join(runs)}"
        )
    return runs[preset]


def _imitate(model: ModelConfig) -> TrainConfig:
    return TrainConfig(
        model=model,
        extensions=("jaxlrm.families",),
        tasks=TASKS,
        easy=0.3,
        rows=32,
        length=256,
        long=512,
        steps=7000,
        optimiser=OptimiserConfig(warmup=100, decay=1500),
        checkpoint_every=250,
    )


def _judge(size: str, share: float) -> TrainConfig:
    """Learns on sampled chains, `share` of what it reads."""
    model = dataclasses.replace(SIZES[size], value_head=True)
    return dataclasses.replace(
        _imitate(model),
        tasks=HARDER,
        easy=0.0,
        init=f"runs/{size}/model",
        rollouts=f"runs/{size}.jsonl",
        rollout_share=share,
        steps=1600,
        optimiser=OptimiserConfig(
            learning_rate=0.01,
            adam_learning_rate=2e-3,
            warmup=50,
            decay=1300,
        ),
        seed=1,
    )


def _go_on(run: TrainConfig) -> TrainConfig:
    """Longer, on what the model is worst at."""
    return dataclasses.replace(
        run,
        tasks=WEAKEST,
        init="runs/l_value/model",
        rollouts="runs/l_programs.jsonl",
        rollout_share=0.2,
        steps=2600,
        optimiser=dataclasses.replace(
            run.optimiser, learning_rate=0.012, warmup=100, decay=1300
        ),
        seed=2,
    )
