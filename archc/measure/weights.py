"""Weights from elsewhere: loading safetensors with a keymap, and filling a module with random ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from archc.backends import torch_module
from archc.diagnostics import NOWHERE, ArchError, Diagnostic, Source, Span, nearest
from archc.ir import Graph

SHOWN = 1000  # keys listed in one message

COUNTER = "num_batches_tracked"
"""A buffer of batch normalisation that counts training steps: networks that lack it are the same networks."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a foreign tensor goes: our state-dict key and, where it must be reshaped, our shape."""

    key: str
    shape: tuple[int, ...] | None = None


Keymap = dict[str, Target]
"""Foreign state-dict keys to ours."""


KEYMAP_VERSION = 1


def keymap_text(keymap: Mapping[str, Target]) -> str:
    """A keymap as JSON: `{"version": 1, "keys": {"their.key": "our.key"}}`.

    Where a tensor must be reshaped, its key is an object `{"key": …, "shape": […]}`.
    """
    rows = {
        theirs: t.key if t.shape is None else {"key": t.key, "shape": list(t.shape)}
        for theirs, t in keymap.items()
    }
    return json.dumps({"version": KEYMAP_VERSION, "keys": rows}, indent=1) + "\n"


def save_keymap(keymap: Mapping[str, Target], path: Path) -> None:
    """Write `keymap_text` to a file."""
    path.write_text(keymap_text(keymap), encoding="utf-8")


