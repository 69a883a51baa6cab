"""States of modules and optimizers as JSON and tensors by name, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """The value with a name in the place of each tensor, and the tensors by name. Tuples become lists."""
    tensors: dict[str, Tensor] = {}

    def packed(part: Any) -> Any:
        if isinstance(part, Tensor):
            name = f"{len(tensors)}"
            tensors[name] = part
            return {"tensor": name}
        if isinstance(part, dict):  # as pairs: JSON has no numbers as keys
            return {"pairs": [[key, packed(inner)] for key, inner in part.items()]}
        if isinstance(part, list | tuple):
            return [packed(inner) for inner in part]
        return part

    return packed(value), tensors


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What was packed."""
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: unpack(inner, tensors) for key, inner in value["pairs"]}
    if isinstance(value, list):
        return [unpack(inner, tensors) for inner in value]
    return value
