"""Points: answered, mutated, hashed, and written as text and as specs that are points again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archc.diagnostics import ArchError, Diagnostic
from archc.elaborate.api import check
from archc.elaborate.choosers import RandomChooser, Stream
from archc.elaborate.values import Rejected
from archc.ir import Graph
from archc.spaces.canonical import canonical_hash
from archc.spaces.frozen import frozen, point_of
from archc.spaces.point_text import from_json, from_line, to_json, to_line
from archc.spaces.points import PointChooser, answered, graph_of, mutate, point_hash, random_point
from archc.spaces.space import Request, Space

# what is open depends on what was chosen: `deep` opens a second pick, outside all parameters
CONDITIONAL = """
block unit(x, width: int) {
  return x -> conv(pick([1, 3, 5]), 3) -> conv(width, 1)
}
arch net(deep: bool in {true, false}, act: op in {relu, gelu}, width: int in 8..=64 step 8 log) {
  input 3 x 8 x 8
  require macs < 1M
  stem conv(width, 3) -> act
  if deep {
    stage unit(width)
    stage pick([identity, conv(width, 3), conv(width, 1)], name = "last; \\"one\\"")
  }
  head global_avg_pool -> linear(10)
}
"""
SPACES = ["nb201", "nasnet", "nb301", "regnet", "mobile", "macro", "conditional"]


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Space]:
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(CONDITIONAL)
    return {n: Space(Request("net.arch" if n == "conditional" else n)) for n in SPACES}


def nodes(graph: Graph) -> list[Any]:
    """All of a graph but where its text is."""
    return [(n.op, n.inputs, n.shape, n.cost, n.name) for n in graph.nodes]


def accepted(space: Space, rng: Stream) -> dict[str, Any]:
    while True:
        try:
            return random_point(space, rng).point
        except Rejected:
            continue


def the_error(space: Space, text: str) -> Diagnostic:
    with pytest.raises(ArchError) as caught:
        graph_of(space, from_json(text, space.parameters))
    (found,) = caught.value.diagnostics
    assert found.code == "E0531"
    return found


@pytest.mark.parametrize("name", SPACES)
def test_a_point_survives_text_json_and_specs(spaces: dict[str, Space], name: str) -> None:
    space, rng = spaces[name], Stream(b"1")
    for _ in range(3):
        point = accepted(space, rng)
        assert from_line(to_line(point)) == point
        assert from_json(to_json(point), space.parameters) == point
        Path("one.arch").write_text(frozen(space, point, "one"))
        assert check("one.arch") == []
        again, found = point_of("one.arch")
        assert found == point
        assert nodes(graph_of(again, found)) == nodes(graph_of(space, point))


@pytest.mark.parametrize("name", SPACES)
def test_the_answers_of_a_sample_are_a_point(spaces: dict[str, Space], name: str) -> None:
    space = spaces[name]
    index = next(i for i in range(1000) if _possible(space, i))
    chooser = PointChooser({}, RandomChooser(0, index))
    found = answered(space, {}, RandomChooser(0, index))
    assert canonical_hash(space.graph(index)) == point_hash(space, found.point)
    assert chooser.choices == []


def _possible(space: Space, index: int) -> bool:
    try:
        space.cost(index)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("name", SPACES)
def test_a_neighbour_differs_in_one_choice_and_what_it_opens(spaces: dict[str, Space], name: str) -> None:
    space, rng = spaces[name], Stream(b"2")
    point = accepted(space, rng)
    changed = set()
    for _ in range(30):
        found = mutate(space, point, rng).point
        assert answered(space, found).point == found
        different = {p for p in point.keys() & found.keys() if point[p] != found[p]}
        opened = found.keys() ^ point.keys()
        assert len(different) == 1 and (not opened or different == {"deep"})
        changed |= different
        point = found
    assert len(changed) > 1


def test_mutation_is_a_function_of_its_stream(spaces: dict[str, Space]) -> None:
    space = spaces["nasnet"]
    point = accepted(space, Stream(b"3"))
    assert mutate(space, point, Stream(b"4")) == mutate(space, point, Stream(b"4"))


def test_what_a_point_lacks_or_has_too_much_of(spaces: dict[str, Space]) -> None:
    space = spaces["conditional"]
    last = '"last; \\"one\\"": 1'
    assert the_error(space, "{").message == "this is not JSON"
    assert the_error(space, "[1]").message == "a point is an object"
    missing = the_error(space, '{"deep": true, "act": "relu"}')
    assert "leaves `width` open" in missing.message and "8..=64" in missing.help[0]
    wrong = the_error(space, '{"deep": false,\n "act": "silu", "width": 8}')
    assert wrong.message == '`act` cannot be "silu"' and wrong.span.text == '"silu"'
    beyond = the_error(space, '{"deep": true, "act": "relu", "width": 8, "s1.unit[0]": 3, ' + last + "}")
    assert "`s1.unit[0]` cannot be 3" in beyond.message and "from 0 to 2" in beyond.help[0]
    unknown = the_error(space, '{"deep": false, "act": "gelu", "width": 8, "s1.uint[0]": 2}')
    assert "did you mean `s1.unit[0]`?" in unknown.help[0]


def test_an_answer_to_a_choice_that_is_closed_is_no_mistake(spaces: dict[str, Space]) -> None:
    text = '{"deep": false, "act": "gelu", "width": 8, "s1.unit[0]": 2}'
    space = spaces["conditional"]
    point = from_json(text, space.parameters)
    assert "s1.unit[0]" not in answered(space, point).point
    assert len(graph_of(space, point).nodes) == 5


def test_requirements_reject(spaces: dict[str, Space]) -> None:
    space = spaces["conditional"]
    point = {"deep": True, "act": "relu", "width": 64, "s1.unit[0]": (2,), 'last; "one"': (1,)}
    with pytest.raises(Rejected, match="macs < 1M"):
        answered(space, point)


def test_what_is_no_point(spaces: dict[str, Space]) -> None:
    Path("other.arch").write_text(
        'from net import net\nvariant v = net(deep = false, act = relu, width = 8) { set padding = "same" }\n'
    )
    for spec in ("resnet50", "other.arch"):
        with pytest.raises(ArchError) as caught:
            point_of(spec)
        assert caught.value.diagnostics[0].code == "E0532"
