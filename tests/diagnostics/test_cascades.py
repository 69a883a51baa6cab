"""One mistake is one message, or nearly: every token of a sound spec is dropped, doubled and misspelt in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from archc.diagnostics import Diagnostic, render
from archc.elaborate import check_text

SPEC = '''\
"""A network that uses most of the language."""
from std.attention import squeeze_excite
from std.residual import basic_block, bottleneck

width = 16

fn scaled(c, by = 2) = make_divisible(c * by, 8)

block unit(x, width: int, stride: int = 1, ambient norm: op = batch_norm, ambient act: op = relu) {
  mid = width // 4
  branch = x -> conv(mid, 1)           -> norm -> act
             -> conv(width, 3, stride) -> norm
  skip = x if stride == 1 and x.channels == width else x -> conv(width, 1, stride)
  return (skip + branch) -> act
}

arch net(classes: int = 10, depths: list[int] = [2, 2], deep: bool = true) {
  input 3 x 64 x 64
  info year = 2020, paper = "a paper"
  set act = silu, norm = batch_norm(eps = 1e-3)
  require len(depths) == 2
  stem conv(width, 3, 2) -> norm -> act
  for (i, depth) in enumerate(depths) {
    stage depth x unit(scaled(width, i + 1), stride = 2)
  }
  if deep {
    stage tail: 2 x basic_block(64)
  } else {
    stage bottleneck(64)
  }
  skips = [x]
  skips += [x -> conv(64, 1)]
  x = concat(skips)
  output train_only aux = x -> global_avg_pool -> linear(classes)
  head squeeze_excite(0.25) -> global_avg_pool -> dropout(0.2) -> linear(classes)
}

variant big = net(depths = [3, 4]) {
  set act = gelu
}
'''
TOKENS = list(re.finditer(r'"[^"\n]+"|\w+|->|==|//|\+=|[^\s\w"]', SPEC[SPEC.index("from") :]))
START = SPEC.index("from")


def dropped() -> Iterator[str]:
    for token in TOKENS:
        yield SPEC[: START + token.start()] + SPEC[START + token.end() :]


def doubled() -> Iterator[str]:
    for token in TOKENS:
        at = START + token.end()
        yield f"{SPEC[:at]} {token[0]}{SPEC[at:]}"


def misspelt() -> Iterator[str]:
    for token in TOKENS:
        word = token[0]
        if word.isalpha() and len(word) > 2 and word[0] != word[1]:
            yield SPEC[: START + token.start()] + word[1] + word[0] + word[2:] + SPEC[START + token.end() :]


def problems(text: str) -> list[Diagnostic]:
    found = check_text(text, "net.arch")
    assert "\n".join(map(render, found)).count("[E0") == sum(d.severity == "error" for d in found)
    return found


def test_the_spec_is_sound() -> None:
    assert problems(SPEC) == []


@pytest.mark.parametrize("mutate", [dropped, doubled, misspelt])
def test_one_mistake_gives_few_messages(mutate: object) -> None:
    texts = list(mutate())  # type: ignore[operator]  # one of the three above
    counts = [len(problems(text)) for text in texts]
    worst = max(range(len(texts)), key=counts.__getitem__)
    assert counts[worst] <= 3, "\n".join(map(render, problems(texts[worst])))
    assert sum(counts) / len(counts) < 1.25


MISTAKES = [
    ("import squeeze_excite", "import squeeze_exite", "E0213"),
    ("width = 16", "width = 16 16", "E0120"),
    ("c * by, 8)", "c * bye, 8)", "E0201"),
    ("mid = width // 4", "mid = widht // 4", "E0201"),
    ("year = 2020", "year = [2020]", "E0515"),
    ("norm = batch_norm(eps", "nrom = batch_norm(eps", "E0203"),
    ("len(depths) == 2", "len(depths) / 0 == 2", "E0411"),
    ("stride = 2)\n", "strid = 2)\n", "E0401"),
    ("2 x basic_block(64)", "2 x basic_block(64.5)", "E0405"),
    ("skips = [x]", "skips = [x", "E0121"),
    ("aux = x -> ", "aux = 3 + ", "E0410"),
    ("dropout(0.2)", "dropout(2)", "E0306"),
    ("net(depths = [3, 4])", "net(depth = [3, 4])", "E0401"),
]


@pytest.mark.parametrize("first", MISTAKES, ids=lambda m: m[2])
def test_two_mistakes_give_both_messages(first: tuple[str, str, str]) -> None:
    assert first[2] in {d.code for d in problems(SPEC.replace(first[0], first[1]))}
    for second in MISTAKES:
        text = SPEC
        for old, new, _ in (first, second):
            text = text.replace(old, new)
        found = problems(text)
        for _, new, code in (first, second):
            line = text[: text.index(new)].count("\n") + 1
            assert (code, line) in {(d.code, d.span.source.position(d.span.start)[0]) for d in found}, (
                "\n".join(map(render, found))
            )
        assert len(found) <= 5
