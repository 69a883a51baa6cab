"""A range is a few bytes and its list is not: where one becomes the other there is a limit."""

from __future__ import annotations

import pytest

from archc.elaborate import check_text

LONG = "0..2_147_483_000"


@pytest.mark.parametrize(
    "head",
    [
        f"block b(x, l: list) {{ return x -> relu }}\narch a() {{\n  input 3 x 8 x 8\n  stage b({LONG})",
        f"block b(x, l: list[int]) {{ return x -> relu }}\narch a() {{\n  input 3 x 8 x 8\n  stage b(l = {LONG})",
        f"arch a(w: list = {LONG}) {{\n  input 3 x 8 x 8",
        f"arch a(w: int = pick({LONG})) {{\n  input 3 x 8 x 8",
        f"arch a(w: list = pick({LONG}, k = 2)) {{\n  input 3 x 8 x 8",
    ],
)
def test_a_range_too_long_for_a_list_is_an_error(head: str) -> None:
    found = check_text(f"{head}\n  head global_avg_pool -> linear(10)\n}}\n", "long.arch")
    assert [d.code for d in found] == ["E0904"]
    assert "2,147,483,000" in found[0].message
