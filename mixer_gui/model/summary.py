"""A Mixer's layers with their shapes, parameters and multiply-accumulates, counted without allocating weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import MixerGuiError

HEADINGS = ("layer", "output", "parameters", "multiply-accumulates")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One layer. `output` is its tensor's shape for the whole batch, `multiply_accumulates` are per picture."""

    name: str
    output: tuple[int, ...]
    parameters: int
    multiply_accumulates: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All layers in the order they run, and their totals; the multiply-accumulates are per picture.

    Only matrix products are counted, as everywhere in the literature: not norms, GELUs, additions, pooling.
    """

    rows: tuple[SummaryRow, ...]
    output: tuple[int, ...]
    parameters: int
    multiply_accumulates: int


def summarize(config: MixerConfig, batch: int = 2) -> Summary:
    """Run a batch of `batch` pictures through a model on the meta device: shapes are real, weights are not there.

    Multiply-accumulates are half of what PyTorch's own counter gives for the whole batch, over `batch`.
    """
    if batch < 1:
        raise MixerGuiError(f"A batch has at least one picture, not {batch}.")
    with torch.device("meta"):
        model = MlpMixer(config).eval()
        images = torch.empty(batch, 3, *config.image_size)
    layers = {name: module for name, module in model.named_modules() if _is_row(name)}
    outputs: dict[str, tuple[int, ...]] = {}
    handles = [_watch(module, name, outputs) for name, module in layers.items()]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits, _ = model(images)
    for handle in handles:
        handle.remove()
    counts = counter.get_flop_counts()
    rows = tuple(
        SummaryRow(
            name,
            outputs[name],
            sum(parameter.numel() for parameter in module.parameters()),
            sum(counts.get(f"{type(model).__name__}.{name}", {}).values()) // (2 * batch),
        )
        for name, module in layers.items()
    )
    return Summary(
        rows,
        tuple(logits.shape),
        sum(parameter.numel() for parameter in model.parameters()),
        counter.get_total_flops() // (2 * batch),
    )


def render(summary: Summary) -> str:
    """Plain text: a table with aligned columns, then the totals. No line feed at the end."""
    table = [HEADINGS] + [
        (row.name, str(row.output), f"{row.parameters:,}", f"{row.multiply_accumulates:,}") for row in summary.rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    lines = [
        f"{name:<{widths[0]}}  {output:<{widths[1]}}  {parameters:>{widths[2]}}  {macs:>{widths[3]}}"
        for name, output, parameters, macs in table
    ]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(
        [
            *lines,
            lines[1],
            f"{summary.parameters:,} parameters ({summary.parameters / 1e6:.3f}M)",
            f"{summary.multiply_accumulates / 1e9:.2f} G multiply-accumulates per picture",
            f"output {summary.output}",
        ]
    )


def _is_row(name: str) -> bool:
    """Half-blocks are rows: token mixing applies its weights without calling its linear layers."""
    parts = name.split(".")
    return name in {"stem", "norm", "head"} or (len(parts) == 3 and parts[0] == "blocks")


def _watch(module: nn.Module, name: str, outputs: dict[str, tuple[int, ...]]) -> RemovableHandle:
    """Note the shape of what `module` gives; token mixing gives its hidden layer, too."""

    def note(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, Tensor]) -> None:
        outputs[name] = tuple(output.shape if isinstance(output, Tensor) else output[0].shape)

    return module.register_forward_hook(note)
