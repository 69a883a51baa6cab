"""Text that would become markup or script if anything let it, and graphs full of it."""

from __future__ import annotations

from dataclasses import replace

from archc.diagnostics import Source, Span
from archc.ir.graph import Graph, Output
from tests.graphs import GraphBuilder, conv

PAYLOADS = (
    "<script>window.pwned = 1; alert(1)</script>",
    "</script><script>window.pwned = 1</script>",
    '<img src="x" onerror="window.pwned = 1; alert(1)">',
    "</title><svg onload=alert(1)>",
    "</style><style>*{display:none}</style>",
    "<!--<script>",
    "--><script>alert(1)</script>",
    "]]><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "\"' onmouseover=alert(1) x='",
    "javascript:alert(1)",
    "{title}{0}%s${alert(1)}`",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u2028\u2029\\u003cscript>",
    "__proto__",
    "constructor",
)

TAGS = (
    "() => { const all = {}; for (const e of document.querySelectorAll('*')) "
    "all[e.tagName] = (all[e.tagName] ?? 0) + 1; return all; }"
)
"""Counts the elements of a page by tag."""


def hostile(text: str) -> Graph:
    """A graph with `text` wherever a graph holds text."""
    b = GraphBuilder(text, text)
    x = b.add("input", size=(3, 8, 8), name=text)
    with b.scope(text, "section", text, mode=text):
        with b.scope("0", "repeat", text, mode=text), b.scope(text, "block", text, mode=text):
            x = b.chain(x, conv(4), "relu", conv(4))
        with b.scope("1", "repeat", text, mode=text), b.scope(text, "block", text, mode=text):
            x = b.chain(x, conv(4), "relu", conv(4))
    graph = b.graph(Output(text, x))
    source = Source(text, f"{text}\n# {text}\n" + f'arch a() {{ info x = "{text}" }}')
    return replace(
        graph,
        scopes=tuple(replace(s, span=Span(source, 0, len(text))) for s in graph.scopes),
        nodes=tuple(replace(n, name=text, span=Span(source, 0, len(text))) for n in graph.nodes),
        info=((text, text),),
        arguments=((text, text),),
        source_name=text,
    )
