"""ImageNet's layouts and the hub's: labels of a flat `val`, names of synsets, downloads and being offline."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from archc.train import hub as hub_module
from archc.train.datasets import Dataset, Split
from archc.train.faults import DataError
from archc.train.hub import download
from archc.train.loading import load_dataset
from archc.train.prepare import data_changes
from archc.train.recipe import Data
from tests.train.test_data import SHAPE, hub, png

SYNSETS = ("n01440764", "n01443537", "n02012849", "n03126707")
WORDS = (
    "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\nn02012849 crane\nn03126707 crane\n"
)


def read(path: Path, name: str = "folder", **more: Any) -> Dataset:
    return load_dataset(Data.model_validate({"name": name, "path": str(path), **more}), SHAPE)


def imagenet(root: Path) -> Path:
    for label, synset in enumerate(SYNSETS):
        (root / "train" / synset).mkdir(parents=True)
        for number in range(3):
            (root / "train" / synset / f"{synset}_{number}.JPEG").write_bytes(png(label))
    (root / "val").mkdir()
    for number in range(8):
        (root / "val" / f"ILSVRC2012_val_{number:08}.JPEG").write_bytes(png(number % 4))
    return root


def labels(found: Dataset) -> list[int]:
    assert isinstance(found.test, Split)
    return found.test.labels.tolist()


def test_a_flat_val_takes_kaggle_s_labels_from_above(tmp_path: Path) -> None:
    place = imagenet(tmp_path / "ILSVRC" / "Data" / "CLS-LOC")
    rows = [f"ILSVRC2012_val_{n:08},{SYNSETS[n % 4]} 1 2 3 4" for n in range(8)]
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    (tmp_path / "LOC_synset_mapping.txt").write_text(WORDS)
    found = read(place)
    assert labels(found) == [0, 1, 2, 3] * 2
    assert found.classes == ("tench", "goldfish", "crane (n02012849)", "crane (n03126707)")


def test_a_flat_val_takes_caffe_s_labels(tmp_path: Path) -> None:
    place = imagenet(tmp_path)
    (tmp_path / "val.txt").write_text("".join(f"ILSVRC2012_val_{n:08}.JPEG {n % 4}\n" for n in range(8)))
    (tmp_path / "synset_words.txt").write_text(WORDS)
    found = read(place)
    assert labels(found) == [0, 1, 2, 3] * 2
    assert found.classes[0] == "tench"


def test_a_flat_val_without_labels_says_what_to_do(tmp_path: Path) -> None:
    place = imagenet(tmp_path)
    with pytest.raises(DataError, match=r"put LOC_val_solution\.csv or val\.txt beside it"):
        read(place)
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000000.JPEG 0\n")
    with pytest.raises(DataError, match="no class of 7 images"):
        read(place)


def test_val_in_class_folders_needs_known_classes(tmp_path: Path) -> None:
    place = imagenet(tmp_path)
    for file in (tmp_path / "val").iterdir():
        file.unlink()
    (tmp_path / "val" / "n01440765").mkdir()
    with pytest.raises(DataError, match=r"not trained: n01440765\. did you mean `n01440764`"):
        read(place)
    (tmp_path / "val" / "n01440765").rename(tmp_path / "val" / "n02012849")
    (tmp_path / "val" / "n02012849" / "a.JPEG").write_bytes(png(2))
    assert labels(read(place)) == [2]


def test_shards_that_are_missing_are_counted(tmp_path: Path) -> None:
    hub(tmp_path / "train-00000-of-00003.parquet", [0, 1])
    hub(tmp_path / "train-00002-of-00003.parquet", [0, 1])
    with pytest.raises(DataError, match="2 of the 3 files of train"):
        read(tmp_path, "parquet")


def test_test_labels_that_are_kept_back_are_passed_over(tmp_path: Path) -> None:
    hub(tmp_path / "train.parquet", [0, 1, 2] * 3)
    hub(tmp_path / "test.parquet", [-1, -1])
    hub(tmp_path / "validation.parquet", [2, 1])
    assert labels(read(tmp_path, "parquet")) == [2, 1]
    (tmp_path / "validation.parquet").unlink()
    assert read(tmp_path, "parquet", held_out=0.34).held_out == "a share of 0.34"


def test_converted_data_is_in_folders_named_as_its_parts(tmp_path: Path) -> None:
    for part, values in (("train", [0, 1, 1]), ("test", [1])):
        (tmp_path / "default" / part).mkdir(parents=True)
        hub(tmp_path / "default" / part / "0000.parquet", values)
    found = read(tmp_path, "parquet")
    assert (len(found.train), len(found.test)) == (3, 1)
    (tmp_path / "other" / "train").mkdir(parents=True)
    hub(tmp_path / "other" / "train" / "0000.parquet", [0])
    with pytest.raises(DataError, match="several data sets"):
        read(tmp_path, "parquet")


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path, "parquet")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download takes. files: by revision and path; asked: what came in."""

    files: dict[str, dict[str, bytes]]
    asked: list[str]
    COMMITS: ClassVar = {"main": "a" * 40, "refs/convert/parquet": "b" * 40}

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.split("?")[0].replace("%2F", "/")
        if "/api/datasets/some/one/revision/" in path or "/api/datasets/some/one/tree/" in path:
            revision = path.split("/revision/" if "/revision/" in path else "/tree/")[1]
            revision = next((r for r, c in self.COMMITS.items() if c == revision), revision)
            found = self.files.get(revision)
            if found is None:
                return self._answer(404, {"X-Error-Code": "RevisionNotFound"}, b"")
            siblings = [{"rfilename": name} for name in found]
            tree = [{"type": "file", "path": n, "oid": n, "size": len(c)} for n, c in found.items()]
            about = {"id": "some/one", "sha": self.COMMITS[revision], "siblings": siblings, "tags": [], "private": False,
                     "downloads": 0, "likes": 0}  # fmt: skip
            body = json.dumps(tree if "/tree/" in path else about).encode()
            return self._answer(200, {"Content-Type": "application/json"}, body)
        if "/datasets/some/one/resolve/" in path:
            commit, _, name = path.split("/resolve/")[1].partition("/")
            revision = next(r for r, c in self.COMMITS.items() if c == commit)
            content = self.files[revision][name]
            return self._answer(200, {"X-Repo-Commit": commit, "ETag": f'"{name}"'}, content)
        return self._answer(404, {"X-Error-Code": "RepoNotFound"}, b"")

    do_HEAD = do_GET

    def _answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub of its own on this machine, with an empty cache."""
    from huggingface_hub import constants

    Hub.asked = []
    for name in ("train-00000-of-00001", "test-00000-of-00001"):
        hub(tmp_path / f"{name}.parquet", [0, 1, 2], ["a", "b", "c"])
    contents = {f"data/{p.name}": p.read_bytes() for p in tmp_path.glob("*.parquet")}
    Hub.files = {"main": {"README.md": b"#", **contents}}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_module, "TIMEOUT", 5.0)
    yield Hub
    server.shutdown()
    server.server_close()


def test_a_hub_name_is_downloaded_once_and_found_offline(
    served: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_changes("hf:some/one") == ["data.name=hub", "data.path='some/one'"]
    found = load_dataset(Data(name="hub", path="some/one"), SHAPE)
    assert (len(found.train), len(found.test), found.classes) == (3, 3, ("a", "b", "c"))
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    before = len(served.asked)
    assert len(load_dataset(Data(name="hub", path="some/one"), SHAPE).train) == 3
    assert len(served.asked) == before


def test_converted_parquet_is_found(served: type[Hub]) -> None:
    served.files = {
        "main": {"images.zip": b""},
        "refs/convert/parquet": {f"default/{n.split('/')[1].split('-')[0]}/0000.parquet": c
                                 for n, c in served.files["main"].items() if "parquet" in n},
    }  # fmt: skip
    assert len(load_dataset(Data(name="hub", path="some/one"), SHAPE).test) == 3
    assert download("some/one/default").name == "default"
    with pytest.raises(DataError, match="no parquet files in other"):
        download("some/one/other")


def test_what_the_hub_does_not_have_is_said(served: type[Hub]) -> None:
    with pytest.raises(DataError, match="no data set some/two"):
        download("some/two")
    with pytest.raises(DataError, match="no data set's name"):
        download("some/../one")


def test_offline_without_a_download_is_said(served: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="not downloaded before, and the hub cannot be reached"):
        download("some/one")


def folder(place: Path, names: list[str]) -> Path:
    """Images of these names below a folder."""
    for number, name in enumerate(names):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(number))
    return place


def test_hidden_files_empty_classes_and_what_is_not_read(tmp_path: Path) -> None:
    cats = [f"a cat/{n}.png" for n in range(4)] + ["a cat/deep/er/ü.PNG", "a cat/IMG.heic"]
    folder(tmp_path, [*cats, *(f"dog/{n}.png" for n in range(5)), ".git/a/b.png", "dog/._0.png"])
    (tmp_path / "none").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("no image, and no word about it")
    found = read(tmp_path)
    assert found.classes == ("a cat", "dog")
    assert len(found.train) + len(found.test) == 10
    assert [note.partition(": ")[2] for note in found.notes] == [
        "no images in none, so no such class",
        "left out, as archc does not read them: 1 .heic",
    ]


def test_one_class_is_told_apart_from_a_folder_around_the_classes(tmp_path: Path) -> None:
    folder(tmp_path / "in" / "archive", ["cat/1.png", "cat/2.png", "dog/1.png"])
    with pytest.raises(DataError, match=r"one class only, archive: did you mean .*archive\?"):
        read(tmp_path / "in")
    folder(tmp_path / "one", ["cat/1.png", "cat/2.png"])
    with pytest.raises(DataError, match="nothing to tell apart"):
        read(tmp_path / "one")


def test_parts_may_be_called_training_and_testing_and_be_capitalised(tmp_path: Path) -> None:
    names = [f"{part}/{kind}/{n}.png" for part in ("Training", "Testing") for kind in "ab" for n in range(2)]
    found = read(folder(tmp_path, names))
    assert (found.classes, len(found.train), len(found.test)) == (("a", "b"), 4, 4)


def test_of_test_and_val_one_is_used_and_the_other_named(tmp_path: Path) -> None:
    names = [f"{part}/{kind}/{n}.png" for part in ("train", "val", "test") for kind in "ab" for n in range(2)]
    found = read(folder(tmp_path, names))
    assert [note.rpartition("/")[2] for note in found.notes] == ["val is not used: test is what is tested on"]


def test_kaggle_s_test_images_without_labels_are_passed_over(tmp_path: Path) -> None:
    place = imagenet(tmp_path)
    folder(place / "test", [f"ILSVRC2012_test_{n:08}.JPEG" for n in range(3)])
    (tmp_path / "val.txt").write_text("".join(f"ILSVRC2012_val_{n:08}.JPEG {n % 4}\n" for n in range(8)))
    found = read(place)
    assert labels(found) == [0, 1, 2, 3] * 2
    assert ["test is not used: val" in note for note in found.notes] == [True]
