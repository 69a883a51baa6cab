"""Data sets by their name on the Hugging Face hub: downloaded once, found again offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from archc.train.faults import DataError

REVISIONS = ("main", "refs/convert/parquet")
"""Where parquet files may be: as uploaded, or as the hub converts what was uploaded otherwise."""
TIMEOUT = 10.0


def download(name: str) -> Path:
    """The folder with the parquet files of OWNER/NAME, or of OWNER/NAME/CONFIG. Raises DataError."""
    said = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:/([\w./-]+))?", name, re.ASCII)
    if not said or ".." in name:
        raise DataError(f"{name!r} is no data set's name on the hub, such as hf:uoft-cs/cifar10")
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError:
        raise DataError("data of the hub needs huggingface_hub: pip install 'archc[hub]'") from None
    owner, config = said[1], said[2] or ""
    pattern = f"{config}/*.parquet" if config else "*.parquet"
    about: dict[str, Any] = {"repo_type": "dataset", "allow_patterns": pattern}
    revision = ""
    try:
        for tried in REVISIONS:
            found = HfApi().dataset_info(owner, revision=tried, timeout=TIMEOUT)
            if any(_fits(s.rfilename, config) for s in found.siblings or ()):
                revision = tried
                break
    except GatedRepoError:
        raise DataError(
            f"{owner} asks for consent: give it on its page, then log in with `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise DataError(f"the hub has no data set {owner}, or keeps it private") from None
    except RevisionNotFoundError:
        pass
    except Exception as error:  # offline; what is raised depends on the client's transport
        return _cached(owner, config, about, error)
    if not revision:
        raise DataError(f"{owner} has no parquet files{f' in {config}' if config else ''}")
    try:
        return Path(snapshot_download(owner, revision=revision, **about)) / config
    except Exception as error:
        raise DataError(
            f"the download of {owner} broke off: {error}; the same command goes on from there"
        ) from None


def _fits(file: str, config: str) -> bool:
    return file.endswith(".parquet") and (not config or file.startswith(f"{config}/"))


def _cached(owner: str, config: str, about: dict[str, Any], why: Exception) -> Path:
    """What was downloaded before. Raises DataError where nothing was."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for revision in REVISIONS:
        try:
            place = Path(snapshot_download(owner, revision=revision, local_files_only=True, **about)) / config
        except LocalEntryNotFoundError:
            continue
        if any(place.rglob("*.parquet")):
            return place
    raise DataError(
        f"{owner} was not downloaded before, and the hub cannot be reached ({why}): go online once, or give a "
        "folder with its parquet files"
    )
