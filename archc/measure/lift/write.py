"""A structure as `.arch` text: blocks, then the arch with its sections."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archc.measure.lift.program import Item, Scope, Step, inputs_of, outputs_of, single
from archc.measure.lift.sections import Section, sections
from archc.measure.lift.structure import LAYERS, Block, Structure, grows, is_chain, literal, numbers_of
from archc.ops.params import parameter_table
from archc.ops.registry import registry
from archc.syntax import tables

WIDE = 84  # columns of a statement after which a pipe goes on in a new line

POSITIONAL = {
    "conv": 3, "ws_conv": 3, "conv_transpose": 3, "max_pool": 2, "avg_pool": 2, "slice_channels": 2, "linear": 1,
    "channel_linear": 1, "dropout": 1, "scale": 1, "channel_shuffle": 1, "pixel_shuffle": 1, "adaptive_avg_pool": 1,
    "adaptive_max_pool": 1, "crop": 2, "reshape": 1,
}  # fmt: skip
"""How many arguments of an op are written without their names."""

SHARED = (("batch_norm", ("eps", "momentum")), ("ws_conv", ("eps", "style")), ("conv", ("bias", "padding")))
"""Arguments that a `set` of the arch gives to all ops, where all of the kind agree."""

BUILTINS = frozenset({
    "min", "max", "sum", "len", "round", "floor", "ceil", "sqrt", "log", "log2", "lcm", "make_divisible", "zip", "range",
    "enumerate", "sorted", "unique", "count", "flatten", "any", "all", "identity", "reversed", "with_std", "pick", "abs",
})  # fmt: skip


Shared = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Text:
    """An expression and how loosely it binds: a name or call, a product, a sum, a pipe."""

    text: str
    kind: str = "atom"

    def inside(self, *loose: str) -> str:
        """Its text, in parentheses where it binds more loosely than what stands around it lets it."""
        return f"({self.text})" if self.kind in loose else self.text


def write(found: Structure, name: str, origin: str, params: int, macs: int) -> str:
    """The text of a spec with one arch, not yet in canonical form."""
    taken = {name, "x", "xs", *BUILTINS, *registry(), *tables.load().keywords}
    _name_blocks(found.blocks, taken)
    shared = _shared(found)
    parts = [f'"""{name}, lifted from {origin} by archc."""']
    parts += [Writer(found, block.first, block, taken, shared).block_text() for block in found.blocks]
    parts.append(_arch(found, taken, shared, name, origin, params, macs))
    return "\n\n".join(parts) + "\n"


def _arch(
    found: Structure, taken: set[str], shared: Shared, name: str, origin: str, params: int, macs: int
) -> str:
    root = found.root
    writer = Writer(found, root, None, taken, shared)
    size = " x ".join(map(str, found.shapes[root.inputs[0]]))
    if is_chain(root):
        lines = [section_text(section) for section in sections(found, writer.call)]
    else:
        writer.names[root.inputs[0]] = "x"
        result = writer.body()
        lines = [*writer.lines, wrapped("return ", result)]
    expect = f'expect params = {params:_}, macs = {macs:_} from "{origin}"'
    given = {k: v for arguments in shared.values() for k, v in arguments.items()}
    setting = [f"set {', '.join(f'{k} = {literal(v)}' for k, v in given.items())}", ""] if given else []
    rows = [f"input {size}", "", *setting, *lines, "", expect]
    return f"arch {name}() {{\n" + "\n".join(f"  {row}" if row else "" for row in rows) + "\n}"


def _shared(found: Structure) -> Shared:
    """What all ops of a kind have in common beside their defaults, and no other op reads."""
    shared: Shared = {}
    steps = list(found.root.steps())
    for op, names in SHARED:
        alike = [s for s in steps if s.op.name == op]
        for name in names:
            values = {repr(single(s.op.arguments()[name])) for s in alike}
            if len(alike) > 1 and len(values) == 1 and not _ambient_elsewhere(steps, op, name):
                value = single(alike[0].op.arguments()[name])
                if value != single(_defaults(alike[0])[name]):
                    shared.setdefault(op, {})[name] = value
    return shared


def _ambient_elsewhere(steps: list[Step], op: str, name: str) -> bool:
    """Whether a `set` of the name would reach ops of another kind in the network."""
    return any(
        parameter_table(type(s.op))[name].ambient
        for s in steps
        if s.op.name != op and name in parameter_table(type(s.op))
    )


def section_text(section: Section) -> str:
    """`stage layer1: 3 x bottleneck(64, 256)` and its like."""
    name = f" {section.name}:" if section.name else ""
    times = f" {section.times} x" if section.times else ""
    return wrapped(f"{section.kind}{name}{times} ", " -> ".join(section.calls))


def _name_blocks(blocks: Sequence[Block], taken: set[str]) -> None:
    """The commonest structure of a class gets its plain name, the others what they have more, or a letter."""
    families: dict[str, list[Block]] = {}
    for block in blocks:
        families.setdefault(_snake(block.kind), []).append(block)
    for base, family in families.items():
        base = f"{base}_block" if base in taken else base
        ordered = sorted(family, key=lambda b: -len(b.scopes))
        usual = _parts(ordered[0].first)
        for block in ordered:
            more = [
                _snake(part) for part in _parts(block.first) if part not in usual and not part[0].isdigit()
            ]
            names = [base] if block is ordered[0] else [f"{base}_{more[0]}"] if more else []
            names += [f"{base}_{n}" for n in range(2, 1000)]
            block.name = next(n for n in names if n not in taken)
            taken.add(block.name)


def _parts(scope: Scope) -> dict[str, None]:
    """Names of the modules in a scope, outermost only, in order."""
    depth = len(scope.path)
    return dict.fromkeys(step.path[depth] for step in scope.steps() if len(step.path) > depth)


def _snake(word: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word)
    return re.sub(r"\W|^_+", "", spaced, flags=re.ASCII).lower() or "part"


class Writer:
    """Writes the body of one scope."""

    def __init__(
        self, found: Structure, scope: Scope, block: Block | None, taken: set[str], shared: Shared
    ) -> None:
        self.found = found
        self.scope = scope
        self.block = block
        self.shared = shared
        self.made = {value: (n, item) for n, item in enumerate(scope.items) for value in outputs_of(item)}
        self.uses = Counter(i for item in scope.items for i in set(inputs_of(item)))
        self.uses.update(scope.outputs)
        self.names: dict[int, str] = {}
        self.lines: list[str] = []
        self.taken = taken | {p.name for p in (block.parameters if block else ())}

    def block_text(self) -> str:
        """The declaration of the block."""
        block = self.block
        assert block is not None
        tensors = ["xs: list[tensor]"]
        if not block.listed:
            tensors = [n for n in ("x", *"abcdefghijklmnopqrstuvw") if n not in self.taken or n == "x"]
            self.names.update(zip(self.scope.inputs, tensors, strict=False))
            tensors = tensors[: len(self.scope.inputs)]
        numbers = [f"{p.name}: {_type(p.values)}{' = 1' * (p.name == 'stride')}" for p in block.parameters]
        lines = self.growing()
        if not lines:
            result = self.body()
            lines = [*self.lines, wrapped("return ", result)]
        head = f"block {block.name}({', '.join([*tensors, *numbers])})"
        return f"{head} {{\n" + "\n".join(f"  {line}" for line in lines) + "\n}"

    def growing(self) -> list[str]:
        """The body of a dense block as a loop; nothing for other blocks."""
        if not grows(self.scope):
            return []
        call = self.call(0, self.scope.items[0], "xs")
        layers = self.number(*LAYERS)
        return ["xs = [x]", f"for i in 0..{layers} {{ xs += [{call}] }}", "return concat(xs)"]

    def body(self) -> str:
        """Statements for everything that has a name; the expression of what goes out."""
        for item in self.scope.items:
            self.statement(item)
        outputs = [self.expression(value).text for value in self.scope.outputs]
        return outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"

    def statement(self, item: Item) -> None:
        """Name what is read more than once, or what would stand as a pipe inside another expression."""
        for value in outputs_of(item):
            if self.uses[value] == 1 and not self.needs_name(value):
                continue
            text, name = self.expression(value).text, self.fresh(value)
            self.names[value] = name
            self.lines.append(wrapped(f"{name} = ", text))

    def needs_name(self, value: int) -> bool:
        """Whether the one reader of a value takes several tensors, and the value is a pipe."""
        reader = next((item for item in self.scope.items if value in inputs_of(item)), None)
        if reader is None or len(inputs_of(reader)) < 2:
            return False
        return self.expression(value).kind == "pipe"

    def fresh(self, value: int) -> str:
        """A name for a value: the part of the module that all of its expression runs in, else a plain one."""
        depth = len(self.scope.path)
        paths = {item.path[depth : depth + 1] for item in self.whole(value)}
        only = "".join(paths.pop()) if len(paths) == 1 else ""
        part = _snake(only) if only else ""
        used = {*self.taken, *self.names.values()}
        if len(part) > 1 and part.isidentifier() and part not in used:
            return part
        reader = next((item for item in self.scope.items if value in inputs_of(item)), None)
        joins: dict[str, tuple[str, ...]] = {"add": ("branch",), "concat": ("branch",), "mul": ("gate",)}
        usual = joins.get(reader.op.name, ()) if isinstance(reader, Step) else ()
        return next(n for n in (*usual, "y", "z", *(f"y{k}" for k in range(2, 10_000))) if n not in used)

    def whole(self, value: int) -> list[Item]:
        """The items that the expression of a value is made of."""
        if value in self.names:
            return []
        _, item = self.made[value]
        return [item, *(part for i in inputs_of(item) for part in self.whole(i))]

    # ---- expressions

    def expression(self, value: int) -> Text:
        """What a value is, in terms of names."""
        if value in self.names:
            return Text(self.names[value])
        index, item = self.made[value]
        if isinstance(item, Step) and item.op.name == "concat":
            return self.concat(item)
        inputs = [self.expression(i) for i in inputs_of(item)]
        if isinstance(item, Step) and item.op.name == "add":
            left, right = inputs
            return Text(f"{left.inside('pipe')} + {right.inside('pipe', 'sum')}", "sum")
        if isinstance(item, Step) and item.op.name == "mul":
            left, right = reversed(inputs) if inputs[1].text == "x" else inputs
            return Text(f"{left.inside('pipe', 'sum')} * {right.inside('pipe', 'sum', 'product')}", "product")
        callee = self.found.block(item)
        if callee and callee.listed:
            listed = f"[{', '.join(i.text for i in inputs)}]"
            return Text(self.call(index, item, listed))
        if len(inputs) > 1:
            return Text(self.call(index, item, *(i.text for i in inputs)))
        return Text(f"{inputs[0].inside()} -> {self.call(index, item)}", "pipe")

    def concat(self, step: Step) -> Text:
        if self.block and self.block.listed and step is self.scope.items[0]:
            return Text("concat(xs)")
        return Text(f"concat({', '.join(self.expression(i).text for i in step.inputs)})")

    def call(self, index: int, item: Item, *tensors: str) -> str:
        """An op or a block with its arguments; without them and without tensors just its name."""
        if isinstance(item, Step):
            name, arguments = item.op.name, self.op_arguments(index, item)
        else:
            block = self.found.block(item)
            assert block is not None
            name, arguments = block.name, self.block_arguments(index, block, item)
        given = [*tensors, *arguments]
        return f"{name}({', '.join(given)})" if given else name

    def op_arguments(self, index: int, step: Step) -> list[str]:
        """Those that are not the defaults; the first few by position."""
        positional = POSITIONAL.get(step.op.name, 0)
        usual = {**_defaults(step), **self.shared.get(step.op.name, {})}
        written, by_position = [], True
        for n, (name, value) in enumerate(step.op.arguments().items()):
            text = self.number(index, name) or literal(single(value))
            plain = name in usual and text == literal(single(usual[name]))
            plain = plain and not (name == "kernel" and "conv" in step.op.name)  # 1×1 is said
            if plain:
                by_position = False
                continue
            written.append(text if by_position and n < positional else f"{name} = {text}")
        return written

    def block_arguments(self, index: int, block: Block, item: Scope) -> list[str]:
        written = []
        for name, value in numbers_of(item, self.found).items():
            text = self.number(index, name) or literal(value)
            if name == "stride":
                written += [f"stride = {text}"] if text != "1" else []
            else:
                written.append(text)
        return written

    def number(self, index: int, name: str) -> str | None:
        """What stands for a number inside a block; None at the top, where numbers are written as they are."""
        return self.block.numbers.get((index, name)) if self.block else None


def wrapped(start: str, text: str) -> str:
    """A statement; a long pipe goes on in further lines, each beginning with an op that has weights."""
    line = start + text
    if len(line) <= WIDE or "\n" in text:
        return line
    parts, depth, at = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and text.startswith(" -> ", i):
            parts.append(text[at:i])
            at = i + 4
    parts.append(text[at:])
    lines = [start + parts[0]]
    for part in parts[1:]:
        heavy = part.startswith(("conv", "ws_conv", "linear", "channel_linear"))
        if len(lines[-1]) + len(part) > WIDE or (heavy and len(lines[-1]) > WIDE // 3):
            lines.append(f"      -> {part}")
        else:
            lines[-1] += f" -> {part}"
    return "\n".join(lines)


def _type(values: Sequence[int | float]) -> str:
    return "int" if all(isinstance(v, int) for v in values) else "float"


def _defaults(step: Step) -> dict[str, Any]:
    return {name: p.default for name, p in parameter_table(type(step.op)).items() if not p.required}
