"""Augmentation and batches: each operation against its definition, and independence of how work is split."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archc.train.augment import Augmenter, Place, crop, resized_part, rotate, square
from archc.train.batches import Batches
from archc.train.decoding import TRIES
from archc.train.faults import DataError
from archc.train.rand_augment import OPERATIONS, rand_augment
from archc.train.recipe import Augment
from tests.peers import import_torchvision

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (32, 3, 12, 10), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
LABELS = torch.arange(32) % 10
INDICES = torch.arange(100, 132)


def augmenter(smoothing: float = 0.0, seed: int = 0, **changes: Any) -> Augmenter:
    return Augmenter(Augment.model_validate(changes), (0.5,) * 3, (0.25,) * 3, 10, seed, CPU, smoothing)


def applied(made: Augmenter, step: int = 0, epoch: int = 0) -> tuple[Tensor, Tensor]:
    made.seed(step, epoch)
    return made(IMAGES, LABELS, INDICES, Place(0, 32))


def functional() -> Any:
    """torchvision's operations on one image."""
    import_torchvision()
    return importlib.import_module("torchvision.transforms.v2.functional")


EVERYTHING: list[dict[str, Any]] = [
    {}, {"flip": "random"}, {"flip": "alternating"}, {"crop": 2}, {"cutout": 4}, {"noise": 0.1}, {"rotation": 15},
    {"resized_crop": 0.1}, {"erase": 0.7}, {"jitter": 0.4}, {"lighting": 0.1}, {"crop": 2, "flip": "random"},
    {"rand_layers": 2, "rand_prob": 0.5, "rand_std": 3},
    {"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}, {"rand_layers": 2},
    {"one_of": {"none": 0.4, "noise": 0.2, "rotation": 0.2, "flip": 0.2}, "noise": 0.1, "rotation": 15},
]  # fmt: skip


def test_noise_is_that_of_the_whole_batch_whatever_the_size() -> None:
    """49 pixels: torch draws the last 16 of a tensor anew where their number is no multiple of 16."""
    images = torch.full((8, 3, 7, 7), 100, dtype=torch.uint8)
    labels = torch.zeros(8, dtype=torch.int64)
    made = augmenter(noise=0.3)
    made.seed(0, 0)
    whole, _ = made(images, labels, labels, Place(0, 8))
    for first in (0, 3):
        made.seed(0, 0)
        part, _ = made(images[:3], labels[:3], labels[:3], Place(first, 8))
        assert torch.equal(part, whole[first : first + 3])


@pytest.mark.parametrize("changes", EVERYTHING, ids=str)
def test_a_batch_is_a_function_of_seed_and_step(changes: dict[str, Any]) -> None:
    first, targets = applied(augmenter(**changes))
    again, same = applied(augmenter(**changes))
    assert torch.equal(first, again)
    assert torch.equal(targets, same)
    torch.testing.assert_close(targets.sum(1), torch.ones(32))
    if changes and changes != {"flip": "alternating"}:  # that one depends on the epoch alone
        assert not torch.equal(first, applied(augmenter(**changes), step=1)[0])
        assert not torch.equal(first, applied(augmenter(seed=1, **changes))[0])


@pytest.mark.parametrize("changes", EVERYTHING, ids=str)
@pytest.mark.parametrize("parts", [2, 4, 16])
def test_parts_are_augmented_as_the_whole(changes: dict[str, Any], parts: int) -> None:
    """Two ranks, or four micro-batches, see what one process with the whole batch sees."""
    made = augmenter(0.1, **changes)
    whole = applied(made)
    size = 32 // parts
    pieces = []
    for i in range(0, 32, size):
        made.seed(0, 0)
        part = slice(i, i + size)
        pieces.append(made(IMAGES[part], LABELS[part], INDICES[part], Place(i, 32)))
    for index in (0, 1):
        torch.testing.assert_close(torch.cat([p[index] for p in pieces]), whole[index], rtol=0, atol=1e-6)


def test_without_augmentation_images_are_normalised() -> None:
    images, targets = applied(augmenter(smoothing=0.1))
    torch.testing.assert_close(images, (IMAGES / 255 - 0.5) / 0.25)
    assert targets[0, 0] == pytest.approx(0.91)
    assert targets[0, 1] == pytest.approx(0.01)


def test_random_flips_mirror_about_half() -> None:
    images, _ = applied(augmenter(flip="random"))
    plain = augmenter().normalised(IMAGES)
    mirrored = [bool(torch.equal(i, p.flip(2))) for i, p in zip(images, plain, strict=True)]
    assert all(m or torch.equal(i, p) for m, i, p in zip(mirrored, images, plain, strict=True))
    assert 8 <= sum(mirrored) <= 24


def test_alternating_flips_take_turns() -> None:
    made = augmenter(flip="alternating")
    plain = made.normalised(IMAGES)
    epochs = [applied(made, step=e, epoch=e)[0] for e in range(3)]
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[0].flip(3))
    kept = sum(bool(torch.equal(a, b)) for a, b in zip(epochs[0], plain, strict=True))
    assert 8 <= kept <= 24


