"""Tokenizers, prompt templates and step delimiters (no JAX)."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import json
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

UNKNOWN, PADDING, END = "<unk>", "<pad>", "<eos>"


@dataclasses.dataclass(frozen=True)
class Delimiter:
    """Which tokens end a step, as tables over token ids.

    The delimiter may be split over tokens (a blank line is often two newline
    tokens), so a token has four properties; a step ends at a token that
    `contains` the delimiter, or that `finishes` it when the token before it
    `starts` it.

    Attributes:
        contains: `[V] bool`.
        starts: `[V] bool`, the token's text ends with the first half.
        finishes: `[V] bool`, the token's text starts with the second half.
    """

    contains: np.ndarray
    starts: np.ndarray
    finishes: np.ndarray


class Text:
    """A tokenizer with what the engine needs to know about its tokens.

    Attributes:
        vocab_size: `V`, one more than the highest token id.
        end: ids that end an answer.
        padding: id used to pad arrays; its value never matters.
        prompt: template of a prompt; `{problem}` is the problem's text.
        step: text that ends a step.
        tasks: the only families of problems that the model was trained on;
            empty for a model without such a limit.
    """

    FILES = ("tokenizer.json", "text.json")  # of a model folder

    def __init__(
        self,
        tokenizer,
        *,
        end: Sequence[str],
        prompt: str,
        step: str,
        tasks: Sequence[str] = (),
    ):
        self._tokenizer = tokenizer
        # Not their number: some ids may be left out.
        self.vocab_size = max(tokenizer.get_vocab().values(), default=-1) + 1
        ids = [tokenizer.token_to_id(token) for token in end]
        if not ids:
            raise ValueError(
                "there is no end token; name those that end an answer"
            )
        if None in ids:
            raise ValueError(
                f"the tokenizer lacks the end tokens {list(end)}; name tokens "
                "that it has"
            )
        if "{problem}" not in prompt:
            raise ValueError(
                f"prompt template {prompt!r} lacks {{problem}}, the place of "
                "the problem's text"
            )
        if not step:
            raise ValueError("the step delimiter is empty; use '\\n'")
        self.end = tuple(ids)
        self.padding = ids[0]
        self.prompt = prompt
        self.step = step
        self.tasks = tuple(tasks)
        pieces = [self.decode([i]) for i in self.encode(step)]
        marks = list(map(self._marks, pieces))
        split = any(a[1] and b[2] for a, b in itertools.pairwise(marks))
        if not split and not any(contains for contains, *_ in marks):
            raise ValueError(
                f"the step delimiter {step!r} is read as {pieces}; one token "
                "must hold it, or two of them a half each, as of '\\n' or "
                "'\\n\\n'"
            )

    @classmethod
    def load(cls, folder: str | pathlib.Path) -> Text:
        """Reads `tokenizer.json` and `text.json` of a model folder.

        Raises:
            FileNotFoundError: one of them is missing.
            ValueError: one of them cannot be read.
        """
        import tokenizers

        folder = pathlib.Path(folder)
        for name in cls.FILES:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder / name} is missing; a model folder holds "
                    "config.json, model.safetensors, tokenizer.json and "
                    "text.json"
                )
        try:
            tokenizer = tokenizers.Tokenizer.from_file(
                str(folder / "tokenizer.json")
            )
            settings = json.loads((folder / "text.json").read_text())
            return cls(tokenizer, **settings)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(
                f"the tokenizer in {folder} cannot be read: {error}"
            ) from error

    def save(self, folder: str | pathlib.Path) -> None:
        """Writes what `load` reads."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer.save(str(folder / "tokenizer.json"))
        settings = {
            "end": [self._tokenizer.id_to_token(i) for i in self.end],
            "prompt": self.prompt,
            "step": self.step,
            "tasks": list(self.tasks),
        }
        (folder / "text.json").write_text(json.dumps(settings, indent=2) + "\n")

    def differences(self, other: Text) -> list[str]:
        """What a model of `other` would read otherwise; empty if nothing."""
        mine, others = self._tokenizer, other._tokenizer
        found = {
            "vocabulary": mine.get_vocab() != others.get_vocab(),
            "end tokens": self.end != other.end,
            "step delimiter": self.step != other.step,
        }
        return [name for name, differs in found.items() if differs]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text` as it stands: no template, no special tokens.

        The name of a special token is text like any other.
        """
        named = self._names_special(text)
        return self._read(self._literal if named else self._tokenizer, text)

    def encode_prompt(self, problem: str) -> list[int]:
        """Token ids of the prompt that asks `problem`.

        Special tokens are those of the template alone.
        """
        read = functools.partial(self._read, self._tokenizer)
        if not self._names_special(problem):  # in one, as models are trained
            return read(self.prompt.replace("{problem}", problem))
        first, *others = self.prompt.split("{problem}")
        asked = self.encode(problem)
        return read(first) + [i for part in others for i in asked + read(part)]

    def _read(self, tokenizer, text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    def _names_special(self, text: str) -> bool:
        return any(name in text for name in self._special)

    @functools.cached_property
    def _special(self) -> tuple[str, ...]:
        added = self._tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    @functools.cached_property
    def _literal(self):
        """The tokenizer without an eye for special tokens."""
        tokenizer = copy.deepcopy(self._tokenizer)
        tokenizer.encode_special_tokens = True
        return tokenizer

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`; special tokens have none."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def decode_step(self, ids: Iterable[int]) -> str:
        """Text of one step without its delimiter."""
        return self.decode(ids).strip()

    def encode_output(self, output: str, size: int) -> tuple[list[int], str]:
        """What a model reads of a tool's output: the text and a delimiter.

        Args:
            output: text; empty is no output.
            size: most tokens; what is over is cut.

        Returns:
            Token ids, and the text that they stand for, without delimiter.
        """
        if not output:
            return [], ""
        end = self.encode(self.step)
        # Characters that the tokenizer does not know have no text.
        ids = [i for i in self.encode(output) if self.decode([i])]
        ids = ids[: max(size - len(end), 0)]
        return [*ids, *end][:size], self.decode(ids).strip()

    @functools.cached_property
    def delimiter(self) -> Delimiter:
        """The tables of this tokenizer's step delimiter."""
        texts = [self.decode([i]) for i in range(self.vocab_size)]
        return Delimiter(*np.array(list(map(self._marks, texts)), bool).T)

    def _marks(self, text: str) -> tuple[bool, bool, bool]:
        """What `Delimiter` says of a token with this text."""
        half = len(self.step) // 2
        first, second = self.step[:half], self.step[half:]
        several = bool(first)  # one character cannot be split over tokens
        return (
            self.step in text,
            several and text.endswith(first),
            several and text.startswith(second),
        )

    @functools.cached_property
    def known(self) -> np.ndarray:
        """`[V] bool`: ids that are tokens."""
        table = np.zeros(self.vocab_size, bool)
        table[list(self._tokenizer.get_vocab().values())] = True
        return table

    @functools.cached_property
    def is_end(self) -> np.ndarray:
        """`[V] bool`: tokens that end an answer."""
        table = np.zeros(self.vocab_size, bool)
        table[list(self.end)] = True
        return table


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, tasks: Sequence[str] = ()
) -> Text:
    """A small byte-pair tokenizer for mathematics.

    Digits and brackets stay single, spaced operators are one token, runs of
    words may become one; characters outside printable ASCII and × are unknown.

    Args:
        texts: problems and steps to learn merges from.
        vocab_size: most tokens; fewer if the texts offer no more merges.
        tasks: the families that the texts are of.
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
        tokenizer, end=[END], prompt="{problem}\n", step="\n", tasks=tasks
    )
