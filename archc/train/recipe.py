"""A recipe: how to train, as TOML checked by pydantic. It never names layers; groups come from IR roles."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archc.diagnostics import did_you_mean
from archc.train.resources import recipes_root


class RecipeError(Exception):
    """A recipe cannot be read, or does not say what it should; the message names the key."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Table):
    """name: digits, synthetic, folder, parquet, cifar10, cifar100 or hub; batch: examples of one step, all ranks'."""

    name: Literal["digits", "synthetic", "folder", "parquet", "cifar10", "cifar100", "hub"] = "digits"
    path: str = Field(default="", description="file or folder; of hub data OWNER/NAME")
    stream: Literal["auto", True, False] = Field(
        default="auto", description="decode while training; auto: where the pixels are too many for memory"
    )
    workers: int = Field(
        default=-1, ge=-1, description="processes that decode; -1: one for each core but one, 16 at most"
    )
    size: int = Field(default=0, ge=0, description="side of the training images; 0: the network's input")
    test_size: int = Field(default=0, ge=0, description="side of the held-out images; 0: as in training")
    test_crop: float = Field(
        default=1.0, gt=0, le=1, description="share of the shorter side that held-out images are cropped to"
    )
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = Field(
        default=(), description="of each channel, of a range of 1; none given: measured"
    )
    std: tuple[float, ...] = Field(default=(), description="as mean")
    batch: int = Field(default=64, ge=1)
    eval_batch: int = Field(default=512, ge=1)
    accumulate: int = Field(default=1, ge=1, description="micro-batches of one step")
    held_out: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="share of the examples kept for testing where data has no test split",
    )
    validation: int = Field(
        default=0, ge=0, description="training examples kept back and tested on instead of test's"
    )
    examples: int = Field(default=1024, ge=1, description="size of synthetic data")
    max_bad: float = Field(
        default=0.001, ge=0, lt=1, description="share of unreadable images above which to stop"
    )


class Optim(_Table):
    """lr is multiplied by batch / lr_batch where lr_batch is not 0."""

    name: Literal["sgd", "adamw", "lamb", "rmsprop"] = "sgd"
    lr: float = Field(default=0.1, gt=0)
    lr_batch: int = Field(default=0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    alpha: float = Field(default=0.9, gt=0, lt=1, description="smoothing of rmsprop's squares")
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0, description="of convolution and linear weights only")
    agc: float = Field(default=0.0, ge=0, description="clipping λ of adaptive gradient clipping; 0: none")
    agc_eps: float = Field(default=1e-3, gt=0)
    clip_norm: float = Field(default=0.0, ge=0, description="largest norm of all gradients; 0: any")
    sam: float = Field(default=0.0, ge=0, description="radius ρ of sharpness-aware minimisation; 0: none")


class Schedule(_Table):
    """Epochs of linear warm-up, then the kind; `final` is the share of the peak lr at the end."""

    kind: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.0, ge=0, description="epochs")
    final: float = Field(default=0.0, ge=0, le=1)
    drop_path: Literal["constant", "linear"] = Field(
        default="constant", description="linear: rates of drop_path grow from 0 to their own over the run"
    )


class Augment(_Table):
    """Per example, on the device (but for random parts of streamed images); strengths are of a pixel range of 1."""

    flip: Literal["none", "random", "alternating"] = "none"
    resized_crop: float = Field(
        default=0.0, ge=0, le=1, description="smallest share of the area a random part has, resized; 0: none"
    )
    crop: int = Field(default=0, ge=0, description="pixels of reflected border to crop from")
    cutout: int = Field(default=0, ge=0, description="side of the square set to the mean")
    noise: float = Field(default=0.0, ge=0, description="standard deviation, of a range of 1")
    rotation: float = Field(default=0.0, ge=0, le=180, description="largest angle, degrees")
    rand_layers: int = Field(default=0, ge=0, description="RandAugment: operations an image goes through")
    rand_magnitude: float = Field(
        default=10.0, ge=0, le=60,
        description="RandAugment: strength, 30 being an operation's own full one; papers after TensorFlow's code or timm's count to 10",
    )  # fmt: skip
    rand_std: float = Field(default=0.0, ge=0, description="RandAugment: deviation of the strength")
    rand_prob: float = Field(default=1.0, ge=0, le=1, description="RandAugment: how likely an operation is")
    jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest change of brightness, contrast and saturation, as a share",
    )
    lighting: float = Field(
        default=0.0, ge=0, description="deviation of AlexNet's changes of colour along ImageNet's main axes"
    )
    erase: float = Field(
        default=0.0, ge=0, le=1, description="probability of a rectangle of random pixels (RandomErasing)"
    )
    mixup: float = Field(default=0.0, ge=0, description="α of MixUp's beta distribution")
    cutmix: float = Field(
        default=0.0, ge=0, description="α of CutMix's; with mixup too, each example takes one of them"
    )
    one_of: dict[Literal["none", "flip", "noise", "rotation"], float] = Field(
        default_factory=dict, description="probabilities of which one an image goes through, in place of all"
    )

    @model_validator(mode="after")
    def _one_of_sums_to_one(self) -> Augment:
        total = sum(self.one_of.values())
        if self.one_of and abs(total - 1) > 1e-6:
            raise ValueError(f"the probabilities of one_of add up to {total:g}, not 1")
        return self


