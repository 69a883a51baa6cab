"""The command as a whole: help, usage errors, closed pipes, interrupts, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archc.cli.main import COMMANDS
from tests.cli.support import Run

pytestmark = pytest.mark.usefixtures("workplace")


def archc(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "archc", *args],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_help_shows_every_command_and_examples(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in out
        code, page, _ = run(name, "--help")
        assert code == 0
        assert "Examples:\n" in page
        assert f"archc {name}" in page


def test_examples_in_help_name_real_commands_and_options(run: Run) -> None:
    for name in COMMANDS:
        page = run(name, "--help")[1]
        options = set(page[page.index("Options:") : page.index("Examples:")].replace(",", " ").split())
        examples = page[page.index("Examples:") :].splitlines()
        for line in (text.partition("  #")[0] for text in examples if text.strip().startswith("archc ")):
            command = line.split("|")[0].split()
            assert command[1] in COMMANDS
            used = {word for word in command if word.startswith("-") and len(word) > 1}
            assert used <= options, line


@pytest.mark.parametrize("args", [("--help",), ("count", "toy.arch"), ("check", "toy.arch"), ("list",)])
def test_light_commands_import_nothing_heavy(toy: str, args: tuple[str, ...]) -> None:
    code = (
        "import sys; from archc.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'rich', 'networkx', 'pydantic', 'graphviz'} & set(sys.modules); "
        "print('HEAVY', sorted(heavy), code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0", done.stdout + done.stderr


@pytest.mark.parametrize(
    "args", [("emit", "toy.arch"), ("fmt", "toy.arch"), ("draw", "toy.arch", "-o", "t.dot")]
)
def test_no_torch_to_emit_format_or_draw(toy: str, args: tuple[str, ...]) -> None:
    code = "import sys; from archc.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 False", done.stdout + done.stderr


def test_an_unknown_command_is_a_usage_error_with_a_suggestion(run: Run) -> None:
    code, out, err = run("chek")
    assert (code, out) == (2, "")
    assert "Did you mean `archc check`?" in err
    assert "Did you mean `archc compare`?" in run("diff")[2]


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("count",),
        ("count", "toy.arch", "--format", "yaml"),
        ("count", "toy.arch", "--input", "3x32"),
        ("count", "toy.arch", "--input", "3xax3"),
        ("count", "toy.arch", "--input", "1x3x32x32"),
        ("count", "toy.arch", "-p", "classes"),
        ("count", "toy.arch", "-p", "a.b=1"),
        ("count", "toy.arch", "-p", "classes=f(x)"),
        ("count", "toy.arch", "-p", "classes=1", "-p", "classes=2"),
        ("draw", "toy.arch"),
        ("draw", "toy.arch", "-o", "toy.gif"),
        ("draw", "toy.arch", "-o", "toy.svg", "--level", "atom"),
        ("check",),
        ("check", "."),
        ("fmt",),
        ("fmt", "-", "toy.arch"),
        ("explain", "E9999"),
        ("completion", "tcsh"),
    ],
    ids=" ".join,
)
def test_usage_errors_exit_2(run: Run, args: tuple[str, ...]) -> None:
    code, out, err = run(*args)
    assert code == 2
    assert out == ""
    assert "Usage: archc" in err


def test_a_closed_pipe_ends_quietly(workplace: Path) -> None:
    (workplace / "long.arch").write_text(
        "arch long() {\n  input 3 x 8 x 8\n" + "  stage conv(3, 1)\n" * 3000 + "}\n"
    )
    command = f"{sys.executable} -m archc count long.arch --format json | head -n 1; echo ${{PIPESTATUS[0]}}"
    # unbuffered, CPython itself loses the rest of a partial write without an error
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=buffered)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "141"


@pytest.mark.parametrize("words", ["count toy.arch", "emit toy.arch", "list", "--help"])
def test_a_full_disk_is_a_message(toy: str, words: str) -> None:
    command = f"{sys.executable} -m archc {words} > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device\n"


def test_closed_streams_are_no_matter(toy: str) -> None:
    command = f"{sys.executable} -m archc check toy.arch >&- && {sys.executable} -m archc count toy.arch 2>&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "total" in done.stdout


def test_an_interrupt_exits_130(run: Run, monkeypatch: pytest.MonkeyPatch, toy: str) -> None:
    import archc.elaborate

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archc.elaborate, "load_all", interrupted)
    code, _, err = run("count", toy)
    assert (code, err.strip()) == (130, "error: interrupted")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(run: Run, shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_ARCHC_COMPLETE" in out


def test_completion_completes_commands_and_library_names() -> None:
    done = archc(_ARCHC_COMPLETE="bash_complete", COMP_WORDS="archc cou", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,count"]
    done = archc(_ARCHC_COMPLETE="bash_complete", COMP_WORDS="archc count nfnet_f", COMP_CWORD="2")
    assert "plain,nfnet_f0" in done.stdout.split()


def test_cycles_are_collected_as_ever_once_a_command_is_not_small() -> None:
    code = """
import gc
from archc.cli.main import main
usual = gc.get_threshold()
for _ in range(2):
    main(["list", "lenet5"])
assert gc.get_threshold() != usual, "a small command collects nothing"
held = [[] for _ in range(300_000)]
assert gc.get_threshold() == usual
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
