"""The pretrained Mixers known to be on the Hub. What a checkpoint's own config.json says wins over this."""

from __future__ import annotations

from mixer_gui.records import CatalogueEntry

BYTES_PER_PARAMETER = 4  # all six are stored in fp32
GOOGLE = "mean 0.5, std 0.5, bicubic, crop 0.875"
MIIL = "mean 0, std 1, bilinear, crop 0.875"
LICENCE = "Apache-2.0"


def _entry(
    repository: str,
    title: str,
    classes: int,
    parameters: int,
    top1: float | None,
    preprocessing: str,
    good_for: str,
    *,
    is_recommended: bool = False,
) -> CatalogueEntry:
    return CatalogueEntry(
        repository=repository,
        title=title,
        classes=classes,
        parameters=parameters,
        download_bytes=parameters * BYTES_PER_PARAMETER,
        top1=top1,
        preprocessing=preprocessing,
        licence=LICENCE,
        good_for=good_for,
        is_recommended=is_recommended,
    )


# Top-1 as timm's results table gives it (ImageNet-1k validation, 224 px).
CATALOGUE = (
    _entry(
        "timm/mixer_b16_224.miil_in21k_ft_in1k",
        "Mixer-B/16 by MIIL",
        1000,
        59_880_472,
        82.31,
        MIIL,
        "The most accurate Mixer there is for everyday things.",
        is_recommended=True,
    ),
    _entry(
        "timm/mixer_b16_224.goog_in21k_ft_in1k",
        "Mixer-B/16 by Google",
        1000,
        59_880_472,
        76.62,
        GOOGLE,
        "The paper's own B/16: for comparing with what the paper shows.",
    ),
    _entry(
        "timm/mixer_l16_224.goog_in21k_ft_in1k",
        "Mixer-L/16 by Google",
        1000,
        208_196_168,
        72.08,
        GOOGLE,
        "24 layers to look into. Slower than B/16 (3 to 4 times) and less accurate.",
    ),
    _entry(
        "timm/mixer_b16_224.miil_in21k",
        "Mixer-B/16 by MIIL, 11,221 classes",
        11_221,
        67_740_421,
        None,
        MIIL,
        "Many more kinds of things, and none of the rarest.",
    ),
    _entry(
        "timm/mixer_b16_224.goog_in21k",
        "Mixer-B/16 by Google, 21,843 classes",
        21_843,
        75_908_739,
        None,
        GOOGLE,
        "All of ImageNet-21k: the finest distinctions.",
    ),
    _entry(
        "timm/mixer_l16_224.goog_in21k",
        "Mixer-L/16 by Google, 21,843 classes",
        21_843,
        229_560_243,
        None,
        GOOGLE,
        "All of ImageNet-21k with 24 layers. Slower than B/16 (3 to 4 times).",
    ),
)

RECOMMENDED = next(entry for entry in CATALOGUE if entry.is_recommended)


def entry_of(repository: str) -> CatalogueEntry | None:
    """What is known of a repository; None where it is not in the catalogue."""
    return next((entry for entry in CATALOGUE if entry.repository == repository), None)
