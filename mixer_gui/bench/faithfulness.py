"""How faithful each map is: deletion and insertion (RISE, Petsiuk et al. 2018) over many pictures.

The protocol: the class predicted for the whole picture; deletion sets patches to the mean colour, insertion puts them
back into the picture blurred by a Gaussian; probability of the class with the checkpoint's temperature; areas by
trapezia over the share of patches. The pictures are the first of a random order, and a run with the same seed that
skips them has others.
"""

from __future__ import annotations

import json
import statistics
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.explain.attribution import integrated_gradients, occlusion
from mixer_gui.explain.evidence import direct_contributions, evidence, expected_evidence, read_out_of
from mixer_gui.explain.faithfulness import (
    area,
    centred_gaussian,
    changed_share,
    class_probability,
    patch_order,
    pictures_on_the_way,
    point_count,
    random_map,
)
from mixer_gui.explain.gradients import grad_cam, input_gradient, logit_gradients, saliency, total_contributions
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.decode import decode
from mixer_gui.pictures.edits import blurred
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.pictures.sources import PICTURE_SUFFIXES
from mixer_gui.records import BytesSource, Framing, MixerGuiError

BATCH = 65  # what two cores' caches hold of the embedded model
STEPS = 64  # of integrated gradients

# A picture, its number and its predicted class -> maps by name, each (N,).
MapsOf = Callable[[Detail, int, int], dict[str, Tensor]]


@dataclass(slots=True)
class Areas:
    """Of one map, for each picture in turn."""

    deletion: list[float] = field(default_factory=list)
    insertion: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """Mean and standard error over pictures of both areas; deletion is better small, insertion large."""

    name: str
    deletion: tuple[float, float]
    insertion: tuple[float, float]


def chosen(places: list[Path], *, count: int, seed: int, skip: int) -> list[BytesSource]:
    """`count` pictures from ZIPs and folders after `skip` others, in the order of `seed` (numpy's PCG64).

    Each is named by its place and its path in there. Raises MixerGuiError where there are too few.
    """
    known = sorted((place.name, name, place) for place in places for name in _names(place))
    if len(known) < skip + count:
        raise MixerGuiError(f"{skip + count:,} pictures are needed, and there are {len(known):,}.")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(known))[skip : skip + count]
    with ExitStack() as stack:  # an archive of ten thousand takes 50 ms to open
        archives = {place: stack.enter_context(zipfile.ZipFile(place)) for place in places if not place.is_dir()}
        return [BytesSource(f"{known[i][0]}/{known[i][1]}", _read(known[i][2], known[i][1], archives)) for i in order]


def measure(
    classifier: Classifier,
    pictures: list[BytesSource],
    maps_of: MapsOf,
    *,
    first: int = 0,
    patches_per_step: int = 1,
    progressed: Callable[[int], None] = lambda done: None,
) -> dict[str, Areas]:
    """Both areas of every map on every picture, by the map's name; the first picture has the number `first`."""
    found: dict[str, Areas] = {}
    for number, picture in enumerate(pictures, first):
        pixels = prepare(decode(picture.data, picture.name).image, classifier.info.preprocessing, Framing()).pixels
        with torch.inference_mode():
            logits, recording = classifier.forward(pixels[None], Record.FULL)
            probabilities = torch.softmax(logits[0].float() / classifier.info.temperature, -1)
            detail = Detail(recording, probabilities, logits[0], pixels, classifier)
            index = int(logits[0].argmax())
            for name, values in maps_of(detail, number, index).items():
                deletion, insertion = _areas(detail, index, values, patches_per_step)
                areas = found.setdefault(name, Areas())
                areas.deletion.append(deletion)
                areas.insertion.append(insertion)
        progressed(number + 1 - first)
    return found


