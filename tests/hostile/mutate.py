"""Mutations of real specs: what an editor, a merge conflict or a hostile author might leave behind."""

from __future__ import annotations

import random

from archc.elaborate import library

WORDS = (
    "stage", "stem", "head", "for", "if", "else", "in", "x", "->", "{", "}", "(", ")", "[", "]", "=", ",", "..",
    "..=", "**", "//", "%", "conv", "relu", "sum", "concat", "pick", "identity", "with_std", "0", "-1", "1e308",
    "99999999999", "0.5", '"s"', "true", "x.std", "x.channels", "x.shape", "set", "require", "expect", "params",
    "macs", "import", "from", "std.nfnet", "return", "output", "train_only", "input", "not", "and", "or", "fn",
    "block", "arch", "variant", "ambient", "int", "op", "tensor", "list", "list[tensor]", "step", "log", ":", "~",
    "\n", "\t", "#", '"""', "2 ** 40", "4000000 * relu", "range(10 ** 6)", "[1:]", "[:-1]", "flatten", "make_divisible", "zip",
)  # fmt: skip


def corpus() -> list[str]:
    """The text of every shipped spec."""
    return [p.read_text() for p in sorted(library().root.rglob("*.arch"))]


def mutate(rng: random.Random, texts: list[str]) -> str:
    """One to six edits of a random spec."""
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 6)):
        text = _edit(rng, text, texts)
    return text


def _edit(rng: random.Random, text: str, texts: list[str]) -> str:
    if not text:
        return rng.choice(WORDS)
    kind = rng.randrange(9)
    at = rng.randrange(len(text))
    if kind == 0:
        return text[:at] + text[at + rng.randint(1, 12) :]
    if kind == 1:
        return text[:at] + " " + rng.choice(WORDS) + " " + text[at:]
    if kind == 2:
        return (
            text[:at]
            + chr(rng.choice((0, 9, 10, 13, 34, 92, 123, 127, 0x202E, 0x1F600, rng.randrange(32, 127))))
            + text[at:]
        )
    if kind == 3:
        lines = text.split("\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
        return "\n".join(lines)
    if kind == 4:
        lines = text.split("\n")
        lines.insert(rng.randrange(len(lines)), rng.choice(rng.choice(texts).split("\n")))
        return "\n".join(lines)
    if kind in (5, 6):  # another number in place of one
        spots = [i for i, c in enumerate(text) if c.isdigit()]
        if not spots:
            return text
        i = rng.choice(spots)
        return (
            text[:i]
            + rng.choice(("0", "-3", "7", "1.5", "1000", "2147483648", "1e9", "true", "x"))
            + text[i + 1 :]
        )
    if kind == 7:  # swap two words
        words = text.split(" ")
        i, j = rng.randrange(len(words)), rng.randrange(len(words))
        words[i], words[j] = words[j], words[i]
        return " ".join(words)
    return text[:at]
