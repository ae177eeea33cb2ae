"""Trains small tokenizers (no JAX)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxlrm.text.tokens import Text

UNKNOWN, PADDING, END = "<unk>", "<pad>", "<eos>"


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    tasks: Sequence[str] = (),
    extensions: Sequence[str] = (),
) -> Text:
    """A small byte-pair tokenizer for mathematics.

    Digits and brackets stay single, spaced operators are one token, runs of
    words may become one; characters outside printable ASCII and × are unknown.

    Args:
        texts: problems and steps to learn merges from.
        vocab_size: most tokens; fewer if the texts offer no more merges.
        tasks: the families that the texts are of.
        extensions: the modules that register them.
    """
    import tokenizers
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN))
    piece = r"(?: ?[A-Za-z]{2,})+ ?| [-+*/=×] |= |, |\*\*|[\s\S]"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(piece), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[PADDING, END, UNKNOWN],
            initial_alphabet=[chr(i) for i in range(32, 127)] + ["\n", "×"],
            show_progress=False,
        ),
    )
    return Text(
        tokenizer,
        end=[END],
        prompt="{problem}\n",
        step="\n",
        tasks=tasks,
        extensions=extensions,
    )
