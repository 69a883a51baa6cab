"""Classic networks and searched cells."""

from __future__ import annotations

from tests.parity.twin import Twin

TORCHVISION = "torchvision.models"

SIZE, ODD = (3, 64, 64), (3, 75, 91)

TWINS = [
    Twin("alexnet", f"{TORCHVISION}:alexnet", SIZE, ODD),
    *(
        Twin(name, f"{TORCHVISION}:{name}", SIZE, ODD)
        for depth in (11, 13, 16, 19)
        for name in (f"vgg{depth}", f"vgg{depth}_bn")
    ),
    Twin("squeezenet1_0", f"{TORCHVISION}:squeezenet1_0", SIZE, ODD),
    Twin("squeezenet1_1", f"{TORCHVISION}:squeezenet1_1", SIZE, ODD, small=True),
    Twin("googlenet", f"{TORCHVISION}:googlenet", SIZE, ODD, {"init_weights": False}, small=True),
    # its auxiliary head needs the 17×17 map of the full size
    Twin(
        "inception_v3", f"{TORCHVISION}:inception_v3", (3, 299, 299), (3, 299, 315), {"init_weights": False}
    ),
    Twin("nasnetalarge", "timm.models.nasnet:nasnetalarge", (3, 96, 96), (3, 107, 91)),
    Twin("pnasnet5large", "timm.models.pnasnet:pnasnet5large", (3, 96, 96), (3, 107, 91)),
]
