from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F


class Packed(nn.Module):
    """A layer with what follows it as one call, made at the first one and again after weights were loaded or moved.

    oneDNN's calls are private to torch. Where they are missing, and on other devices, in other types, with gradients
    or under torch.compile, the same is computed by plain calls.
    """

    act: str
    packed: Any = None

    def fits(self, input: torch.Tensor) -> bool:
        """Whether the fast calls can run on this input."""
        return (
            not torch.compiler.is_compiling()
            and not torch.is_grad_enabled()
            and input.device.type == "cpu"
            and input.dtype == torch.float32
            and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
        )

    def finish(self, result: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        """The sum and the activation, by plain calls."""
        result = result if other is None else result + other
        return result if self.act == "none" else getattr(F, self.act)(result)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.packed = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped

    def _load_from_state_dict(self, *args: Any) -> None:
        self.packed = None
        super()._load_from_state_dict(*args)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "packed": None}
