"""Names and literals in emitted torch code: every identifier is made here, from validated ASCII names only."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection

from archc.diagnostics import NOWHERE, ArchError, Diagnostic

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")

# Attributes of torch.nn.Module (torch 2.6 to 2.13) and those the emitted root class adds: a submodule of
# such a name would be hidden by, or hide, the attribute. A test compares this with the installed torch.
_MODULE_ATTRIBUTES = """
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu
load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
to_empty train training type xpu zero_grad archc_graph checkpoint feature_info forward_features in_parts init_weights
"""
MODULE_ATTRIBUTES = frozenset(_MODULE_ATTRIBUTES.split())

# What a local variable or class of the emitted file must not shadow.
GLOBALS = frozenset(
    {"torch", "nn", "F", "math", "Tensor", "checkpoint", "self", *dir(builtins), *keyword.kwlist}
)

# What a local variable of a `forward` must not shadow.
LOCALS = GLOBALS | {"features"}


def attribute(name: str) -> str:
    """The attribute that holds the submodule `name`, the same but where Python or torch stand in the way.

    `half` becomes `half_`, `lambda` `lambda_` and `_x` `m_x`; digits (repeats) stay. Raises ArchError (E0711)
    unless the name is ASCII letters, digits and underscores.
    """
    if name.isascii() and name.isdigit():
        return name
    if name.startswith("_"):
        name = f"m{name}"
    return f"{checked(name)}_" if keyword.iskeyword(name) or name in MODULE_ATTRIBUTES else checked(name)


def checked(name: str) -> str:
    """The name itself; raises ArchError (E0711) unless it can be an identifier of emitted code."""
    if not IDENTIFIER.fullmatch(name):
        help = ("names are ASCII letters, digits and underscores, at most 80, and do not begin with a digit",)
        raise ArchError(
            [Diagnostic("E0711", f"{name!r} cannot be a name in emitted code", NOWHERE, help=help)]
        )
    return name


def camel(name: str) -> str:
    """`squeeze_excite` as `SqueezeExcite`; raises ArchError (E0711) for names that are not identifiers."""
    joined = "".join(part[:1].upper() + part[1:] for part in checked(name).split("_"))
    if not joined[:1].isalpha():
        joined = f"Net{joined}"
    return checked(joined)


def fresh(name: str, taken: Collection[str]) -> str:
    """The name, or the name with the first number from 2 that makes it new."""
    if name not in taken:
        return name
    number = 2
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"


def literal(value: object) -> str:
    """A plain literal as source; strings go through `repr` and get double quotes where that is the same.

    Raises TypeError for anything but numbers, strings, booleans, None and tuples of them.
    """
    if isinstance(value, tuple):
        items = ", ".join(literal(v) for v in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    if isinstance(value, str):
        quoted = repr(value)
        return quoted if '"' in quoted else f'"{quoted[1:-1]}"'
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    raise TypeError(f"{value!r} is not a plain literal")


def prose(text: str) -> str:
    """User text for the inside of a triple-quoted docstring: what cannot be printed is escaped."""
    shown = (c if c == "\n" or (c.isprintable() and c != "\\") else repr(c)[1:-1] for c in text)
    lines = ["" if not line.strip() else line.rstrip() for line in "".join(shown).split("\n")]
    return "\n".join(lines).replace('"""', '\\"\\"\\"').strip()
