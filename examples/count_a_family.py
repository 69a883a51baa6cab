"""What the members of a family cost, without torch: a table of parameters and MACs."""

import archc

for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
    cost = archc.count(archc.load(name))
    print(f"{name:10} {cost.params / 1e6:7.2f} M params {cost.macs / 1e9:7.2f} G MACs")
