"""Classes of the emitted file: one for all scopes of the same block and structure.

Two scopes have the same structure when they differ in literals only. Literals that are equal everywhere are
written into the class; the others become its constructor arguments, one for all that always agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archc.backends.prelude import helpers
from archc.backends.torch_names import GLOBALS, MODULE_ATTRIBUTES, camel, fresh
from archc.backends.torch_plan import Item, ScopePlan
from archc.backends.torch_signatures import SQUARE, defaults, positional
from archc.ir import Graph
from archc.ops.torch_code import AllInputs, Argument, Call, Input, Literal_

Place = tuple[int | str, ...]
"""Where a literal stands in a class: item index, "module", "forward" or "child", then the argument's path."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constructor argument: its name, its value for every instance, and whether `forward` reads it."""

    name: str
    values: tuple[Literal_, ...]
    stored: bool


@dataclass(slots=True, eq=False)
class ClassPlan:
    """A class and the scopes that are its instances, in creation order."""

    base: str
    instances: list[ScopePlan] = field(default_factory=list)
    name: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    bound: dict[Place, str] = field(default_factory=dict)
    constants: dict[Place, Literal_] = field(default_factory=dict)

    @property
    def first(self) -> ScopePlan:
        return self.instances[0]


@dataclass(slots=True)
class Classes:
    """All classes, each after those it uses; class of a scope and its ordinal among the instances, by scope id."""

    ordered: list[ClassPlan] = field(default_factory=list)
    of: dict[int, ClassPlan] = field(default_factory=dict)
    ordinal: dict[int, int] = field(default_factory=dict)


def classify(graph: Graph, root: ScopePlan) -> Classes:
    """Group the scopes into classes, name them and choose their arguments."""
    found = Classes()
    keys: dict[Any, int] = {}
    by_key: dict[int, ClassPlan] = {}
    _group(graph, root, found, keys, by_key)
    _name_classes(graph, root, found)
    for cls in found.ordered:
        _choose_parameters(graph, cls, found)
    return found


def arguments(scope: ScopePlan, classes: Classes) -> Iterator[tuple[Place, Literal_]]:
    """The constructor arguments of the module made for a scope, nested ones of a chain included."""
    cls = classes.of.get(scope.id)
    if cls:
        index = classes.ordinal[scope.id]
        yield from (((p.name,), p.values[index]) for p in cls.parameters)
        return
    for number, item in enumerate(scope.items):
        if item.child:
            yield from (((number, *place), value) for place, value in arguments(item.child, classes))


def _group(
    graph: Graph, scope: ScopePlan, found: Classes, keys: dict[Any, int], by_key: dict[int, ClassPlan]
) -> int:
    """Number of the structure of a scope, the same for all scopes alike."""
    local = {value: ("in", i) for i, value in enumerate(scope.inputs)}
    items = []
    for index, item in enumerate(scope.items):
        inner = _group(graph, item.child, found, keys, by_key) if item.child else _code_key(item)
        name = item.name if item.has_state else ""
        items.append((name, inner, item.train_only, tuple(local[v] for v in item.inputs)))
        local.update({value: (f"out{index}", i) for i, value in enumerate(item.outputs)})
    base = _base(graph, scope)
    key = (base, scope.chain, tuple(items), tuple(local[v] for v in scope.outputs), len(scope.inputs))
    number = keys.setdefault(key, len(keys))
    if not scope.chain:
        cls = by_key.get(number)
        if cls is None:
            cls = by_key[number] = ClassPlan(base)
            found.ordered.append(cls)
        found.ordinal[scope.id] = len(cls.instances)
        cls.instances.append(scope)
        found.of[scope.id] = cls
    return number


def _base(graph: Graph, scope: ScopePlan) -> str:
    at = scope.scope
    if at.kind == "arch":
        return camel(graph.name)
    if at.block:
        return camel(at.block)
    if at.kind == "repeat":
        return f"{_section_base(graph.scopes[at.parent].name)}Unit"
    return _section_base(at.name)


def _section_base(name: str) -> str:
    word = name.rstrip("0123456789_")
    return "Stage" if word in ("", "s") else camel(word)


def _code_key(item: Item) -> Any:
    code = item.code
    module = _skeleton(code.module) if code.module else None
    return (module, _skeleton(code.forward) if code.forward else None, code.init)


def _skeleton(call: Call) -> Any:
    known = defaults(call.target)
    kwargs = (
        (k, _hole(v)) for k, v in call.kwargs if k not in known or isinstance(v, Call | Input | AllInputs)
    )
    return (call.target, tuple(map(_hole, call.args)), tuple(sorted(kwargs, key=lambda pair: pair[0])))


