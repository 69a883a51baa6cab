"""What the README and docs show is true: every spec checks, every command runs and prints what is shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from archc.diagnostics import render
from archc.elaborate import check_text

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([\w ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(language: str) -> list[object]:
    found = []
    for page in PAGES:
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text())):
            if kind == language:
                found.append(pytest.param(text, id=f"{page.name}-{number}"))
    assert found, f"no {language} snippets"
    return found


@pytest.mark.parametrize("text", fences("arch"))
def test_spec_snippets_check(text: str) -> None:
    assert [render(d) for d in check_text(text)] == []


def test_the_readme_shows_a_real_message() -> None:
    readme = (ROOT / "README.md").read_text()
    found = dict(FENCE.findall(readme))
    (problem,) = check_text(found["arch error"], "mynet.arch")
    assert render(problem) == found["text"].rstrip("\n")


@pytest.mark.parametrize("text", fences("console"))
def test_commands_print_what_is_shown(text: str, tmp_path: Path) -> None:
    """`$ archc …` runs; the lines below it appear in its output in order, `…` standing for any text."""
    steps = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert steps
    for step in steps:
        command, _, shown = step.partition("\n")
        words = shlex.split(command)
        assert words[0] == "archc", command
        done = subprocess.run(
            [sys.executable, "-m", "archc", *words[1:]], capture_output=True, text=True, cwd=ROOT, check=False
        )
        output = done.stdout + done.stderr
        at = 0
        for line in filter(str.strip, shown.split("\n")):
            pattern = ".*?".join(map(re.escape, re.split("…", " ".join(line.split()))))
            match = re.compile(pattern).search(" ".join(output.split()), at)
            assert match, f"`{line}` is not in the output of `{command}`:\n{output}"
            at = match.start()


@pytest.mark.parametrize("text", fences("python"))
def test_python_snippets_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "<snippet>", "exec"), {})
