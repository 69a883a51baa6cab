"""Other people's networks: importing `package.module:callable` and calling it, every failure told."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

from archc.backends.torch_module import compile
from archc.diagnostics import NOWHERE, ArchError, Diagnostic, nearest
from archc.ir import Graph
from archc.measure.parity import Report, parity


def make_foreign(name: str, **arguments: Any) -> nn.Module:
    """The module that `package.module:callable` makes from these arguments.

    A callable that the package lacks is looked for in its `models`: `torchvision:resnet50` is
    `torchvision.models:resnet50`. Importing runs the module's code. Raises ArchError: E0606 the module cannot be
    imported, E0607 it has no such callable, E0608 the call fails, E0609 the result is no torch module.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute or not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        help = ("write it as torchvision.models:resnet50",)
        raise _error("E0606", f"{name!r} is not package.module:callable", *help)
    make = _callable(module_name, attribute)
    with _failing("E0608", f"{name} cannot be called", "pass its arguments with --kwargs name=value"):
        made = make(**arguments)
    if not isinstance(made, nn.Module):
        what = f"{type(made).__name__}, not a torch.nn.Module"
        raise _error("E0609", f"{name} makes a {what}", "name the class or function that makes the network")
    return made


def _callable(module_name: str, attribute: str) -> Callable[..., Any]:
    module = import_foreign(module_name)
    found = getattr(module, attribute, None)
    if found is None and hasattr(module, "__path__") and not module_name.endswith(".models"):
        try:
            module = import_foreign(f"{module_name}.models")
        except ArchError as error:
            # it is fine for a package to have no `models`; the name is then missing from the package itself
            if not isinstance(error.__cause__, ModuleNotFoundError):
                raise
        found = getattr(module, attribute, None)
    if found is None:
        close = nearest(attribute, [n for n in dir(module) if not n.startswith("_")])
        help = (f"did you mean `{close}`?",) if close else ()
        raise _error("E0607", f"{module.__name__} has no `{attribute}`", *help)
    if not callable(found):
        raise _error("E0607", f"{module_name}:{attribute} is a {type(found).__name__}, not a callable")
    checked: Callable[..., Any] = found
    return checked


def import_foreign(name: str) -> Any:
    """A module of another package; raises ArchError (E0606) where that fails."""
    with _failing(
        "E0606",
        f"{name} cannot be imported",
        "it must be installed beside archc, or lie in the current directory",
    ):
        try:
            return importlib.import_module(name)
        except (RuntimeError, ModuleNotFoundError) as error:
            if "torchvision::" not in str(error):
                raise
            _declare_torchvision_ops()
            return importlib.import_module(name)


@cache
def _declare_torchvision_ops() -> torch.library.Library:
    """Declares the operators that torchvision's import looks for.

    Its wheel carries them compiled against the torch of one build. Beside another build (torch for CPU only,
    say) they do not load, and then the import itself fails with "operator torchvision::nms does not exist".
    Networks that classify never call them.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch's own
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]  # as above
    return library  # kept by the cache: the operators vanish with it


@contextmanager
def _failing(code: str, message: str, help: str) -> Iterator[None]:
    """Turns whatever foreign code raises, `sys.exit` included, into a diagnostic."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise _error(code, f"{message}: {type(error).__name__}: {error}", help) from error


def _error(code: str, message: str, *help: str) -> ArchError:
    return ArchError([Diagnostic(code, message, NOWHERE, help=help)])


def compare_foreign(graph: Graph, peer: str, keywords: dict[str, Any], batch: int) -> Report:
    """`parity` of a compiled graph with `make_foreign(peer, **keywords)` on seeded noise; raises ArchError."""
    theirs = make_foreign(peer, **keywords)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(batch, *node.shape, generator=generator) for node in graph.inputs]
    return parity(compile(graph, form="plain"), theirs, *inputs)
