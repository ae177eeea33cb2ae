"""Shapes of published models, to plan for without downloading them.

The numbers are those of each model's `config.json` on the Hugging Face Hub.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Shape(NamedTuple):
    """Sizes of a model, named as in `config.json`."""

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    tie_word_embeddings: bool

    def to_json(self) -> dict[str, Any]:
        """What of a `config.json` decides how much memory a model takes."""
        return self._asdict()


_LLAMA, _QWEN2, _QWEN3 = "llama", "qwen2", "qwen3"
_LONG = 131072

# fmt: off
SHAPES = {
    "Llama-3.2-1B": Shape(
        _LLAMA, 128256, 2048, 8192, 16, 32, 8, 64, _LONG, True),
    "Llama-3.2-3B": Shape(
        _LLAMA, 128256, 3072, 8192, 28, 24, 8, 128, _LONG, True),
    "Llama-3.1-8B": Shape(
        _LLAMA, 128256, 4096, 14336, 32, 32, 8, 128, _LONG, False),
    "Llama-3.3-70B": Shape(
        _LLAMA, 128256, 8192, 28672, 80, 64, 8, 128, _LONG, False),
    "Qwen2.5-0.5B": Shape(
        _QWEN2, 151936, 896, 4864, 24, 14, 2, 64, 32768, True),
    "Qwen2.5-1.5B": Shape(
        _QWEN2, 151936, 1536, 8960, 28, 12, 2, 128, 32768, True),
    "Qwen2.5-7B": Shape(
        _QWEN2, 152064, 3584, 18944, 28, 28, 4, 128, 32768, False),
    "Qwen2.5-Math-1.5B": Shape(
        _QWEN2, 151936, 1536, 8960, 28, 12, 2, 128, 4096, True),
    "Qwen2.5-Math-7B": Shape(
        _QWEN2, 152064, 3584, 18944, 28, 28, 4, 128, 4096, False),
    "Qwen3-0.6B": Shape(
        _QWEN3, 151936, 1024, 3072, 28, 16, 8, 128, 40960, True),
    "Qwen3-1.7B": Shape(
        _QWEN3, 151936, 2048, 6144, 28, 16, 8, 128, 40960, True),
    "Qwen3-4B": Shape(
        _QWEN3, 151936, 2560, 9728, 36, 32, 8, 128, 40960, True),
    "Qwen3-8B": Shape(
        _QWEN3, 151936, 4096, 12288, 36, 32, 8, 128, 40960, False),
}
# fmt: on
