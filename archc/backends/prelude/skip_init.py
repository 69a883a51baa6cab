from typing import Any

import torch.nn as nn


def skip_init(layer: type[nn.Module], *args: Any, **kwargs: Any) -> Any:
    """A layer on the current default device, which `init_weights` starts later, and nothing before."""
    made: Any = layer.__new__(layer)
    made.__dict__["reset_parameters"] = lambda: None  # hides the layer's own while its constructor runs
    made.__init__(*args, **kwargs)
    del made.__dict__["reset_parameters"]
    return made
