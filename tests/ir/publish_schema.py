"""Writes docs/graph.schema.json: `python -m tests.ir.publish_schema`."""

import json
from pathlib import Path

from archc.ir.json_graph import json_schema

if __name__ == "__main__":
    path = Path(__file__).parents[2] / "docs" / "graph.schema.json"
    path.write_text(json.dumps(json_schema(), indent=2) + "\n")
