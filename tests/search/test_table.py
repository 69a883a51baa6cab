"""Tables of results, in the forms they come in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archc.search.strategy import SearchError
from archc.search.table import Table, code

ROWS = [
    {"code": "012", "canon_id": 7, "val": 50.5, "test": 60.0, "note": "a"},
    {"code": "112", "canon_id": 7, "val": 51.5, "test": 61.0, "note": "b"},
    {"code": "002", "canon_id": 8, "val": 52.5, "test": 62.0, "note": "c"},
]


@pytest.fixture(params=["csv", "csv.gz", "parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found = tmp_path / f"table.{request.param}"
    text = "\n".join([",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)])
    if request.param == "csv":
        found.write_text(text)
    elif request.param == "csv.gz":
        found.write_bytes(gzip.compress(text.encode()))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), found)
    return found


def test_rows_are_found_by_arguments(path: Path) -> None:
    table = Table(path)
    row = table.row({"code": [1, 1, 2], "width": 16})
    assert (table.key, table.same, table.columns) == ("code", "canon_id", ("val", "test"))
    assert dict(row.figures) == {"val": 51.5, "test": 61.0}
    assert row.same == table.row({"code": (0, 1, 2)}).same != table.row({"code": "002"}).same


def test_mistakes_are_told(path: Path) -> None:
    table = Table(path)
    with pytest.raises(SearchError, match="no row whose code is 222"):
        table.row({"code": [2, 2, 2]})
    with pytest.raises(SearchError, match="no parameter `code` names the rows"):
        table.row({"depth": 3})
    with pytest.raises(SearchError, match="no numbers in a column 'vall': did you mean `val`"):
        table.need("vall")
    with pytest.raises(SearchError, match="no column 'cod': did you mean `code`"):
        Table(path, "cod")
    with pytest.raises(SearchError, match="two rows whose canon_id is 7"):
        Table(path, "canon_id")


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="cannot read the table"):
        Table(tmp_path / "missing.csv")
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(SearchError, match="cannot read the table"):
        Table(tmp_path / "broken.parquet")


def test_numbers_of_two_digits_are_kept_apart() -> None:
    assert code([1, 12, 3]) == "1 12 3" and code([1, 2]) == "12" and code("nasnet") == "nasnet"
