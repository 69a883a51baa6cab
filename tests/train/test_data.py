"""Reading data: every layout, what is damaged is named and counted, what does not fit is said."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from archc.train.datasets import Dataset
from archc.train.faults import DataError
from archc.train.loading import load_dataset
from archc.train.prepare import data_changes, prepare
from archc.train.recipe import Data, RecipeError, load_recipe

SHAPE = (3, 8, 8)


def png(label: int, size: int = 8) -> bytes:
    """An image whose red is its label."""
    image = Image.fromarray(np.full((size, size, 3), (label * 20, 100, 200), dtype=np.uint8))
    out = io.BytesIO()
    image.save(out, "png")
    return out.getvalue()


def read(name: str, path: Path, shape: tuple[int, ...] = SHAPE, **more: Any) -> Dataset:
    return load_dataset(Data.model_validate({"name": name, "path": str(path), **more}), shape)


def check(found: Dataset, train: int, test: int) -> None:
    assert (len(found.train), len(found.test)) == (train, test)
    for split in (found.train, found.test):
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == SHAPE
        assert torch.equal(split.images[:, 0, 0, 0].long(), split.labels * 20)


def folder(place: Path, count: int) -> Path:
    for label, name in enumerate(("cat", "dog", "eel")):
        (place / name).mkdir(parents=True)
        for i in range(count):
            (place / name / f"{i}.png").write_bytes(png(label, 8 + i % 3))
    return place


def test_digits_are_real_and_held_out_evenly() -> None:
    found = load_dataset(Data(), (1, 8, 8))
    assert (len(found.train), len(found.test)) == (1438, 359)
    assert found.train.images.max() == 240
    assert min(torch.bincount(found.test.labels).tolist()) >= 20
    larger = load_dataset(Data(), (3, 32, 32))
    assert larger.train.images.shape == (1438, 3, 32, 32)


def test_a_folder_of_folders(tmp_path: Path) -> None:
    found = read("folder", folder(tmp_path, 10))
    assert found.classes == ("cat", "dog", "eel")
    check(found, 24, 6)


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_with_splits(tmp_path: Path, test: str) -> None:
    folder(tmp_path / "train", 5)
    folder(tmp_path / test, 2)
    check(read("folder", tmp_path), 15, 6)


def hub(path: Path, labels: list[int], names: list[str] | None = None, column: str = "img") -> None:
    images = pa.array([{"bytes": png(label), "path": None} for label in labels])
    table = pa.table({column: images, "label": pa.array(labels)})
    if names:
        described = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
    parquet.write_table(table, path)


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    hub(tmp_path / "train-00000-of-00001.parquet", [0, 1, 2, 1], ["a", "b", "c"])
    hub(tmp_path / "test-00000-of-00001.parquet", [2, 0], ["a", "b", "c"])
    found = read("parquet", tmp_path)
    check(found, 4, 2)
    assert found.classes == ("a", "b", "c")
    assert found.held_out == "test"


def test_one_parquet_file_is_split(tmp_path: Path) -> None:
    hub(tmp_path / "all.parquet", [0, 1] * 5, column="image")
    found = read("parquet", tmp_path / "all.parquet")
    check(found, 8, 2)
    assert found.classes == ("0", "1")


@pytest.mark.parametrize(("name", "extra"), [("cifar10", 1), ("cifar100", 2)])
def test_the_binary_cifar(tmp_path: Path, name: str, extra: int) -> None:
    def records(labels: list[int]) -> bytes:
        pixels = [np.full((3, 32, 32), 7 * label, dtype=np.uint8).tobytes() for label in labels]
        return b"".join(
            bytes([9] * (extra - 1) + [label]) + p for label, p in zip(labels, pixels, strict=True)
        )

    train, test = ("data_batch_1.bin", "test_batch.bin") if extra == 1 else ("train.bin", "test.bin")
    (tmp_path / train).write_bytes(records([3, 1, 4]))
    (tmp_path / test).write_bytes(records([5]))
    found = read(name, tmp_path, (3, 32, 32))
    assert found.train.labels.tolist() == [3, 1, 4]
    assert found.test.images.unique().tolist() == [35]
    assert len(found.classes) == (10 if extra == 1 else 100)
    (tmp_path / test).write_bytes(b"short")
    with pytest.raises(DataError, match="whole records"):
        read(name, tmp_path, (3, 32, 32))


def test_a_few_damaged_images_are_named_and_left_out(tmp_path: Path) -> None:
    folder(tmp_path, 20)
    (tmp_path / "dog" / "3.png").write_bytes(png(1)[:40])
    found = read("folder", tmp_path, max_bad=0.05)
    assert len(found.train) + len(found.test) == 59
    assert len(found.bad) == 1
    assert "dog/3.png" in found.bad[0]


def test_many_damaged_images_stop_the_run_with_their_list(tmp_path: Path) -> None:
    folder(tmp_path, 20)
    for i in (1, 2):
        (tmp_path / "eel" / f"{i}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2 of 48 images") as caught:
        read("folder", tmp_path)
    assert "eel/1.png" in str(caught.value)
    assert "eel/2.png" in str(caught.value)


def test_validation_is_kept_out_of_training(tmp_path: Path) -> None:
    found = read("folder", folder(tmp_path, 10), validation=4)
    assert (len(found.train), len(found.test), found.held_out) == (20, 4, "validation")


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ([], "folder", "no folders of images"),
        ([], "parquet", "no parquet files"),
        ([], "cifar10", "pickled"),
        (["cat/note.txt"], "folder", "no images"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, files: list[str], name: str, message: str) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("x")
    with pytest.raises(DataError, match=message):
        read(name, tmp_path)


def test_a_missing_path_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read("folder", tmp_path / "none")


def test_data_is_known_by_what_it_is(tmp_path: Path) -> None:
    assert data_changes("digits") == ["data.name=digits"]
    folder(tmp_path / "f", 1)
    (tmp_path / "p").mkdir()
    hub(tmp_path / "p" / "train.parquet", [0])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "data_batch_1.bin").write_bytes(b"")
    for name, kind in (("f", "folder"), ("p", "parquet"), ("c", "cifar10")):
        assert data_changes(str(tmp_path / name))[0] == f"data.name={kind}"
    assert data_changes("cifar10:some where") == ["data.name=cifar10", "data.path='some where'"]
    with pytest.raises(DataError, match="no data"):
        data_changes("digit")
    (tmp_path / "notes.txt").write_text("hi")
    with pytest.raises(DataError, match=r"notes.txt is no data: give a folder"):
        data_changes(str(tmp_path / "notes.txt"))
    with pytest.raises(RecipeError, match=r"a file of one is called NAME.toml"):
        load_recipe(tmp_path / "notes.txt")


def test_the_network_gets_as_many_classes_as_the_data() -> None:
    recipe = load_recipe("quickstart")
    found = prepare("resnet18", recipe, {}, (3, 32, 32))
    assert found.graph.nodes[found.graph.outputs[0].node].shape == (10,)
    with pytest.raises(DataError, match="10 classes"):
        prepare("lenet5", recipe, {"classes": 7})
    with pytest.raises(DataError, match="a number for each class"):
        prepare("unet_256_padded", recipe, {}, (3, 32, 32))
