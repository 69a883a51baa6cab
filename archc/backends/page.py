"""One page for all reports: a file that runs its own script, and can do nothing else.

Nothing in a spec, a population or a log becomes markup: it travels as JSON in a script element that is data, `<`
escaped, and the page's script writes it as text. The policy lets the page run its own script and style, known by
their hashes, and load nothing at all; so it works from a file and reaches no network.
"""

from __future__ import annotations

import hashlib
import html
import json
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

WEB = Path(__file__).with_name("web")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{script_hash}'; \
style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def page(title: str, body: str, style: str, script: str, data: Any) -> str:
    """The page as HTML text. title and data may be anybody's; body, style and script are this program's own."""
    return PAGE.format(
        title=html.escape(title),
        body=body,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def charts_page(title: str, what: str, own: Path, data: Any, parts: Path | None = None) -> str:
    """A page of charts: `own.css` and `own.js` on top of charts.css and charts.js. what: below the charts at first.
    parts: a style and a script before these, shared with other pages."""
    heading = html.escape(title)
    body = (
        f"<h1>{heading}</h1>\n<noscript>This page draws its plots with JavaScript.</noscript>\n"
        f'<main id="plots"></main>\n<aside id="about">{html.escape(what)}</aside>'
    )
    sources = (WEB / "charts", *((parts,) if parts else ()), own)
    style, script = (
        "".join(text(source.with_name(f"{source.name}.{kind}")) for source in sources)
        for kind in ("css", "js")
    )
    return page(title, body, style, f'(() => {{\n"use strict";\n{script}}})();\n', data)


@cache
def text(path: Path) -> str:
    """A file of the page."""
    return path.read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """What the policy knows an inline script or style by."""
    return b64encode(hashlib.sha256(content.encode()).digest()).decode()
