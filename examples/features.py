"""A backbone for detection: the stages' outputs with their strides. Needs torch."""

import torch

import archc

model = archc.compile(archc.load("resnet18", input=(3, 64, 64))).eval()
with torch.no_grad():
    maps = model.forward_features(torch.zeros(1, 3, 64, 64))
for info, feature in zip(model.feature_info, maps, strict=True):
    print(info["name"], "stride", info["stride"], tuple(feature.shape))
