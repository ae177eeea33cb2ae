"""Text as a model reads it: tokens, prompts, the ends of steps (no JAX)."""

from jaxlrm.text.delimiters import Automaton
from jaxlrm.text.folder import Sampling
from jaxlrm.text.outputs import encode_output, show_output
from jaxlrm.text.tokens import Text
from jaxlrm.text.training import END, PADDING, UNKNOWN, train_tokenizer

__all__ = [
    "END",
    "PADDING",
    "UNKNOWN",
    "Automaton",
    "Sampling",
    "Text",
    "encode_output",
    "show_output",
    "train_tokenizer",
]
