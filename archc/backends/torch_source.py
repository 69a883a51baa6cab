"""Graph -> readable, standalone torch source: one class per distinct block, straight-line forwards.

The text imports torch only and is a pure function of the graph. State-dict keys are the paths of the nodes
plus the parameter (`s1.0.conv1.weight`), but for names that torch or Python reserve (`half` -> `half_`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from archc.backends.prelude import helper_source, helpers
from archc.backends.torch_classes import Classes, ClassPlan, Place, classify
from archc.backends.torch_format import Atom, Bracket, Expr, Infix, Repeated, flat, layout, signature
from archc.backends.torch_forward import Body, Renderer
from archc.backends.torch_fuse import Form, fuse
from archc.backends.torch_names import LOCALS, attribute, checked, fresh, literal, prose
from archc.backends.torch_plan import INFIX, Item, ScopePlan, plan, training_last
from archc.backends.torch_root import Features, features, has_sections, heading, is_section, methods
from archc.backends.torch_signatures import allowed, defaults
from archc.backends.torch_starts import SKIP, guard, init_weights, skips
from archc.ir import Graph
from archc.ops.torch_code import AllInputs, Argument, Call, Input, Literal_, TorchCode
from archc.passes.pipeline import training_form

DOC_WIDTH = 70  # longer lists are cut short in docstrings

PARTS = "Parts"
"""The helper that runs sections over a part of the batch at a time."""

LONG_SUM = 24  # more terms are written `sum([b, c, …], a)`, which adds in the same order


def emit(graph: Graph, *, form: Form = "fast", trace: bool = False) -> str:
    """Source of a module with a class for the graph, the last one defined, named by `class_name`.

    form: how calls are fused; the parameters are the same in all. trace: in plain form, after every node call
    `_trace(module, name, value)`, a global the source does not define.
    Raises ArchError: E0711 a name is not an identifier, E0712 an op calls what is not allowed, E0713 a scope
    cannot run in one go.
    """
    form = "plain" if trace else form
    if form == "fast":
        graph = training_form(graph)
    root = plan(graph)
    fuse(graph, root, form)
    classes = classify(graph, root)
    in_parts = form == "packed" and has_sections(root)
    blocks = [_Writer(graph, cls, classes, root, trace, in_parts).text() for cls in classes.ordered]
    used = {call.target for cls in classes.ordered for call in _calls(cls)} & helpers().keys()
    used |= {SKIP for cls in classes.ordered if any(skips(item.code) for item in cls.first.items)}
    used |= {PARTS} if in_parts else set()
    imports, definitions = helper_source(used)
    body = "\n\n\n".join([*definitions, *blocks]) + "\n"
    return f'"""{heading(graph)}"""\n\n{_imports(body, imports)}\n\n\n{body}'


def class_name(graph: Graph) -> str:
    """Name of the class that `emit` makes for the graph."""
    root = plan(graph)
    return classify(graph, root).of[root.id].name


def _imports(body: str, helper_imports: tuple[str, ...]) -> str:
    known = {
        "import torch": r"\btorch\.",
        "import torch.nn.functional as F": r"\bF\.",
        "from torch import Tensor, nn": r"\bnn\.",
        "from torch.utils.checkpoint import checkpoint": r"\bcheckpoint\(",
    }
    others = _merged(set(helper_imports) - known.keys() - {"import torch.nn as nn"})
    ours = [line for line, pattern in known.items() if re.search(pattern, body)]
    return "\n".join([*others, *([""] if others else []), *ours])


def _merged(lines: Iterable[str]) -> list[str]:
    """The import lines, sorted, with one for all that is taken from a module by name."""
    names: dict[str, set[str]] = {}
    whole = []
    for line in lines:
        module, _, taken = line.removeprefix("from ").partition(" import ")
        if taken:
            names.setdefault(module, set()).update(taken.split(", "))
        else:
            whole.append(line)
    return [*sorted(whole), *(f"from {m} import {', '.join(sorted(names[m]))}" for m in sorted(names))]


def _calls(cls: ClassPlan) -> list[Call]:
    found = [c for item in cls.first.items for c in (item.code.module, item.code.forward) if c]
    for call in found:
        found += [a for a in (*call.args, *dict(call.kwargs).values()) if isinstance(a, Call)]
    return found


@dataclass(slots=True)
class _Writer:
    """Prints one class."""

    graph: Graph
    cls: ClassPlan
    classes: Classes
    root: ScopePlan
    trace: bool
    in_parts: bool

    @property
    def is_root(self) -> bool:
        return self.cls.first is self.root

    def text(self) -> str:
        lines = [f"class {self.cls.name}(nn.Module):"]
        lines += [f'    """{self._doc()}"""', ""]
        found = features(self.graph, self.root) if self.is_root else ()
        lines += self._constructor(found)
        lines += init_weights(self.cls.first.items)
        if self.is_root:
            lines += methods(self.root, self.in_parts)
        lines += self._forward(bool(found))
        if found:
            lines += self._features(found)
        return "\n".join(lines)

    def _doc(self) -> str:
        first = self.cls.first.scope
        if self.is_root:
            given = ", ".join(f"{k} = {v!r}" for k, v in self.graph.arguments)
            call = f"{self.graph.name}({given if len(given) < DOC_WIDTH else '…'})"
            return prose(f"`{call}`.").replace("\n", " ")
        paths = [scope.path for scope in self.cls.instances]
        shown = next(n for n in (4, 3, 2, 1) if n == 1 or len(", ".join(paths[:n])) < DOC_WIDTH)
        places = ", ".join(paths[:shown]) + (f" and {len(paths) - shown} more" if len(paths) > shown else "")
        what = f"`{checked(first.block)}` at" if first.block else "Section" + "s" * (len(paths) > 1)
        return f"{what} {places}."

    # -- constructor

    def _constructor(self, found: Features) -> list[str]:
        parameters = self.cls.parameters
        hints = [f"{p.name}: {_hint(p.values)}" for p in parameters]
        lines = signature("def __init__", ["self", *(["*", *hints] if hints else [])], " -> None:", 4)
        lines.append("        super().__init__()")
        lines += [f"        self.{p.name} = {p.name}" for p in parameters if p.stored]
        for index, item in enumerate(self.cls.first.items):
            if item.child:
                lines += self._submodule(item, self._made(item.child, (index, "child")))
            elif item.code.module:
                lines += self._submodule(item, self._layer(item.code, (index, "module")))
        if self.is_root:
            lines.append("        self.checkpoint: bool | frozenset[str] = False")
            lines += [f"        self.in_parts = {PARTS}()"] if self.in_parts else []
        if found:
            rows = tuple(
                ("", Bracket("dict", tuple((k, Atom(literal(v))) for k, v in row))) for _, _, row in found
            )
            lines += layout("self.feature_info = ", Bracket("", rows, "[]"), 8)
        started = guard(self.cls.first.items)
        if started:  # on the meta device there is nothing to start, and torch is slow at it
            lines += [f"        if not self.{started}.is_meta:", "            self.init_weights()"]
        return lines

    def _submodule(self, item: Item, made: Expr) -> list[str]:
        if item.name.isdigit():
            named = (("", Atom(literal(item.name))), ("", made))
            return layout("", Bracket("self.add_module", named), 8)
        return layout(f"self.{checked(item.name)} = ", made, 8)

    def _made(self, scope: ScopePlan, place: Place) -> Expr:
        """The constructor call of a submodule made from a scope."""
        cls = self.classes.of.get(scope.id)
        if cls:
            named = [(p.name, self._literal((*place, p.name), "")) for p in cls.parameters]
            return Bracket(cls.name, tuple(named))
        parts = [self._made(i.child, (*place, n)) for n, i in enumerate(scope.items) if i.child]
        runs: list[list[Expr]] = []
        for part in parts:
            if runs and runs[-1][0] == part:
                runs[-1].append(part)
            else:
                runs.append([part])
        return Bracket(
            "nn.Sequential", tuple(("", r[0] if len(r) == 1 else Repeated(r[0], len(r))) for r in runs)
        )

    # -- calls

    def _layer(self, code: TorchCode, place: Place) -> Expr:
        """The constructor call of an op's module."""
        assert code.module
        made = self._call(code.module, place, [], "")
        if isinstance(made, Bracket) and skips(code):
            made = Bracket(SKIP, (("", Atom(made.head)), *made.items))
        return made

    def _literal(self, place: Place, prefix: str) -> Expr:
        if place in self.cls.bound:
            return Atom(prefix + self.cls.bound[place])
        return Atom(literal(self.cls.constants[place]))

    def _call(self, call: Call, place: Place, inputs: list[Expr], prefix: str) -> Expr:
        """A structured call as an expression; `prefix` goes before the names of constructor arguments."""
        target = allowed(call.target)

        def argument(value: Argument, key: int | str) -> Expr:
            if isinstance(value, Input):
                return inputs[value.index]
            if isinstance(value, AllInputs):
                return Bracket("", tuple(("", i) for i in inputs), "[]")
            if isinstance(value, Call):
                return self._call(value, (*place, key), inputs, prefix)
            return self._literal((*place, key), prefix)

        args = [argument(value, index) for index, value in enumerate(call.args)]
        if target in INFIX:
            operator = INFIX[target]
            first = args[0]
            if isinstance(first, Infix) and first.operator == operator:
                args[:1] = first.operands
            if operator == "+" and len(args) > LONG_SUM:
                terms = Bracket("", tuple(("", a) for a in args[1:]), "[]")
                return Bracket("sum", (("", terms), ("", args[0])))
            return Infix(operator, tuple(args))
        given = dict(call.kwargs)
        known = list(defaults(target))
        # a default that other instances override is an argument of the class
        given.update((k, None) for k in known if k not in given and (*place, k) in self.cls.bound)
        order = sorted(given, key=lambda k: known.index(k) if k in known else -1)
        named = [(checked(k), argument(given[k], k)) for k in order]
        if target.startswith("Tensor."):
            owner, *args = args
            name = f"({flat(owner)})" if isinstance(owner, Infix) else flat(owner)
            target = name + target.removeprefix("Tensor")
        return Bracket(target, (*(("", a) for a in args), *named))

    # -- forward

    def _render(self, items: list[Item], index_of: dict[int, int]) -> Renderer:
        def render(position: int, inputs: list[Expr]) -> Expr:
            item = items[position]
            if item.code.forward:
                return self._call(item.code.forward, (index_of[id(item)], "forward"), inputs, "self.")
            arguments = tuple(("", i) for i in inputs)
            if self.is_root and is_section(item):
                return Bracket("self._run", (("", Atom(literal(item.name))), *arguments))
            owner = f'getattr(self, "{item.name}")' if item.name.isdigit() else f"self.{checked(item.name)}"
            return Bracket(owner, arguments)

        return render

    def _forward(self, featured: bool) -> list[str]:
        items, results = self.cls.first.items, self.cls.first.outputs
        runs = training_last(items)
        extra = {value for training, run in runs if training for item in run for value in item.outputs}
        in_eval = tuple(v for v in results if v not in extra)
        if self.is_root:
            in_eval = tuple(o.node for o in self.graph.outputs if not o.train_only)
        hint = _result(results, in_eval, self.is_root) + (" | list[Tensor]" if featured else "")
        lines, body = self._body(
            "forward", [item for _, run in runs for item in run], results, hint, featured
        )
        if featured:
            given = ", ".join(body.names[value] for value in self.cls.first.inputs)
            lines += ["        if features:", f"            return self.forward_features({given})"]
        if not extra and in_eval == results:
            body.write(range(len(items)), results)
            return lines + body.lines
        shown = {value for training, run in runs if not training for item in run for value in item.inputs}
        shown |= set() if self.is_root else set(results)
        if self.is_root and not runs[-1][0]:
            runs.append((True, []))
        start = 0
        for training, run in runs:
            positions = range(start, start := start + len(run))
            if not training:
                body.write(positions, None)
                continue
            body.declare(value for item in run for value in item.outputs if value in shown)
            body.lines.append("        if self.training:")
            body.indent = 12
            body.write(positions, results if self.is_root and run is runs[-1][1] else None)
            body.indent = 8
        body.give_back(in_eval if self.is_root else results)
        return lines + body.lines

    def _features(self, found: Features) -> list[str]:
        results = tuple(value for _, value, _ in found)
        items: list[Item] = []
        needed = set(results)
        for item in reversed(self.cls.first.items):
            if needed & set(item.outputs):
                items.insert(0, item)
                needed |= set(item.inputs)
        lines, body = self._body("forward_features", items, results, "list[Tensor]")
        body.uses.update(results)  # so that each keeps the name of its section
        lines.append('        """The outputs of the sections in `feature_info`."""')
        body.write(range(len(items)), None)
        returned = Bracket("", tuple(("", Atom(body.names[v])) for v in results), "[]")
        return lines + body.lines + layout("return ", returned, 8)

    def _body(
        self, method: str, items: list[Item], results: tuple[int, ...], hint: str, optional: bool = False
    ) -> tuple[list[str], Body]:
        names: dict[int, str] = {}
        inputs = self.cls.first.inputs
        for number, value in enumerate(inputs):
            given = self.graph.nodes[value].name if self.is_root else ""
            name = attribute(given) if given else "xyz"[number] if len(inputs) <= 3 else f"x{number}"
            names[value] = fresh(f"{name}_" if name in LOCALS else name, names.values())
        parameters = ["self", *(f"{name}: {self._given(at)}" for at, name in enumerate(names.values()))]
        if optional:
            parameters += ["*", "features: bool = False"]
        lines = ["", *signature(f"def {method}", parameters, f" -> {hint}:", 4)]
        index_of = {id(item): index for index, item in enumerate(self.cls.first.items)}
        return lines, Body(items, self._render(items, index_of), names, results, self.trace)

    def _given(self, at: int) -> str:
        """The type of an input: outside of training there is none of what only its part for training reads."""
        mixed = not all(item.train_only for item in self.cls.first.items)
        train_only = any(self.graph.nodes[scope.inputs[at]].train_only for scope in self.cls.instances)
        return "Tensor | None" if mixed and train_only else "Tensor"


def _result(results: tuple[int, ...], in_eval: tuple[int, ...], is_root: bool) -> str:
    if len(results) == 1:
        return "Tensor"
    if results == in_eval:
        return f"tuple[{', '.join(['Tensor'] * len(results))}]" if len(results) <= 4 else "tuple[Tensor, ...]"
    if is_root:  # gives fewer outside of training
        return "Tensor | tuple[Tensor, ...]" if len(in_eval) == 1 else "tuple[Tensor, ...]"
    return "tuple[Tensor | None, ...]"


def _hint(values: tuple[Literal_, ...]) -> str:
    """The type hint of a constructor argument with these values."""
    names = {
        "tuple[int, ...]" if isinstance(v, tuple) else "None" if v is None else type(v).__name__
        for v in values
    }
    return " | ".join(sorted(names, key=lambda n: (n == "None", n)))