def test_crops_are_windows_of_the_reflected_image() -> None:
    x = torch.arange(2 * 5 * 6).reshape(2, 1, 5, 6).float()
    padded = torch.nn.functional.pad(x, [2] * 4, mode="reflect")
    found = crop(x, 2, torch.tensor([0.0, 0.999]), torch.tensor([0.5, 0.0]))
    assert torch.equal(found[0, 0], padded[0, 0, 0:5, 2:8])
    assert torch.equal(found[1, 0], padded[1, 0, 4:9, 0:6])


def test_rotation_agrees_with_torchvision() -> None:
    tv = functional()
    interpolation = import_torchvision().transforms.InterpolationMode.BILINEAR
    x = torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    degrees = torch.tensor([-15.0, 0.0, 33.0])
    for found, image, angle in zip(rotate(x, degrees), x, degrees.tolist(), strict=True):
        torch.testing.assert_close(found, tv.rotate(image, angle, interpolation), rtol=0, atol=2e-3)


def test_cutout_is_a_square_of_the_mean() -> None:
    mask = square(torch.zeros(2, 3, 12, 10), 4, torch.tensor([0.5, 0.0]), torch.tensor([0.5, 0.0]))
    assert mask.flatten(1).sum(1).tolist() == [16, 4]  # the second is cut by the corner
    images, _ = applied(augmenter(cutout=4))
    plain = augmenter().normalised(IMAGES)
    changed = images != plain
    assert bool((images[changed] == 0).all())
    assert all(0 < int(c.any(0).sum()) <= 16 for c in changed)


def test_noise_has_the_deviation_asked_for() -> None:
    images, _ = applied(augmenter(noise=0.1))
    assert float((images - augmenter().normalised(IMAGES)).std()) == pytest.approx(0.1 / 0.25, rel=0.05)


@pytest.mark.parametrize("changes", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=str)
def test_mixed_targets_weigh_what_is_in_the_image(changes: dict[str, Any]) -> None:
    """On images that are their label, each mixed image's mean is its target's mean label."""
    labels = torch.arange(32) % 10
    images = (labels * 25).byte().reshape(-1, 1, 1, 1).expand(-1, 3, 12, 10).contiguous()
    mixed, targets = augmenter(**changes)(images, labels, INDICES, Place(0, 32))
    means = (mixed.mean((1, 2, 3)) * 0.25 + 0.5) * 255 / 25
    torch.testing.assert_close(means, targets @ torch.arange(10.0), rtol=0, atol=1e-3)
    assert float(targets.max(1).values.min()) < 0.9


def test_one_of_keeps_its_probabilities() -> None:
    shares = {"none": 0.4, "noise": 0.2, "rotation": 0.2, "flip": 0.2}
    made = augmenter(one_of=shares, noise=0.3, rotation=15)
    plain = made.normalised(IMAGES)
    same = flipped = 0
    for step in range(60):
        images, _ = applied(made, step)
        same += sum(bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(images, plain, strict=True))
        flipped += sum(
            bool(torch.allclose(a, b.flip(2), atol=1e-5)) for a, b in zip(images, plain, strict=True)
        )
    assert same / 1920 == pytest.approx(0.4, abs=0.05)
    assert flipped / 1920 == pytest.approx(0.2, abs=0.04)


COLOUR = (
    "brightness",
    "colour",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)


@pytest.mark.parametrize("name", COLOUR)
def test_colour_operations_agree_with_torchvision(name: str) -> None:
    tv = functional()
    peers = {
        "brightness": lambda x: tv.adjust_brightness(x, 1.45), "colour": lambda x: tv.adjust_saturation(x, 1.45),
        "contrast": lambda x: tv.adjust_contrast(x, 1.45), "sharpness": lambda x: tv.adjust_sharpness(x, 1.45),
        "posterize": lambda x: tv.posterize(x, 6), "solarize": lambda x: tv.solarize(x, 128),
        "autocontrast": tv.autocontrast, "equalize": tv.equalize,
    }  # fmt: skip
    found = OPERATIONS[name](IMAGES / 255, torch.full((32,), 0.5)) * 255
    expected = torch.stack([peers[name](image) for image in IMAGES]).float()
    assert float((found - expected).abs().max()) <= 2.0  # torchvision rounds on the way


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_keep_shape_and_range(name: str) -> None:
    for shape in ((4, 3, 12, 10), (4, 1, 9, 9)):
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        found = OPERATIONS[name](x, torch.tensor([-1.0, -0.3, 0.3, 1.0]))
        assert found.shape == x.shape
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1


