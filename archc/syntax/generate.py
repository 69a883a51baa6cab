"""Makes tables.json from grammar/arch.lark: `python -m archc.syntax.generate`.

Needs Lark, which is a development dependency; a test compares tables.json with a fresh build.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from archc.syntax.resources import data_root
from archc.syntax.tables import PATH, STARTS

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule

SOFT_KEYWORDS = ("x", "step", "log")

# Panic-mode recovery: the parser pretends to have read ERROR in place of a broken statement. What stands
# in braces after it is parsed as usual, so that its own errors are found too.
RECOVERY = """
%declare ERROR
broken: ERROR [documented [_ELSE (body | if)]]
%extend _declaration: broken
%extend _statement: broken
%extend _particular: broken
"""


def build_grammar(*, debug: bool = False) -> Lark:
    """The grammar with recovery, built by Lark (a development dependency) from grammar/arch.lark."""
    from lark import Lark

    text = (data_root("grammar") / "arch.lark").read_text(encoding="utf-8")
    return Lark(text + RECOVERY, parser="lalr", start=list(STARTS), maybe_placeholders=True, debug=debug)


def to_json(grammar: Lark) -> str:
    """The tables of a built grammar as JSON text, the same for the same grammar."""
    from lark.parsers.lalr_analysis import Shift

    table = grammar.parser.parser._parse_table
    names = list(dict.fromkeys([*sorted(t.name for t in grammar.terminals), "ERROR", "$END"]))
    number = {name: i for i, name in enumerate(names)}
    rules = list(dict.fromkeys(grammar.rules))
    rule_number = {rule: i for i, rule in enumerate(rules)}
    order: dict[Any, int] = {}  # states by breadth from the starts: Lark's own numbers vary from run to run
    reached = [table.start_states[name] for name in STARTS]
    for state in reached:
        if state not in order:
            order[state] = len(order)
            reached += [
                target
                for _, (action, target) in sorted(table.states[state].items(), key=_symbol)
                if action is Shift
            ]
    actions: list[list[int]] = []
    gotos: list[dict[str, int]] = []
    for state in order:
        row = table.states[state]
        cells: list[int] = []
        jumps: dict[str, int] = {}
        for symbol, (action, target) in sorted(row.items(), key=_symbol):
            if symbol in number:
                cells += [number[symbol], order[target] if action is Shift else ~rule_number[target]]
            else:
                jumps[symbol] = order[target]
        actions.append(cells)
        gotos.append(jumps)
    patterns: dict[str, str] = {}
    literals: dict[str, int] = {}
    keywords: dict[str, int] = {}
    for terminal in grammar.terminals:
        source = terminal.pattern.to_regexp()
        word = source.removesuffix(r"(?!\w)")
        if word != source and word.isidentifier():
            keywords[word] = number[terminal.name]
        elif terminal.pattern.type == "str":
            literals[terminal.pattern.value] = number[terminal.name]
        elif terminal.name == "DOTDOT":
            literals |= {"..": number["DOTDOT"], "..=": number["DOTDOT"]}
        else:
            patterns[terminal.name] = source
    soft = {word: keywords.pop(word) for word in SOFT_KEYWORDS}
    data = {
        "terminals": names,
        "patterns": dict(sorted(patterns.items())),
        "literals": dict(sorted(literals.items())),
        "keywords": dict(sorted(keywords.items())),
        "soft": soft,
        "rules": [_rule(rule) for rule in rules],
        "starts": {name: order[table.start_states[name]] for name in STARTS},
        "ends": {name: order[table.end_states[name]] for name in STARTS},
        "gotos": gotos,
        "actions": actions,
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _symbol(cell: tuple[str, Any]) -> str:
    return cell[0]


def _rule(rule: Rule) -> list[Any]:
    from lark.grammar import Terminal

    origin = str(rule.origin.name)
    options = rule.options
    absent = [0] * (len(rule.expansion) + 1)
    if options.empty_indices:
        gaps = "".join(str(int(empty)) for empty in options.empty_indices).split("0")
        absent = [len(gap) for gap in gaps]
    keep: list[int | None] = []
    for i, symbol in enumerate(rule.expansion):
        keep += [None] * absent[i]
        if isinstance(symbol, Terminal):
            if not symbol.filter_out:
                keep.append(i)
        else:
            keep.append(~i if symbol.name.startswith("_") else i)
    keep += [None] * absent[-1]
    through = options.expand1 and rule.alias is None and len(keep) == 1
    make = None if through or origin.startswith("_") else str(rule.alias or origin)
    return [origin, len(rule.expansion), make, keep]


if __name__ == "__main__":
    PATH.write_text(to_json(build_grammar()), encoding="utf-8")
