"""Several convolutions of one tensor as one: parallel ones side by side, branches of a sum on top of each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd
from typing import TYPE_CHECKING, Any

from archc.ir.graph import Graph, Node
from archc.ops.activation import Activation
from archc.ops.base import Op
from archc.ops.conv import Conv
from archc.ops.geometry import resolve_padding
from archc.ops.norm import BatchNorm
from archc.ops.reshape import SliceChannels
from archc.passes.algebra import norm_affine
from archc.passes.draft import Draft, Rewrite, State

if TYPE_CHECKING:
    from torch import Tensor


def merge_parallel(graph: Graph) -> Rewrite:
    """Compute parallel 1×1 convolutions of one tensor, in one section, as one, and give each its channels.

    Those that the same activation follows, which is applied once, too, or none, and no sum: a convolution and the
    sum and activation after it are one call in a deployed network, which a slice between them would part.
    """
    draft = Draft(graph, "merge_parallel")
    groups: dict[Any, list[int]] = {}
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Conv) and op.kernel == (1, 1) and op.groups == 1 and _still(op):
            after = _after(draft, node.id)
            if after is None or after.name != "add":
                key = (node.inputs, graph.section_of(node), op.stride, op.bias, node.train_only, after)
                groups.setdefault(key, []).append(node.id)
    for found in groups.values():
        around = _scope_around(draft, found)
        if len(found) > 1 and around is not None:
            _side_by_side(draft, found, around)
    return draft.finish()


def _scope_around(draft: Draft, found: list[int]) -> int | None:
    """The innermost scope around all nodes; None where their input comes from inside a part of it that holds one
    of them, which would have to run both before and after."""
    graph = draft.graph
    lines = [tuple(graph.ancestors(draft.nodes[i].scope)) for i in found]
    around = next(s for s in lines[0] if all(s in line for line in lines))
    parts = {line[line.index(around) - 1] for line in lines if line[0] != around}
    source = draft.nodes[draft.nodes[found[0]].inputs[0]].scope
    return None if parts & set(graph.ancestors(source)) else around


def _still(op: Conv) -> bool:
    return resolve_padding(op.padding, op.kernel, op.stride, op.dilation) == ((0, 0), False)


def _after(draft: Draft, at: int) -> Op | None:
    """The activation or sum, in its section, that alone reads a node."""
    user = draft.only_user(at)
    if user is None or user.op.name == "softmax" or not draft.together(draft.nodes[at], user):
        return None
    return user.op if isinstance(user.op, Activation) or user.op.name == "add" else None


def _side_by_side(draft: Draft, found: list[int], scope: int) -> None:
    first = draft.nodes[found[0]]
    op = first.op
    assert isinstance(op, Conv)
    widths = [draft.nodes[i].shape[0] for i in found]
    wide = replace(op, channels=sum(widths))
    merged = draft.insert(wide, first.inputs, first.id, name="merged1", scope=scope)

    def step(state: State) -> None:
        parts = [state.pop(i) for i in found]
        state[merged] = {name: _stacked([part[name] for part in parts]) for name in parts[0]}

    draft.steps.append(step)
    shared, source, start = _after(draft, found[0]), merged, 0
    if shared is not None:
        for user in [draft.only_user(i) for i in found]:
            assert user is not None
            draft.bypass(user.id)
        source = draft.insert(shared, (merged,), merged)
    for at, width in zip(found, widths, strict=True):
        draft.note(at, f"computed together with others as {draft.path(merged)}")
        draft.change(at, op=SliceChannels.make(start=start, stop=start + width), inputs=(source,))
        start += width


def _stacked(tensors: list[Tensor]) -> Tensor:
    """The tensors after each other along the first dimension."""
    result = tensors[0].new_empty((sum(len(t) for t in tensors), *tensors[0].shape[1:]))
    start = 0
    for tensor in tensors:
        result[start : start + len(tensor)] = tensor
        start += len(tensor)
    return result


@dataclass(frozen=True, slots=True)
class _Branch:
    """One term of a sum over one tensor: a convolution, a normalisation (a diagonal 1×1), or the tensor itself.

    reach: pixels read above and to the left of the centre, and as many below and to the right.
    """

    at: int | None
    op: Conv | BatchNorm | None
    reach: tuple[int, int] = (0, 0)

    @property
    def groups(self) -> int | None:
        """None for a diagonal, which fits any number of groups."""
        return self.op.groups if isinstance(self.op, Conv) else None


def merge_branches(graph: Graph) -> Rewrite:
    """Compute a sum of convolutions of one tensor, its normalisation and the tensor itself as one convolution.

    The branches of RepVGG (Ding et al. 2021, arXiv:2101.03697), once `fold_norm` has been there.
    """
    draft = Draft(graph, "merge_branches")
    for node in graph.nodes:
        if node.op.name == "add":
            _merge_sum(draft, node.id)
    return draft.finish()


def _merge_sum(draft: Draft, total: int) -> None:
    node = draft.nodes[total]
    if len(set(node.inputs)) < len(node.inputs):
        return
    for at in node.inputs:
        seed = draft.nodes[at]
        branch = _branch(draft, at, total)
        if branch is None or not isinstance(branch.op, Conv):
            continue
        found = _alike(draft, node, seed, branch)
        if len(found) > 1:
            _on_top(draft, total, seed.inputs[0], found)
            return


def _branch(draft: Draft, at: int, total: int) -> _Branch | None:
    """A term of the sum that only the sum reads, as a branch; None where it is something else."""
    node, user = draft.nodes[at], draft.only_user(at)
    if user is None or user.id != total or not draft.together(node, draft.nodes[total]):
        return None
    if isinstance(node.op, BatchNorm) and len(node.shape) == 3:
        return _Branch(at, node.op)
    if not isinstance(node.op, Conv) or node.op.dilation != (1, 1):
        return None
    padding, dynamic = resolve_padding(node.op.padding, node.op.kernel, node.op.stride, (1, 1))
    centred = all(2 * padding[d] + 1 == node.op.kernel[d] for d in (0, 1))
    return _Branch(at, node.op, padding) if centred and not dynamic else None


def _alike(draft: Draft, total: Node, seed: Node, first: _Branch) -> list[_Branch]:
    """The terms that read what `seed` reads with the same stride."""
    assert isinstance(first.op, Conv)
    source, stride = seed.inputs[0], first.op.stride
    square = draft.nodes[source].shape == total.shape and stride == (1, 1)
    found = []
    for at in total.inputs:
        branch = _branch(draft, at, total.id)
        if at == source and square:
            found.append(_Branch(None, None))
        elif branch is None or draft.nodes[at].inputs[0] != source:
            continue
        elif branch.op.stride == stride if isinstance(branch.op, Conv) else square:
            found.append(branch)
    groups = _groups(found)
    reach = _reach(found)
    merged = (2 * reach[0] + 1) * (2 * reach[1] + 1) * first.op.channels * draft.nodes[source].shape[0]
    size = total.shape[1] * total.shape[2]
    before = sum(draft.nodes[b.at].cost.macs for b in found if b.at is not None)
    return found if merged * size // groups <= before else []


def _groups(branches: list[_Branch]) -> int:
    return gcd(*(b.groups for b in branches if b.groups is not None))


def _reach(branches: list[_Branch]) -> tuple[int, int]:
    return max(b.reach[0] for b in branches), max(b.reach[1] for b in branches)


def _on_top(draft: Draft, total: int, source: int, found: list[_Branch]) -> None:
    groups, reach = _groups(found), _reach(found)
    at, op = max(
        ((b.at, b.op) for b in found if b.at is not None and isinstance(b.op, Conv)),
        key=lambda pair: pair[1].kernel,
    )
    kernel = (2 * reach[0] + 1, 2 * reach[1] + 1)
    merged = replace(op, kernel=kernel, padding=reach, groups=groups, bias=True)
    channels = draft.nodes[source].shape[0]

    def step(state: State) -> None:
        like = state[at]["weight"]
        weight = like.new_zeros((op.channels, channels // groups, *kernel))
        bias = like.new_zeros((op.channels,))
        for branch in found:
            part, shift = _kernel(branch, state, like, channels, groups)
            top, left = reach[0] - branch.reach[0], reach[1] - branch.reach[1]
            weight[:, :, top : top + part.shape[2], left : left + part.shape[3]] += part
            if shift is not None:
                bias += shift
        state[at] = {"weight": weight, "bias": bias}

    draft.steps.append(step)
    gone = {b.at if b.at is not None else source for b in found}
    for branch in found:
        if branch.at is not None and branch.at != at:
            draft.note(branch.at, f"part of the kernel of {draft.path(at)}")
    draft.note(at, f"its kernel holds {len(found)} terms of {draft.path(total)}")
    draft.change(at, op=merged)
    rest = [i for i in draft.nodes[total].inputs if i not in gone]
    draft.change(total, inputs=[at, *rest])
    if not rest:
        draft.bypass(total)


def _kernel(
    branch: _Branch, state: State, like: Tensor, channels: int, groups: int
) -> tuple[Tensor, Tensor | None]:
    """The kernel of a branch, spread to the given number of groups, and its bias."""
    if not isinstance(branch.op, Conv):
        factor, shift = like.new_ones((channels,)), None
        if branch.op is not None and branch.at is not None:
            factor, shift = norm_affine(state[branch.at], branch.op.eps)
        return _spread(factor.reshape(-1, 1, 1, 1), channels, groups), shift
    assert branch.at is not None
    tensors = state[branch.at]
    return _spread(tensors["weight"], branch.op.groups, groups), tensors.get("bias")


def _spread(weight: Tensor, groups: int, fewer: int) -> Tensor:
    """A grouped kernel (out, in // groups, …) as one of fewer groups: zero where the groups do not meet."""
    if groups == fewer:
        return weight
    out, per = weight.shape[0], weight.shape[1]
    times = groups // fewer
    result = weight.new_zeros((out, per * times, *weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * out // groups, (group + 1) * out // groups)
        start = group % times * per
        result[rows, start : start + per] = weight[rows]
    return result
