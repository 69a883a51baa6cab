"""Which codes there are, and how each can come about."""

from __future__ import annotations

import re
from pathlib import Path

import archc
from archc.diagnostics import pages

PACKAGE = Path(archc.__file__).parent
PAGES = Path(pages.__file__).parent
_CODE = re.compile(r'"([EW]0\d{3})"')


def _named_in(*folders: str) -> list[str]:
    paths = [p for folder in folders for p in (PACKAGE / folder).rglob("*.py")]
    return sorted({code for path in paths for code in _CODE.findall(path.read_text(encoding="utf-8"))})


RAISED = _named_in(".")
"""Every code that a diagnostic may have: the sources name it as a string of its own."""

OF_SPECS = _named_in("syntax", "ops", "elaborate")
"""The codes that `archc check` and whatever builds a network may report."""

BEYOND_SPECS = {
    "E0110": "a source of over 262,144 bytes",
    "E0114": "more than a hundred syntax errors",
    "E0216": "a link in the file system",
    "E0217": "a file that cannot be read",
    "E0218": "a name on the command line",
    "E0307": "an op made from Python or JSON",
    "E0308": "an op made from Python or JSON",
    "E0317": "an op made from Python or JSON",
    "E0501": "a command that wants a network",
    "E0507": "a command that wants a network",
    "E0523": "a command that samples",
    "E0528": "a search that keeps choices open",
    "E0529": "a search that keeps choices open",
    "E0906": "more than a hundred errors",
    "E0907": "a long chain of files",
}
"""Those that no single spec of readable size shows, and what brings them about."""
