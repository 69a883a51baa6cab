"""On a terminal there is colour, unless NO_COLOR asks for none; in a pipe never."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

ESCAPE = "\x1b["


def on_terminal(*args: str, **environment: str) -> str:
    """What a command shows on a terminal of 100 columns."""
    leader, follower = pty.openpty()
    outside = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", *args],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**outside, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # Linux's end of file, once the process has gone
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    process.wait(timeout=60)
    return shown.decode()


@pytest.mark.parametrize("args", [("count", "nfnet_f0"), ("count", "no_such_network")])
def test_colour_on_a_terminal(args: tuple[str, ...]) -> None:
    assert ESCAPE in on_terminal(*args)
    assert ESCAPE not in on_terminal(*args, NO_COLOR="1")
    assert ESCAPE not in on_terminal(*args, TERM="dumb")


def test_the_table_is_the_same_in_colour_and_without() -> None:
    import re

    def cells(text: str) -> list[list[str]]:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [words for line in plain.splitlines() if (words := re.sub("[─ ]+", " ", line).split())]

    assert cells(on_terminal("count", "nfnet_f0")) == cells(on_terminal("count", "nfnet_f0", NO_COLOR="1"))


def test_no_colour_in_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archc", "count", "no_such_network"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert ESCAPE not in done.stdout + done.stderr


def test_figures_stay_whole_on_a_narrow_terminal() -> None:
    import re

    args = ("compare", "resnet50", "resnet18", "lenet5")
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(*args, COLUMNS="80")).partition("→")[0]
    assert max(map(len, narrow.splitlines())) <= 80
    for figure in (
        "25,557,032",
        "11,689,512 (0.46×)",
        "4,089,184,256",
        "1,814,073,344 (0.44×)",
        "61,706 (0.00×)",
    ):
        assert figure in narrow
    narrower = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(*args[:3], COLUMNS="48")).partition("→")[0]
    assert "1,814,073,344 (0.44×)" in narrower
    assert "activations" not in narrower  # names are folded instead
