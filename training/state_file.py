"""A nested state of tensors and plain values as one safetensors file with a checksum: no code is run to read it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from circuits import InputError
from training.atomic_file import replace_file

State = dict[str, Any]
"""Dictionaries with names as keys, and lists, of tensors and of what JSON holds."""
FORMAT = "ohmvert checkpoint 1"
_TENSOR = "$tensor"


def write_state(path: Path, state: State) -> None:
    """Write a state, all of it or nothing; tuples become lists. InputError where the file cannot be written."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_take_out(state, "", tensors))
    metadata = {"format": FORMAT, "state": text, "sha256": _checksum(text, tensors)}
    replace_file(path, save(tensors, metadata))


def read_state(path: Path) -> State:
    """What `write_state` wrote; InputError with the reason where the file is not that, to the last bit."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies: the file's own bytes are aligned otherwise than memory, and may be gone tomorrow.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"it is no whole safetensors file ({error})") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f"its format is {metadata.get('format', 'not named')!r}, not {FORMAT!r}")
    text = metadata.get("state", "")
    if _checksum(text, tensors) != metadata.get("sha256"):
        raise InputError("its checksum does not fit its content: it was damaged after it was written")
    state: State = _put_back(json.loads(text), tensors)
    return state


def _take_out(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The value with every tensor replaced by its name in `tensors`, which is where it is found."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        return {key: _take_out(item, f"{path}/{key}" if path else key, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_take_out(item, f"{path}/{k}", tensors) for k, item in enumerate(value)]
    return value


def _put_back(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value[_TENSOR]] if _TENSOR in value else {k: _put_back(v, tensors) for k, v in value.items()}
    return [_put_back(item, tensors) for item in value] if isinstance(value, list) else value


def _checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the plain values and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
