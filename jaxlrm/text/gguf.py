"""The files about text of a model folder, out of the metadata of a GGUF file.

GGUF keeps the tokens, the merges and the name of a rule that divides text into
words; `tokenizer.json` says the same in the form of the library `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxlrm import files
from jaxlrm.files import shown
from jaxlrm.text import folder as folders

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # what SentencePiece writes for a space
# Types of tokens.
_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 2, 3, 4, 5, 6
# Ids by which answers may end: of a text, a turn, a message.
_ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")
_NAMED = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}
_SAMPLING = {
    "temperature": "temp",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
}
_TEMPLATE = "tokenizer.chat_template"

# Words as the authors of each vocabulary divide text.
_ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT2 = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)
_SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3, _QWEN2 = (
    _ENGLISH
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
    + digits
    + r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    + _SPACES
    for digits in (r"\p{N}{1,3}", r"\p{N}")
)
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_TEKKEN, _GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{ends}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{ends}"
    rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{_SPACES}"
    for ends, digits in (("", r"\p{N}"), (f"{_ENGLISH}?", r"\p{N}{1,3}"))
)
_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}")
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + _SPACES,
)


class _Words(NamedTuple):
    """A value of `tokenizer.ggml.pre`.

    Attributes:
        patterns: each divides what the ones before it left whole.
        whole: words that are tokens are not put together by merges.
        begins: a text begins with the BOS token, where the file is silent.
        composed: text is brought into Unicode's composed form (NFC) first.
    """

    patterns: tuple[str, ...]
    whole: bool = False
    begins: bool = False
    composed: bool = False


_WORDS = {
    "gpt-2": _Words((_GPT2,)),
    "phi-2": _Words((_GPT2,)),
    "olmo": _Words((_GPT2,)),
    "smollm": _Words((r"\p{N}", _GPT2)),
    "llama3": _Words((_LLAMA3,), whole=True, begins=True),
    "llama-v3": _Words((_LLAMA3,), whole=True, begins=True),
    "llama-bpe": _Words((_LLAMA3,), whole=True, begins=True),
    "falcon3": _Words((_LLAMA3,), whole=True, begins=True),
    "smaug-bpe": _Words((_LLAMA3,)),
    "dbrx": _Words((_LLAMA3,)),
    "qwen2": _Words((_QWEN2,), composed=True),
    "deepseek-r1-qwen": _Words((_QWEN2,)),
    "megrez": _Words((_QWEN2,)),
    "tekken": _Words((_TEKKEN,), whole=True, begins=True),
    "gpt-4o": _Words((_GPT4O,)),
    "deepseek-coder": _Words(_CODER),
    "deepseek-v3": _Words(_DEEPSEEK3),
}


def text_files(
    metadata: Mapping[str, Any], where: str, context: int
) -> dict[str, Any]:
    """The files about text of a model folder.

    Args:
        metadata: of the GGUF file, by key.
        where: its name, for messages.
        context: longest sequence that the model is meant for.

    Returns:
        JSON values by the names of their files: `tokenizer.json`,
        `tokenizer_config.json` (with the chat template) and
        `generation_config.json`.

    Raises:
        ValueError: a key is missing or not what it should be, or asks for a
            tokenizer that is not known; names the file and the key.
    """
    vocabulary = _Vocabulary(metadata, where)
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": vocabulary.begins,
        "add_eos_token": vocabulary.ends,
    }
    config |= {
        name: vocabulary.tokens[number]
        for name, key in _NAMED.items()
        if (number := vocabulary.id(key)) is not None
    }
    if templates := _templates(metadata, where):
        config["chat_template"] = templates
    return {
        folders.TOKENIZER: vocabulary.tokenizer(),
        folders.TOKENIZER_CONFIG: config,
        folders.GENERATION: _generation(vocabulary),
    }


def _generation(vocabulary: _Vocabulary) -> dict[str, Any]:
    """End tokens, and how the model is sampled where the file says so."""
    ids = [vocabulary.id(key) for key in _ENDS]
    ends = [i for i in dict.fromkeys(ids) if i is not None]
    if not ends:
        raise ValueError(
            f"{vocabulary.where}: tokenizer.ggml.eos_token_id is missing; it "
            "must be the token that ends an answer"
        )
    found: dict[str, Any] = {
        "bos_token_id": vocabulary.id("bos_token_id"),
        "eos_token_id": ends[0] if len(ends) == 1 else ends,
        "pad_token_id": vocabulary.id("padding_token_id"),
    }
    found = {name: value for name, value in found.items() if value is not None}
    sampling = {
        name: value
        for name, key in _SAMPLING.items()
        if (value := vocabulary.metadata.get(f"general.sampling.{key}"))
        is not None
    }
    return found | sampling | ({"do_sample": True} if sampling else {})


def _templates(metadata: Mapping[str, Any], where: str) -> Any:
    """The chat template; with others by name, a list of all of them."""
    named = {
        key.removeprefix(f"{_TEMPLATE}."): metadata[key]
        for key in metadata
        if key.startswith(f"{_TEMPLATE}.")
    }
    if _TEMPLATE in metadata:
        named = {"default": metadata[_TEMPLATE], **named}
    for name, template in named.items():
        if not isinstance(template, str):
            raise ValueError(
                f"{where}: chat template {shown(name)} is {shown(template)}; "
                "it must be text"
            )
    if list(named) == ["default"]:
        return named["default"]
    return [{"name": n, "template": text} for n, text in named.items()]


class _Vocabulary:
    """The tokens of a GGUF file.

    Attributes:
        metadata: of the file.
        where: name of the file.
        tokens: by id.
        types: of the tokens.
        begins: a text begins with the BOS token.
        ends: a text ends with the EOS token.
    """

    def __init__(self, metadata: Mapping[str, Any], where: str):
        self.metadata, self.where = metadata, where
        self._fields = files.Fields(metadata, where)
        self._kind = self._fields.text(
            "tokenizer.ggml.model", ("gpt2", "llama")
        )
        self.tokens: list[str] = self._fields.texts("tokenizer.ggml.tokens")
        if self._kind == "llama":
            # Some files have the spaces of tokens of nothing else as such.
            self.tokens = [
                token if token.strip() else token.replace(" ", _SPACE)
                for token in self.tokens
            ]
        self.types = self._column("token_type", 1)
        self._words = None
        if self._kind == "gpt2":
            self._words = _WORDS[
                self._fields.text("tokenizer.ggml.pre", tuple(_WORDS))
            ]
        begins = self._words is None or self._words.begins
        self.begins = self._flag("add_bos_token", begins)
        self.ends = self._flag("add_eos_token", False)

    def id(self, key: str) -> int | None:
        """A token id, or None where the file names none."""
        key = f"tokenizer.ggml.{key}"
        return self._fields.integer(key, 0, len(self.tokens) - 1, default=None)

    def _flag(self, key: str, default: bool) -> bool:
        return self._fields.flag(f"tokenizer.ggml.{key}", default)

    def _column(self, key: str, default: float) -> Sequence[Any]:
        """A number for each token."""
        key = f"tokenizer.ggml.{key}"
        values = self.metadata.get(key)
        if values is None:
            return [default] * len(self.tokens)
        if isinstance(values, str) or len(values) != len(self.tokens):
            raise self._fields.error(
                key, f"it must be {len(self.tokens)} numbers, one a token"
            )
        return list(values)

    def tokenizer(self) -> dict[str, Any]:
        """The value of `tokenizer.json`."""
        by_bytes = self._kind == "gpt2"
        parts = self._byte_level() if by_bytes else self._sentence_piece()
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": not by_bytes,
            "byte_fallback": not by_bytes,
            "ignore_merges": False,
        }
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": self._added(),
            "normalizer": None,
            "pre_tokenizer": None,
            "post_processor": self._frame(),
            **parts,
            "model": model | parts["model"],
        }

    def _byte_level(self) -> dict[str, Any]:
        """Tokens of bytes, put together inside of words."""
        merges = self._merges()
        if merges is None:
            self._fields.texts("tokenizer.ggml.merges")  # says it is missing
        splits = [
            {
                "type": "Split",
                "pattern": {"Regex": pattern},
                "behavior": "Isolated",
                "invert": False,
            }
            for pattern in self._words.patterns
        ]
        level = {
            "type": "ByteLevel",
            "add_prefix_space": self._flag("add_space_prefix", False),
            "trim_offsets": True,
            "use_regex": False,
        }
        return {
            "normalizer": {"type": "NFC"} if self._words.composed else None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [*splits, level],
            },
            "decoder": {**level, "add_prefix_space": True, "use_regex": True},
            "model": {
                "ignore_merges": self._words.whole,
                "vocab": self._ids(),
                "merges": merges,
            },
        }

    def _sentence_piece(self) -> dict[str, Any]:
        """Tokens of characters, put together anywhere; others are bytes."""
        replace = {
            "type": "Replace",
            "pattern": {"String": " "},
            "content": _SPACE,
        }
        decoders = [
            {
                "type": "Replace",
                "pattern": {"String": _SPACE},
                "content": " ",
            },
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ]
        normalizer: dict[str, Any] = replace
        if self._flag("add_space_prefix", True):
            normalizer = {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Prepend", "prepend": _SPACE},
                    replace,
                ],
            }
            decoders.append(
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}
            )
        unknown = self.id("unknown_token_id")
        if unknown is None and _UNKNOWN in self.types:
            unknown = self.types.index(_UNKNOWN)
        merges = self._merges()
        return {
            "normalizer": normalizer,
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {
                "unk_token": None if unknown is None else self.tokens[unknown],
                "vocab": self._ids(),
                "merges": self._joins() if merges is None else merges,
            },
        }

    def _ids(self) -> dict[str, int]:
        """Ids by token, without those that only fill up the embedding."""
        found: dict[str, int] = {}
        for number, token in enumerate(self.tokens):
            fills = self.types[number] == _UNUSED and token.startswith("[PAD")
            if not fills:
                found.setdefault(token, number)
        return found

    def _merges(self) -> list[list[str]] | None:
        key = "tokenizer.ggml.merges"
        if key not in self.metadata:
            return None
        pairs = [line.split(" ") for line in self._fields.texts(key)]
        for pair in pairs:
            if len(pair) != 2:
                raise ValueError(
                    f"{self.where}: {key} holds "
                    f"{shown(' '.join(pair))}; it must be two tokens with a "
                    "space between them"
                )
        return pairs

    def _joins(self) -> list[tuple[str, str]]:
        """The merges that a vocabulary with scores stands for.

        SentencePiece puts any two neighbours together that make a token,
        those of the highest score first; what a user defined comes before
        all others. Tokens that no text can spell (control, byte) are made of
        nothing.
        """
        scores = self._column("scores", 0.0)
        silent = (_UNKNOWN, _CONTROL, _UNUSED, _BYTE)
        ids = {
            token: number
            for number, token in enumerate(self.tokens)
            if self.types[number] not in silent
        }

        def rank(token: str) -> tuple[bool, float]:
            number = ids[token]
            if self.types[number] == _USER_DEFINED:
                return False, number
            return True, -scores[number]

        found: list[tuple[str, str]] = []
        for token in sorted(ids, key=rank):
            pairs = [
                (token[:cut], token[cut:])
                for cut in range(1, len(token))
                if token[:cut] in ids and token[cut:] in ids
            ]
            found += sorted(
                pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]])
            )
        return found

    def _added(self) -> list[dict[str, Any]]:
        """Tokens that are found in a text before it is divided into words."""
        phi3 = (
            self._kind == "llama"
            and self.metadata.get("general.architecture") == "phi3"
        )
        special = (_UNKNOWN, _CONTROL)
        return [
            {
                "id": number,
                "content": token,
                "single_word": False,
                "lstrip": False,
                # Of Phi-3, whose file says so and GGUF cannot.
                "rstrip": phi3
                and token not in ("<unk>", "<s>", "<|endoftext|>"),
                "normalized": False,
                "special": self.types[number] in special,
            }
            for number, token in enumerate(self.tokens)
            if self.types[number] in (*special, _USER_DEFINED)
        ]

    def _frame(self) -> dict[str, Any]:
        """What stands before and after a text: BOS, EOS or nothing."""
        names = []
        for wanted, key in (
            (self.begins, "bos_token_id"),
            (self.ends, "eos_token_id"),
        ):
            number = self.id(key) if wanted else None
            if wanted and number is None:
                raise ValueError(
                    f"{self.where}: a text has to begin or end with "
                    f"the token of tokenizer.ggml.{key}, which is missing"
                )
            names.append(None if number is None else self.tokens[number])
        bos, eos = names

        def framed(sequence: str, kind: int) -> list[dict[str, Any]]:
            parts: list[dict[str, Any]] = [
                {"Sequence": {"id": sequence, "type_id": kind}}
            ]
            if bos is not None:
                parts.insert(0, {"SpecialToken": {"id": bos, "type_id": kind}})
            if eos is not None:
                parts.append({"SpecialToken": {"id": eos, "type_id": kind}})
            return parts

        special = {
            token: {
                "id": token,
                "ids": [self.tokens.index(token)],
                "tokens": [token],
            }
            for token in names
            if token is not None
        }
        return {
            "type": "TemplateProcessing",
            "single": framed("A", 0),
            "pair": framed("A", 0) + framed("B", 1),
            "special_tokens": special,
        }
