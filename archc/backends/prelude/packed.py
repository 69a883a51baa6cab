from collections.abc import Callable
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
            not torch.is_grad_enabled()
            and input.is_cpu
            and input.dtype == torch.float32
            and not torch.compiler.is_compiling()
            and (self.packed is not None or hasattr(torch.ops.mkldnn, "_reorder_convolution_weight"))
        )

    def call_for(self, input: torch.Tensor) -> Callable[..., torch.Tensor] | None:
        """The fast call for this input; None where none can run on it."""
        if not self.fits(input):
            return None
        if self.packed is None:
            self.packed = self.pack()
        call: Callable[..., torch.Tensor] = self.packed.calls.get(input.shape) or self.packed.start(
            input.shape
        )
        return call

    def pack(self) -> Any:
        """The fast calls, by shape of input."""
        raise NotImplementedError

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