def _hole(argument: Argument) -> Any:
    if isinstance(argument, Call):
        return _skeleton(argument)
    return argument if isinstance(argument, Input | AllInputs) else "literal"


def literals(call: Call, place: Place) -> Iterator[tuple[Place, Literal_]]:
    """Every literal argument of a call and of the calls in it, known defaults included."""
    given = {**defaults(call.target), **dict(call.kwargs)}
    square = call.target.startswith(("nn.", "F."))
    numbered: list[tuple[int | str, Argument]] = [*enumerate(call.args)]
    for key, value in (*numbered, *given.items()):
        if isinstance(value, Call):
            yield from literals(value, (*place, key))
        elif not isinstance(value, Input | AllInputs):
            yield (*place, key), _collapse(value) if square and key in SQUARE else value


def _collapse(value: Any) -> Any:
    same = isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]
    return value[0] if same else value


def _places(scope: ScopePlan, classes: Classes) -> dict[Place, Literal_]:
    found: dict[Place, Literal_] = {}
    for index, item in enumerate(scope.items):
        if item.child:
            found.update(((index, "child", *p), v) for p, v in arguments(item.child, classes))
        for part, call in (("module", item.code.module), ("forward", item.code.forward)):
            if call:
                found.update(literals(call, (index, part)))
    return found


def _choose_parameters(graph: Graph, cls: ClassPlan, classes: Classes) -> None:
    tables = [_places(scope, classes) for scope in cls.instances]
    varying: dict[Any, list[Place]] = {}
    for place, value in tables[0].items():
        values = tuple(table[place] for table in tables)
        vector = tuple((type(v).__name__, repr(v)) for v in values)
        if len(set(vector)) == 1:
            cls.constants[place] = value
        else:
            varying.setdefault(vector, []).append(place)
    taken = {*GLOBALS, *MODULE_ATTRIBUTES, *(item.name for item in cls.first.items)}
    for places in varying.values():
        values = tuple(table[places[0]] for table in tables)
        name = fresh(_parameter_name(graph, cls, places[0], values), taken)
        taken.add(name)
        stored = any(place[1] == "forward" for place in places)
        cls.parameters.append(Parameter(name, values, stored))
        cls.bound.update((place, name) for place in places)


def _parameter_name(graph: Graph, cls: ClassPlan, place: Place, values: tuple[Literal_, ...]) -> str:
    for name, _ in cls.first.scope.arguments:
        given = [dict(scope.scope.arguments).get(name) for scope in cls.instances]
        if all(_same(a, b) for a, b in zip(given, values, strict=True)):
            return _word(name)
    if all(
        s.inputs and graph.nodes[s.inputs[0]].shape[0] == v
        for s, v in zip(cls.instances, values, strict=True)
    ):
        return "in_channels"
    item = cls.first.items[int(place[0])]
    return f"{_word(item.name)}_{_word(_argument_name(cls, item, place, values))}"


def _argument_name(cls: ClassPlan, item: Item, place: Place, values: tuple[Literal_, ...]) -> str:
    key = place[-1]
    if item.child or isinstance(key, str):
        return str(key).removesuffix("_size")
    nodes = [node for scope in cls.instances if (node := scope.items[int(place[0])].node)]
    for name in nodes[0].op.arguments():
        if all(_same(n.op.arguments().get(name), v) for n, v in zip(nodes, values, strict=True)):
            return name
    call = item.code.module if place[1] == "module" else item.code.forward
    names = positional(call.target) if call else ()
    return names[key] if key < len(names) else f"argument{key}"


def _same(a: Any, b: Any) -> bool:
    a, b = _collapse(a), _collapse(b)
    return type(a) is type(b) and bool(a == b)


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).lower()


def _name_classes(graph: Graph, root: ScopePlan, found: Classes) -> None:
    """The commonest structure of a block gets its plain name, others what they have more, or a number."""
    taken = {*GLOBALS, *helpers()}
    families: dict[str, list[ClassPlan]] = {}
    for cls in found.ordered:
        families.setdefault(cls.base, []).append(cls)
    top = found.of[root.id]
    top.name = fresh(top.base, taken)
    taken.add(top.name)
    for base, family in families.items():
        plain = max(family, key=lambda cls: len(cls.instances))  # the first of equals, as in the sort below
        for cls in sorted(family, key=lambda cls: -len(cls.instances)):
            if not cls.name:
                cls.name = fresh(base if cls is plain else f"{base}{_extra(cls, plain)}", taken)
                taken.add(cls.name)


def _extra(cls: ClassPlan, plain: ClassPlan) -> str:
    usual = {item.name for item in plain.first.items}
    for item in cls.first.items:
        if item.child and item.name not in usual and not item.name.isdigit():
            return camel(item.name.rstrip("_"))
    return ""
