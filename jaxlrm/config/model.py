"""The shape of a model."""

from __future__ import annotations

import dataclasses

from jaxlrm.config.checks import require_positive, require_types

ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "relu2")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of a Llama / Qwen2 / Qwen3 decoder.

    Field names are those of a Hugging Face `config.json`, where it has one.

    Attributes:
        vocab_size: `V`, rows of the embedding.
        hidden_size: `E`.
        num_layers: `L`.
        num_heads: `H`, query heads.
        num_kv_heads: `K`, key/value heads; divides `num_heads`.
        head_dim: `D`, even (rotary embedding works on pairs).
        intermediate_size: `F`.
        hidden_act: activation of the gated MLP, one of `ACTIVATIONS`.
        rms_norm_eps: epsilon of every RMSNorm.
        rope_theta: base of the rotary embedding.
        max_position_embeddings: longest sequence, in tokens.
        attention_bias: bias on q, k and v (Qwen2).
        qk_norm: RMSNorm on each head of q and k (Qwen3).
        tie_word_embeddings: the unembedding is the embedding.
        value_head: a scalar head on the last hidden state (reward model, or
            generator that judges its own steps).
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 2048
    attention_bias: bool = False
    qk_norm: bool = False
    tie_word_embeddings: bool = True
    value_head: bool = False

    def __post_init__(self):
        require_types(self)
        require_positive(
            self,
            "vocab_size",
            "hidden_size",
            "num_layers",
            "num_heads",
            "num_kv_heads",
            "head_dim",
            "intermediate_size",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
        )
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of "
                f"num_kv_heads {self.num_kv_heads}; grouped-query attention "
                "shares each key/value head among equally many query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim {self.head_dim} is odd; the rotary embedding "
                "rotates pairs, use an even number"
            )
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"hidden_act {self.hidden_act!r} is unknown; use one of "
                f"{', '.join(ACTIVATIONS)}"
            )
