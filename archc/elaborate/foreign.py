"""What users of other tools write out of habit, and what it is called here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archc.diagnostics import did_you_mean, nearest

_OPS = "ops are called by their plain names: conv, linear, batch_norm, relu …"
_DEPTHWISE = "it is a convolution with a group for every channel: `conv(x.channels, 3, groups = x.channels)`"
_PARTS = "parts of the channels are `x -> slice_channels(start, stop)`"
_NAMES = {
    "True": "write `true`",
    "False": "write `false`",
    "None": "there is no such value: leave the argument out, or pass `identity` for no op",
    "self": "blocks hold no state: pass values as parameters and return tensors",
    "nn": _OPS,
    "torch": _OPS,
    "F": _OPS,
    "tf": _OPS,
    "keras": _OPS,
    "layers": _OPS,
    "Sequential": "join ops by `->`: `conv(64, 3) -> batch_norm -> relu`",
    "depthwise_conv": _DEPTHWISE,
    "dwconv": _DEPTHWISE,
    "DepthwiseConv2D": _DEPTHWISE,
    "split": _PARTS,
    "chunk": _PARTS,
    "print": "nothing is printed: `archc count` shows shapes and figures",
    "append": "lists grow by `xs += [x]`",
    "str": "a type is written after a colon; strings need no conversion",
    "in_channels": "input channels are inferred; `x.channels` tells them",
}
_SYNONYMS = {
    "bn": "batch_norm",
    "gn": "group_norm",
    "ln": "layer_norm",
    "lrn": "local_response_norm",
    "fc": "linear",
    "dense": "linear",
    "swish": "silu",
    "hswish": "hard_swish",
    "cat": "concat",
    "interpolate": "upsample",
    "resize": "upsample",
    "gap": "global_avg_pool",
    "convtranspose2d": "conv_transpose",
    "deconv": "conv_transpose",
    "droppath": "drop_path",
    "stochasticdepth": "drop_path",
    "se": "squeeze_excite",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "str": "string",
    "double": "float",
    "outchannels": "channels",
    "filters": "channels",
    "outfeatures": "features",
    "units": "features",
    "ksize": "kernel",
    "p": "rate",
    "dropprob": "rate",
    "activation": "act",
    "actlayer": "act",
    "normlayer": "norm",
    "planes": "width",
    "outplanes": "width",
    "c": "channels",
    "h": "height",
    "w": "width",
    "filtersin": "channels",
}
_KEYWORDS = {
    "in_channels": "input channels are inferred: leave it out",
    "in_features": "input features are inferred: leave it out",
    "inplace": "leave it out: it changes no result",
    "name": "nodes are named after the op or block that is called; a stage is named `stage name: f`",
    "input_shape": "the arch states it once: `input 3 x 224 x 224`",
    "activation": "put the activation behind it: `conv(64, 3) -> relu`",
}


def name_help(name: str, visible: Iterable[str], library: Mapping[str, str]) -> tuple[str, ...]:
    """What to write instead of a name nothing defines. `library` gives the module of every shipped block."""
    if name in _NAMES:
        return (_NAMES[name],)
    seen = list(visible)
    meant = synonym(name, [*seen, *library])
    if meant is None and name in library:
        meant = name
    if meant is None:
        meant = nearest(name, seen) or nearest(name, library, 0.8)
    if meant is None:
        return ()
    if meant in seen:
        return (f"did you mean `{meant}`?",)
    question = "" if meant == name else f"did you mean `{meant}`? "
    return (f"{question}it is in the library: put `from {library[meant]} import {meant}` at the top",)


def keyword_help(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """What to write instead of a parameter that is not there; empty where nothing comes close."""
    candidates = list(known)
    meant = synonym(name, candidates)
    if meant is not None:
        return (f"did you mean `{meant}`?",)
    if name in _KEYWORDS:
        return (_KEYWORDS[name],)
    return did_you_mean(name, candidates)


def synonym(name: str, candidates: Iterable[str]) -> str | None:
    """What another tool's word is called here, if it is among the candidates."""
    meant = _SYNONYMS.get(name.replace("_", "").lower())
    return meant if meant is not None and meant in candidates else None
