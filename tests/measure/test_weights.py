"""Loading foreign weights: all of them, or a message that names every one that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from archc.backends import torch_module
from archc.diagnostics import ArchError
from archc.measure.weights import Target, load_keymap, load_weights, randomise, save_keymap
from tests.backends import graphs


@pytest.fixture
def module() -> nn.Module:
    return torch_module.compile(graphs.auxiliary())


def other_state() -> dict[str, torch.Tensor]:
    twin = torch_module.compile(graphs.auxiliary())
    randomise(twin, 7)
    return twin.state_dict()


def refused(
    module: nn.Module, path: Path, keymap: dict[str, Target] | None = None
) -> dict[str, tuple[str, ...]]:
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(ArchError) as caught:
        load_weights(module, path, keymap)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert path.name in str(caught.value)
    return {d.code: d.notes for d in caught.value.diagnostics}


def test_our_own_keys(module: nn.Module, tmp_path: Path) -> None:
    state = other_state()
    save_file(state, tmp_path / "w.safetensors")
    load_weights(module, tmp_path / "w.safetensors")
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())


def test_all_that_does_not_fit_is_named_and_nothing_is_loaded(module: nn.Module, tmp_path: Path) -> None:
    state = other_state()
    del state["stem.conv1.weight"], state["s1.batch_norm1.bias"]
    state["strange"] = torch.zeros(2)
    state["head.linear1.bias"] = torch.zeros(3)
    save_file(state, tmp_path / "w.safetensors")
    assert refused(module, tmp_path / "w.safetensors") == {
        "E0602": ("stem.conv1.weight", "s1.batch_norm1.bias"),
        "E0603": ("strange",),
        "E0604": ("head.linear1.bias: is (10,), the file has (3,)",),
    }


def test_only_the_counter_of_batches_may_be_missing(module: nn.Module, tmp_path: Path) -> None:
    state = {k: v for k, v in other_state().items() if not k.endswith("num_batches_tracked")}
    assert len(state) < len(module.state_dict())
    save_file(state, tmp_path / "w.safetensors")
    load_weights(module, tmp_path / "w.safetensors")
    assert all(torch.equal(module.state_dict()[k], v) for k, v in state.items())


def test_a_transposed_kernel_is_not_reshaped_unasked(module: nn.Module, tmp_path: Path) -> None:
    state = other_state()
    state["head.linear1.weight"] = state["head.linear1.weight"].T.contiguous()
    save_file(state, tmp_path / "w.safetensors")
    assert list(refused(module, tmp_path / "w.safetensors")) == ["E0604"]


def test_keymap(module: nn.Module, tmp_path: Path) -> None:
    state = other_state()
    foreign = {f"net.{i}": v for i, v in enumerate(state.values())}
    keymap = {f"net.{i}": Target(k) for i, k in enumerate(state)}
    name = next(n for n, t in keymap.items() if t.key == "aux.conv1.weight")
    foreign[name] = foreign[name].flatten(1)
    save_file(foreign, tmp_path / "w.safetensors")
    assert list(refused(module, tmp_path / "w.safetensors", keymap)) == ["E0604"]
    keymap[name] = Target("aux.conv1.weight", (4, 8, 1, 1))
    save_keymap(keymap, tmp_path / "map.json")
    assert load_keymap(tmp_path / "map.json") == keymap
    load_weights(module, tmp_path / "w.safetensors", load_keymap(tmp_path / "map.json"))
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert set(refused(module, tmp_path / "w.safetensors")) == {"E0602", "E0603"}


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 64, b'{"a": 1}'])
def test_what_is_no_safetensors_file(module: nn.Module, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    assert list(refused(module, tmp_path / "w.safetensors")) == ["E0601"]
    assert list(refused(module, tmp_path / "absent.safetensors")) == ["E0601"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "Expecting value"),
        ("[]", "`version` and `keys`"),
        ('{"a": "b"}', "`version` and `keys`"),
        ('{"version": 2, "keys": {}}', "version 2 is not 1"),
        ('{"version": 1, "keys": []}', ""),
        ('{"version": 1, "keys": {"a": 1}}', "must be a key or an object"),
        ('{"version": 1, "keys": {"a": {"key": 2}}}', "must be a key or an object"),
        ('{"version": 1, "keys": {"a": {"key": "b"}}}', "'shape'"),
        ('{"version": 1, "keys": {"a": "c", "b": "c"}}', "two tensors go to `c`"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_keymap(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(ArchError) as caught:
        load_keymap(tmp_path / "map.json")
    (found,) = caught.value.diagnostics
    assert found.code == "E0605"
    assert found.message.startswith("map.json is not a keymap: ")
    assert said in found.message


def test_random_weights_hide_nothing_and_repeat() -> None:
    first, second = torch_module.compile(graphs.residual()), torch_module.compile(graphs.residual())
    randomise(first, 3)
    randomise(second, 3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    randomise(second, 4)
    for (key, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        if not key.endswith("num_batches_tracked"):
            assert not torch.equal(a, b), key
            assert a.abs().min() > 0, key
