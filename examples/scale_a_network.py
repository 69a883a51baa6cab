"""An architecture is a function: its arguments from a loop, and the mistakes of one caught as data."""

import archc

for width in (128, 256, 260):
    try:
        graph = archc.load("examples/my_network.arch", width=width)
        print(width, f"{archc.count(graph).macs:,} MACs")
    except archc.ArchError as error:
        first = error.diagnostics[0]
        print(width, first.code, first.message)
