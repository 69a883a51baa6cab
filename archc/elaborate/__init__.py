"""From syntax to graphs: `load` builds one, `check` tells all that is wrong, `catalog` lists a library."""

from archc.elaborate.api import (
    Entry,
    Loaded,
    catalog,
    check,
    check_text,
    library,
    library_names,
    load,
    load_all,
)

__all__ = [
    "Entry",
    "Loaded",
    "catalog",
    "check",
    "check_text",
    "library",
    "library_names",
    "load",
    "load_all",
]