class Run(_Table):
    """Precision, memory and bookkeeping."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    tf32: bool = True
    layout: Literal["auto", "contiguous", "channels_last"] = Field(
        default="auto", description="auto: the faster one, measured at the start and logged"
    )
    compile: bool = False
    cuda_graph: bool = Field(
        default=True, description="on CUDA, record the step once and replay it, where it can be recorded"
    )
    checkpoint: bool = Field(default=False, description="recompute sections in the backward pass")
    shard: bool = Field(default=False, description="cut the weights among processes (FSDP2)")
    log_every: int = Field(default=10, ge=1, le=50, description="steps; also how often NaN is looked for")
    save_every: float = Field(default=1.0, gt=0, description="epochs between checkpoints")
    eval_every: float = Field(default=1.0, gt=0, description="epochs between evaluations")
    keep: int = Field(default=2, ge=2, description="checkpoints to keep")


class Recipe(_Table):
    """A whole recipe; `to_toml` writes it resolved, every key present."""

    doc: str = ""
    source: str = ""
    epochs: float = Field(default=10, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**31)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    auxiliary: float = Field(default=0.3, ge=0, description="weight of the loss of every train-only output")
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the averaged weights; 0: none")
    arguments: dict[str, int | float | bool | str] = Field(
        default_factory=dict, description="arguments of the arch, where it has them"
    )
    data: Data = Data()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    run: Run = Run()

    @model_validator(mode="after")
    def _batch_divides(self) -> Recipe:
        if self.data.batch % self.data.accumulate:
            raise ValueError(
                f"batch {self.data.batch} is not a multiple of accumulate {self.data.accumulate}"
            )
        return self

    @property
    def lr(self) -> float:
        """The peak learning rate, scaled by the batch where the recipe says so."""
        return self.optim.lr * (self.data.batch / self.optim.lr_batch if self.optim.lr_batch else 1.0)


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in recipes_root().glob("*.toml"))


def load_recipe(recipe: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """A recipe by shipped name or file, with `a.b=value` changes applied. Raises RecipeError."""
    path = Path(recipe)
    if path.suffix != ".toml":
        shipped = recipes_root() / f"{recipe}.toml"
        if str(recipe) not in recipe_names():
            hint = did_you_mean(str(recipe), recipe_names())
            if not hint and path.is_file():
                hint = ("a file of one is called NAME.toml",)
            raise RecipeError(f"no recipe {str(recipe)!r}: {' '.join(hint) or ', '.join(recipe_names())}")
        path = shipped
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    for change in changes:
        _apply(table, change)
    return parse_recipe(table, str(recipe))


def parse_recipe(table: dict[str, Any], name: str = "recipe") -> Recipe:
    """A recipe from a TOML table. Raises RecipeError that names each wrong key, with the likeliest right one."""
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{name}: {_explain(e)}" for e in error.errors())) from None


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML that `load_recipe` reads back to an equal one."""
    top: list[str] = []
    tables: list[str] = []
    for key, value in recipe.model_dump(mode="json").items():
        if isinstance(value, dict):
            tables += ["", f"[{key}]", *(f"{k} = {_toml_value(v)}" for k, v in value.items())]
        else:
            top.append(f"{key} = {_toml_value(value)}")
    return "\n".join([*top, *tables]) + "\n"


def leaves(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """The values of nested tables by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{above}{key}"
        found |= leaves(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml_value(v)}" for k, v in value.items()) + "}"
    text = json.dumps(value, ensure_ascii=False)  # TOML's scalars and arrays are written as JSON's
    return text.replace("\x7f", "\\u007f")  # but for this character


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last:
        raise RecipeError(f"{change!r} is not key=value, such as optim.lr=0.1")
    text = text.strip()
    if text.startswith("."):
        text = f"0{text}"  # .01, as people write it, is no TOML
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, as the shell eats quotes
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{change!r}: {parent} is not a table")
    table[last] = value


def _explain(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where + ': ' if where else ''}{error['msg'].removeprefix('Value error, ')}"
    known = list(Recipe.model_fields)
    if len(error["loc"]) == 2:
        known = list(type(getattr(Recipe(), error["loc"][0])).model_fields)
    last = str(error["loc"][-1])
    elsewhere = [key for key in leaves(Recipe().model_dump()) if key.rpartition(".")[2] == last]
    hint = did_you_mean(last, known) if not elsewhere else [f"did you mean `{'` or `'.join(elsewhere)}`?"]
    return f"unknown key {where}: {' '.join(hint) or 'known are ' + ', '.join(known)}"
