"""Models of the Hugging Face Hub, by `huggingface_hub` (docs/models.md).

Its cache, its offline mode (HF_HUB_OFFLINE=1) and its login (HF_TOKEN) are
those of every other program that uses it.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence

from jaxlrm import files

# Text and weights; never a pickle, which runs code when it is read.
PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.txt")
# Weights in forms of other libraries, and copies of the whole.
_OTHERS = ("onnx/*", "openvino/*", "original/*", "*consolidated*", "gguf/*")

_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}(@[\w./-]{1,200})?")


def is_id(name: str) -> bool:
    """Whether it reads as `ORG/NAME` or `ORG/NAME@REVISION`."""
    return bool(_ID.fullmatch(name))


def download(name: str) -> pathlib.Path:
    """The folder of a model of the Hub, in the cache.

    Args:
        name: see `is_id`; the revision is a branch, a tag or a commit.

    Raises:
        FileNotFoundError: the Hub has no such model or revision, or it cannot
            be reached and the cache has not got it, or it asks for a login.
        ValueError: its weights are not in safetensors.
        OSError: the download fails.
    """
    path = _snapshot(name, PATTERNS)
    if not any(path.glob("*.safetensors")):
        raise ValueError(
            f"the model {name} of the Hub has no safetensors at its top; "
            "other forms of weights are not read: convert it with transformers "
            "(AutoModelForCausalLM.from_pretrained(...).save_pretrained(DIR)), "
            "or name another revision"
        )
    return path


def download_config(name: str) -> pathlib.Path:
    """The `config.json` of a model of the Hub, in the cache.

    Args:
        name: see `is_id`.

    Raises:
        FileNotFoundError: as for `download`, or it has none.
        OSError: the download fails.
    """
    path = _snapshot(name, ("config.json",)) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"the model {name} has no config.json")
    return path


def _snapshot(name: str, patterns: Sequence[str]) -> pathlib.Path:
    """The folder of a model with the files of these patterns."""
    # Slow to import, and needed for these models only.
    import huggingface_hub
    from huggingface_hub import errors

    model, _, revision = name.partition("@")
    try:
        folder = huggingface_hub.snapshot_download(
            model,
            revision=revision or None,
            allow_patterns=list(patterns),
            ignore_patterns=list(_OTHERS),
        )
    except errors.GatedRepoError as error:
        raise FileNotFoundError(
            f"the model {name} asks for a licence: accept it on "
            f"https://huggingface.co/{model} and log in with `hf auth login` "
            "or HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"there is no folder {name}, and the Hub has no public model of "
            "that name; check the spelling, or log in with `hf auth login` or "
            "HF_TOKEN if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            f"the model {model} of the Hub has no revision {revision!r}; name "
            "a branch, a tag or a commit"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"there is no folder {name}, the cache of the Hub has no such "
            "model, and the Hub cannot be reached (or HF_HUB_OFFLINE is set); "
            f"download it where there is a network: hf download {model}"
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        reason = files.visible(" ".join(str(error).split()), lines=False)
        raise OSError(
            f"the download of {name} from the Hub failed: {reason[:300]}"
        ) from error
    return pathlib.Path(folder)