def application_maps(detail: Detail, number: int, index: int) -> dict[str, Tensor]:
    """Every map of the application for class `index`, the usual others to compare with, and two that see nothing."""
    classifier, recording, image = detail.classifier, detail.recording, detail.images()[0]
    model, grid = classifier.model, classifier.info.grid
    if recording.update_norm is None or recording.token_norm is None or recording.final_tokens is None:
        raise ValueError("maps need a FULL recording")
    update = recording.update_norm[0].float()
    relative = update / recording.token_norm[0].float().clamp_min(1e-12)
    raw = evidence(read_out_of(model, index), recording.final_tokens[0])[0]
    centred = raw - expected_evidence(model, recording.final_tokens[0], detail.probabilities)
    direct = direct_contributions(model, recording, index)
    gradients = logit_gradients(model, recording, torch.tensor([index], device=image.device))
    totals = total_contributions(gradients, recording)
    through_token_mixing = totals.token_mixing[0].sum(0)
    logit = float(detail.logits[index])
    return {
        "update, last layer": update[-1],
        "update, mean over layers": update.mean(0),
        "relative update, last layer": relative[-1],
        "relative update, mean over layers": relative.mean(0),
        "evidence, raw": raw,
        "evidence, centred": centred,
        "direct contributions of token mixing": direct.token_mixing.sum(0),
        "update times gradient, token mixing": through_token_mixing,
        "update times gradient, all": through_token_mixing + totals.channel_mixing[0].sum(0) + totals.stem[0],
        "saliency": saliency(gradients)[0],
        "input gradient": input_gradient(gradients, image[None], model.config)[0],
        "occlusion": torch.cat([occlusion(model, image, index, logit, part) for part in _parts(grid.count)]),
        "integrated gradients": torch.stack(
            [integrated_gradients(model, image, index, STEPS, part) for part in _parts(STEPS)]
        ).sum(0),
        "Grad-CAM, last block's output": grad_cam(gradients, recording)[0],
        "Grad-CAM, final norm": raw.clamp_min(0),
        "random": random_map(grid, number),
        "centred Gaussian": centred_gaussian(grid),
    }


def rows(found: dict[str, Areas]) -> list[Row]:
    """In the order of the maps."""
    return [Row(name, _summary(areas.deletion), _summary(areas.insertion)) for name, areas in found.items()]


def table(found: dict[str, Areas]) -> str:
    """A Markdown table."""
    lines = ["| map | deletion, smaller is better | insertion, larger is better |", "|---|---|---|"]
    for row in rows(found):
        cells = (row.name, *(f"{mean:.4f} ± {error:.4f}" for mean, error in (row.deletion, row.insertion)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(found: dict[str, Areas], pictures: list[BytesSource], *, seed: int, skip: int) -> str:
    """Every map's areas in the order of the pictures, whose names are in it."""
    maps = {name: {"deletion": areas.deletion, "insertion": areas.insertion} for name, areas in found.items()}
    return json.dumps(
        {"seed": seed, "skip": skip, "pictures": [each.name for each in pictures], "maps": maps}, indent=1
    )


def _areas(detail: Detail, index: int, values: Tensor, patches_per_step: int) -> tuple[float, float]:
    classifier, grid = detail.classifier, detail.classifier.info.grid
    order = patch_order(values)
    picture = detail.images()[0]
    blurry = classifier.normalised(blurred(detail.pixels)[None])[0]
    share = changed_share(grid.count, patches_per_step)
    areas = []
    for start, end in ((picture, torch.zeros_like(picture)), (blurry, picture)):
        parts = [
            class_probability(
                classifier.model,
                pictures_on_the_way(start, end, order, part, patches_per_step, grid),
                index,
                classifier.info.temperature,
            )
            for part in _parts(point_count(grid.count, patches_per_step))
        ]
        areas.append(area(torch.cat(parts).cpu(), share))
    return areas[0], areas[1]


def _parts(count: int) -> Iterator[range]:
    for first in range(0, count, BATCH):
        yield range(first, min(first + BATCH, count))


def _summary(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error, which one picture does not have."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def _names(place: Path) -> list[str]:
    if place.is_dir():
        files = (file for file in place.rglob("*") if file.is_file())
        return [file.relative_to(place).as_posix() for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    try:
        with zipfile.ZipFile(place) as archive:
            return [name for name in archive.namelist() if Path(name).suffix.lower() in PICTURE_SUFFIXES]
    except (OSError, zipfile.BadZipFile) as error:
        raise MixerGuiError(f"“{place}” is neither a folder nor a ZIP that can be read.", repr(error)) from error


def _read(place: Path, name: str, archives: dict[Path, zipfile.ZipFile]) -> bytes:
    return archives[place].read(name) if place in archives else (place / name).read_bytes()