@pytest.mark.parametrize(("name", "axis"), [("shear_x", 3), ("shear_y", 2)])
def test_shears_move_rows_by_their_distance_from_the_centre(name: str, axis: int) -> None:
    x = torch.zeros(1, 1, 21, 21)
    x.select(axis, 10).fill_(1)
    found = OPERATIONS[name](x, torch.tensor([1.0]))[0, 0]
    lines = found if axis == 3 else found.T
    places = [int(line.argmax()) for line in lines]
    slope = (places[20] - places[0]) / 20
    assert abs(slope) == pytest.approx(0.3, abs=0.05)
    assert places[10] == 10


def test_rand_augment_gives_images_operations_of_their_own() -> None:
    x = IMAGES[:1].expand(64, -1, -1, -1) / 255
    picks = torch.randint(len(OPERATIONS), (64, 1), generator=torch.Generator().manual_seed(0))
    found = rand_augment(x, picks, torch.full((64, 1), 0.5))
    assert len({f.numpy().tobytes() for f in found}) >= len(OPERATIONS) - 2
    for image, pick in zip(found, picks[:, 0].tolist(), strict=True):
        alone = list(OPERATIONS.values())[pick](x[:1], torch.tensor([0.5]))
        torch.testing.assert_close(image, alone[0])


def test_rand_augment_leaves_images_out_and_varies_its_strength() -> None:
    plain = augmenter().normalised(IMAGES)
    never, _ = applied(augmenter(rand_layers=2, rand_prob=0.0))
    torch.testing.assert_close(never, plain)
    fixed, _ = applied(augmenter(rand_layers=1, rand_magnitude=15))
    varied, _ = applied(augmenter(rand_layers=1, rand_magnitude=15, rand_std=5))
    assert 5 < sum(not torch.equal(a, b) for a, b in zip(fixed, varied, strict=True)) < 32


GEOMETRY = ("shear_x", "shear_y", "translate_x", "translate_y", "turn")


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("strength", [-0.6, 0.5])
def test_geometric_operations_agree_with_torchvision(name: str, strength: float) -> None:
    tv = functional()
    x = torch.rand(2, 3, 21, 17, generator=torch.Generator().manual_seed(0))
    plain: dict[str, Any] = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    degrees = math.degrees(math.atan(0.3 * strength))
    changes: dict[str, dict[str, Any]] = {
        "shear_x": {"shear": [degrees, 0.0]}, "shear_y": {"shear": [0.0, degrees]},
        "translate_x": {"translate": [round(0.45 * 17 * strength), 0]},
        "translate_y": {"translate": [0, round(0.45 * 21 * strength)]}, "turn": {"angle": 30 * strength},
    }  # fmt: skip
    kind = import_torchvision().transforms.InterpolationMode.NEAREST
    if name.startswith("translate"):  # by whole pixels, which theirs are
        strength = changes[name]["translate"][name == "translate_y"] / (
            0.45 * (17 if name[-1] == "x" else 21)
        )
    either = []
    for sign in (1, -1):  # which way is positive differs from function to function there; both ways are drawn
        theirs = torch.stack(
            [tv.affine(image, **{**plain, **changes[name]}, interpolation=kind) for image in x]
        )
        ours = OPERATIONS[name](x, torch.full((2,), sign * strength))
        either.append(float((ours != theirs).float().mean()))
    assert min(either) < 0.03  # a pixel on the edge between two may fall to either
    assert max(either) > 0.3


def test_random_parts_of_images_in_memory_are_their_parts() -> None:
    x = torch.arange(24.0).reshape(1, 1, 1, 24).expand(400, 1, 24, 24) / 24
    x = torch.cat([x, x.transpose(2, 3)], 1)
    uniform = torch.rand(400, 2 * TRIES + 2, generator=torch.Generator().manual_seed(0))
    found = resized_part(x, 0.25, uniform)
    across = (found[:, 0, 12, 20] - found[:, 0, 12, 3]) * 24 / 17  # of the side, for each pixel of the result
    down = (found[:, 1, 20, 12] - found[:, 1, 3, 12]) * 24 / 17
    area, ratio = across * down, across / down
    assert 0.22 < float(area.min()) < 0.3
    assert 0.9 < float(area.max()) <= 1.01
    assert 0.74 < float(ratio.min()) < 0.8
    assert 1.25 < float(ratio.max()) < 1.35
    torch.testing.assert_close(resized_part(x, 1.0, uniform), x, rtol=0, atol=1e-5)


