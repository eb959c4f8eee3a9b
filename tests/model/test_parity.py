"""Logits equal to timm's for every variant, on weights of which every tensor was drawn at random."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import draw_everything, write_hub_folder
from references import import_timm
from torch import Tensor, nn

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.variants import VARIANTS, variant
from mixer_gui.records import ModelRef

TOLERANCE = 1e-4  # of the largest logit
BUILDERS = {
    "S/32": "mixer_s32_224",
    "S/16": "mixer_s16_224",
    "B/32": "mixer_b32_224",
    "B/16": "mixer_b16_224",
    "L/32": "mixer_l32_224",
    "L/16": "mixer_l16_224",
}


def timm_mixer(name: str) -> nn.Module:
    """The model that timm builds for a variant, moved away from its initial weights everywhere."""
    timm = import_timm()
    torch.manual_seed(0)
    if name in BUILDERS:
        model = timm.create_model(BUILDERS[name])
    else:  # timm has the class but no name for it
        shape = variant(name)
        model = timm.models.mlp_mixer.MlpMixer(
            patch_size=shape.patch_size, num_blocks=shape.num_blocks, embed_dim=shape.hidden_dim
        )
    draw_everything(model)
    return model.requires_grad_(requires_grad=False).eval()


def pictures(batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(3))


def ours_with(state: dict[str, Tensor], name: str) -> MlpMixer:
    with torch.device("meta"):
        model = MlpMixer(variant(name))
    model.load_state_dict(state, strict=True, assign=True)
    return model.requires_grad_(requires_grad=False).eval()


def relative_difference(logits: Tensor, reference: Tensor) -> float:
    return float((logits - reference).abs().max() / reference.abs().max())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name[0] in "LH" else name for name in VARIANTS]
)
def test_logits_are_those_of_timm_and_swapped_norms_are_noticed(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    reference_model = timm_mixer(name)
    state = reference_model.state_dict()
    with torch.no_grad():
        reference = reference_model(pictures())
        logits, _ = ours_with(state, name)(pictures())
        swap = {"norm1": "norm2", "norm2": "norm1"}
        swapped = {".".join(swap.get(part, part) for part in key.split(".")): value for key, value in state.items()}
        wrong, _ = ours_with(swapped, name)(pictures())
    difference, wrong_difference = relative_difference(logits, reference), relative_difference(wrong, reference)
    record_property("relative_difference", difference)
    print(f"{name}: {difference:.1e} of the largest logit; {wrong_difference:.1e} with norms swapped")  # noqa: T201
    assert difference <= TOLERANCE
    assert wrong_difference > 10 * TOLERANCE


def test_a_folder_as_timm_writes_it_gives_timms_logits(tmp_path: Path) -> None:
    reference_model = timm_mixer("S/32")
    folder = write_hub_folder(ours_with(reference_model.state_dict(), "S/32"), tmp_path)
    checkpoint = load_checkpoint(ModelRef(folder))
    reference = reference_model(pictures())
    assert relative_difference(checkpoint.model(pictures())[0], reference) <= TOLERANCE