def load_keymap(path: Path) -> Keymap:
    """Read what `save_keymap` wrote; raises ArchError (E0605) when it is something else."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(written, dict) or written.keys() != {"version", "keys"}:
            raise ValueError("it must be an object with `version` and `keys`")
        if written["version"] != KEYMAP_VERSION:
            raise ValueError(f"version {written['version']!r} is not {KEYMAP_VERSION}, the one known here")
        keymap = {theirs: _target(row) for theirs, row in written["keys"].items()}
        twice = [key for key, times in Counter(t.key for t in keymap.values()).items() if times > 1]
        if twice:
            raise ValueError(f"two tensors go to `{twice[0]}`")
        return keymap
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArchError([_problem("E0605", f"{path.name} is not a keymap: {error}", path)]) from None


def _target(row: object) -> Target:
    if isinstance(row, str):
        return Target(row)
    if not isinstance(row, dict) or not isinstance(row["key"], str):
        raise ValueError("every value must be a key or an object with `key` and `shape`")
    return Target(row["key"], tuple(int(size) for size in row["shape"]))


def load_weights(
    module: nn.Module,
    path: Path,
    keymap: Mapping[str, Target] | None = None,
    *,
    afresh: Container[str] = (),
) -> tuple[str, ...]:
    """Fill a module from a safetensors file, all of it or nothing; returns the keys that stay as they were.

    keymap: foreign keys to ours; keys of the file outside it count as unexpected. afresh: keys that may be missing,
    or of another shape, and then stay. Else only the counter of batches seen (`num_batches_tracked`) may be missing.
    Raises ArchError: E0601 the file cannot be read, E0602 keys missing, E0603 keys nothing has room for, E0604 shapes that do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        given = load_file(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        help = _pickled_help(path)
        why = "it is a pickled checkpoint of torch" if help else error
        raise ArchError(
            [_problem("E0601", f"cannot read weights from {path.name}: {why}", path, help=help)]
        ) from None
    ours = module.state_dict()
    state: dict[str, torch.Tensor] = {}
    unexpected, mismatched = [], []
    for theirs, tensor in given.items():
        target = keymap.get(theirs) if keymap is not None else Target(theirs)
        if target is None or target.key not in ours:
            unexpected.append(f"{theirs} -> {target.key}" if target and keymap is not None else theirs)
            continue
        here = ours[target.key]
        fits = tensor.shape == here.shape or (target.shape is not None and target.shape == tuple(here.shape))
        if fits and tensor.numel() == here.numel():
            state[target.key] = tensor.reshape(here.shape)
        elif target.key not in afresh:
            mismatched.append(f"{target.key}: is {tuple(here.shape)}, the file has {tuple(tensor.shape)}")
    refused = {key.partition(":")[0] for key in mismatched}
    absent = [k for k in ours if k not in state and k not in refused and not k.endswith(COUNTER)]
    missing = [k for k in absent if k not in afresh]
    problems = [
        _problem(code, f"{path.name} {what.format(_count(keys))}", path, _listed(keys), help)
        for code, keys, what, help in (
            ("E0602", missing, "lacks {} of the network", _missing_help(missing, given)),
            ("E0603", unexpected, "holds {} with no place in the network", ()),
            ("E0604", mismatched, "holds {} of another shape", _classes_help(mismatched)),
        )
        if keys
    ]
    if problems:
        raise ArchError(problems)
    module.load_state_dict({**ours, **state})
    return tuple(absent)


def loaded(graph: Graph, weights: Path | None = None, keymap: Path | None = None) -> nn.Module:
    """The compiled graph, with these weights where a file is given; raises ArchError as `load_weights` does."""
    module = torch_module.compile(graph)
    if weights is not None:
        load_weights(module, weights, None if keymap is None else load_keymap(keymap))
    return module


def in_precision(module: nn.Module, dtype: str | None) -> nn.Module:
    """The module in "float16" or "bfloat16", or as it is; counters stay whole numbers."""
    return module.to(getattr(torch, dtype)) if dtype else module


def to_safetensors(state: Mapping[str, torch.Tensor], dtype: str | None = None) -> bytes:
    """A state dict as a safetensors file, its floats in "float16" or "bfloat16" where that is asked for."""
    from safetensors.torch import save

    if dtype:
        kind: torch.dtype = getattr(torch, dtype)
        state = {key: t.to(kind) if t.is_floating_point() else t for key, t in state.items()}
    return save({key: tensor.contiguous() for key, tensor in state.items()})


def _missing_help(missing: list[str], given: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    if not missing or any(key in given for key in missing):
        return ()
    close = nearest(missing[0], given)
    hint = f"the file's nearest to `{missing[0]}` is `{close}`; " if close else ""
    return (f"{hint}make a keymap with `archc parity SPEC --with … --save-keymap FILE`",)


def _pickled_help(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            begins = file.read(2)
    except OSError:
        return ()
    if begins not in (b"PK", b"\x80\x02"):  # torch.save's archive, and its older form
        return ()
    return (
        "if you trust it, save its state dict anew, in Python: "
        f"safetensors.torch.save_file(torch.load({path.name!r}, weights_only=True), {path.stem + '.safetensors'!r})",
    )


def _classes_help(mismatched: list[str]) -> tuple[str, ...]:
    """Where all that differs is one number of outputs, how to ask for the file's."""
    sizes = [re.findall(r"\((\d+),((?: \d+,?)*)\)", key) for key in mismatched]
    if not all(len(s) == 2 and s[0][1] == s[1][1] for s in sizes):
        return ()
    pairs = {(ours[0], theirs[0]) for ours, theirs in sizes}
    if len(pairs) != 1:
        return ()
    return (f"if these are the classes: -p classes={pairs.pop()[1]}",)


def _count(keys: list[str]) -> str:
    return f"{len(keys)} tensor{'s' * (len(keys) > 1)}"


def _listed(keys: list[str]) -> tuple[str, ...]:
    more = (f"and {len(keys) - SHOWN} more",) if len(keys) > SHOWN else ()
    return (*keys[:SHOWN], *more)


def _problem(
    code: str, message: str, path: Path, notes: tuple[str, ...] = (), help: tuple[str, ...] = ()
) -> Diagnostic:
    span = Span(Source(path.name, ""), NOWHERE.start, NOWHERE.end)
    return Diagnostic(code, message, span, notes=notes, help=help)


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Fill all parameters and BatchNorm statistics with numbers that hide nothing.

    Kernels and matrices are normal with variance 1/fan_in, biases normal with std 0.1, gains and scales
    uniform in [0.5, 1.5] so that zero-initialised ones count, running means normal with std 0.1, running
    variances uniform in [0.5, 1.5]. The same seed and module give the same numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            last = name.rpartition(".")[2]
            if last.endswith("bias"):
                drawn = 0.1 * torch.randn(parameter.shape, generator=generator)
            elif parameter.squeeze().ndim >= 2:
                drawn = torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5
            else:
                drawn = 0.5 + torch.rand(parameter.shape, generator=generator)
            parameter.copy_(drawn)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
