"""RegNets and networks without normalisation."""

from __future__ import annotations

from tests.parity.twin import Twin

SIZE, ODD = (3, 64, 64), (3, 75, 91)

X = ("002", "004", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320")
REGNET_X = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
REGNET_Y = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")
SMALL = {"regnetx_002", "regnety_004", "regnet_y_400mf", "nf_regnet_b1"}

DEEP = {f"nfnet_f{i}{where}" for i in range(3, 7) for where in ("", "_gamma_in_conv")}  # beyond 150 layers
HEAVY = {
    *DEEP,
    "nfnet_f2",
    "nfnet_f2_gamma_in_conv",
    "regnet_y_128gf",
}  # gradients would take more than 10 GB


def _twin(spec: str, module: str, name: str = "") -> Twin:
    tolerance = 1e-4 if spec in DEEP else 1e-5
    return Twin(
        spec,
        f"{module}:{name or spec}",
        input=SIZE,
        odd=ODD,
        small=spec in SMALL,
        tolerance=tolerance,
        gradient=spec not in HEAVY,
    )


TWINS = [
    *(_twin(f"regnet{kind}_{size}", "timm.models.regnet") for kind in "xy" for size in X),
    *(_twin(f"regnet_x_{size}", "torchvision.models") for size in REGNET_X),
    *(_twin(f"regnet_y_{size}", "torchvision.models") for size in REGNET_Y),
    *(_twin(f"nfnet_f{i}", "timm.models.nfnet", f"dm_nfnet_f{i}") for i in range(7)),
    *(_twin(f"nfnet_f{i}_gamma_in_conv", "timm.models.nfnet", f"nfnet_f{i}") for i in range(7)),
    _twin("nf_resnet50", "timm.models.nfnet"),
    _twin("nf_regnet_b1", "timm.models.nfnet"),
]