def test_erased_rectangles_have_their_size_and_share() -> None:
    images = torch.full((512, 3, 32, 32), 100, dtype=torch.uint8)
    found, _ = augmenter(erase=0.5)(images, torch.zeros(512).long(), torch.arange(512), Place(0, 512))
    changed = (found != augmenter().normalised(images)).any(1)
    shares = changed.float().mean((1, 2))
    erased = shares[shares > 0]
    assert 0.42 < len(erased) / 512 < 0.58
    assert float(erased.min()) < 0.05
    assert 0.33 < float(erased.max()) < 0.43
    tall, wide = changed.any(2).sum(1), changed.any(1).sum(1)
    assert torch.equal(changed.sum((1, 2)), tall * wide)  # rectangles, whole
    inside = found.permute(0, 2, 3, 1)[changed]
    assert float(inside.mean()) == pytest.approx(0, abs=0.02)  # even over the range of the pixels
    assert float(inside.std()) == pytest.approx(4 / 12**0.5, rel=0.02)


def test_jitter_stays_within_its_share() -> None:
    images = torch.full((256, 3, 6, 6), 100, dtype=torch.uint8)
    found, _ = augmenter(jitter=0.4)(images, torch.zeros(256).long(), torch.arange(256), Place(0, 256))
    level = (found * 0.25 + 0.5) * 255 / 100  # grey without contrast: brightness alone shows
    assert 0.6 <= float(level.min()) < 0.63
    assert 1.37 < float(level.max()) <= 1.4001


def test_lighting_moves_along_the_axes_of_colour() -> None:
    images = torch.full((4096, 3, 2, 2), 100, dtype=torch.uint8)
    found, _ = augmenter(lighting=0.1)(images, torch.zeros(4096).long(), torch.arange(4096), Place(0, 4096))
    moved = (found - augmenter().normalised(images))[:, :, 0, 0] * 0.25
    values, axes = torch.linalg.eigh(moved.T @ moved / 4096)
    assert values.flip(0).sqrt().tolist() == pytest.approx([0.02175, 0.00188, 0.00045], rel=0.05)
    first = axes[:, 2] * axes[0, 2].sign()
    torch.testing.assert_close(first, torch.tensor([0.5675, 0.5808, 0.5836]), rtol=0, atol=0.01)
    with pytest.raises(DataError, match="three channels"):
        Augmenter(Augment(lighting=0.1), (0.5,), (0.5,), 10, 0, CPU)


class Launches(TorchDispatchMode):
    """Notes operations whose result the host would have to wait for."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique", "repeat_interleave")

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = [
            i
            for i in (args[1] if name.startswith("index") and isinstance(args[1], (list, tuple)) else ())
            if i is not None
        ]
        if name in self.WAITING or any(m.dtype == torch.bool for m in masks):
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("changes", EVERYTHING, ids=str)
def test_nothing_waits_for_the_device(changes: dict[str, Any]) -> None:
    made = augmenter(0.1, **changes)
    made.seed(0, 0)
    with Launches() as launches:
        made(IMAGES, LABELS, INDICES, Place(0, 32))
    assert launches.waits == []


def test_an_epoch_sees_every_example_once_whatever_the_world() -> None:
    for world in (1, 2, 4):
        ranks = [Batches(103, 8, 5, r, world) for r in range(world)]
        assert ranks[0].epoch_steps == 12
        for epoch in (0, 1):
            steps = range(12 * epoch, 12 * epoch + 12)
            seen = torch.cat([torch.cat([b.indices(s) for b in ranks]) for s in steps])
            assert len(set(seen.tolist())) == 96
            whole = Batches(103, 8, 5)
            assert torch.equal(seen, torch.cat([whole.indices(s) for s in steps]))
    assert not torch.equal(Batches(103, 8, 5).indices(0), Batches(103, 8, 5).indices(12))
    used = Batches(103, 8, 5)
    used.indices(20)
    assert torch.equal(used.indices(7), Batches(103, 8, 5).indices(7))  # no matter what was asked before


def test_batches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="larger than"):
        Batches(7, 8, 0)
    with pytest.raises(DataError, match="does not divide among 3"):
        Batches(70, 8, 0, 0, 3)
