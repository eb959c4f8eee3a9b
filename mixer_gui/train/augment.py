"""Random variations of training pictures, a batch at a time, on the device that holds them.

One affine map in space (random resized crop, flip: Szegedy et al. 2015), one in colour (brightness, saturation, tint,
and the normalisation with them), squares erased (DeVries and Taylor 2017, arXiv 1708.04552), and pairs mixed by mixup
(Zhang et al. 2018, arXiv 1710.09412) or cutmix (Yun et al. 2019, arXiv 1905.04899). All random numbers of a batch are
drawn first, on the CPU: a seed gives the same pictures whatever the device and however a batch is divided.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.records import Preprocessing
from mixer_gui.train.recipe import Augmentation

ERASED_EDGE = (0.25, 0.5)  # of a square, as a share of the picture's edge


class Draw(NamedTuple):
    """What chance decided for each of B pictures. Boxes are (top, bottom, left, right) as shares of the edges."""

    crop: Tensor  # (B, 2, 3) from output to input coordinates, both -1…1
    colour: Tensor  # (B, 3, 3) and (B, 3): what becomes of an RGB value of 0…1
    tint: Tensor
    erased: Tensor  # (B, 4)
    pasted: Tensor  # (B, 4) of the partner, for cutmix
    own: Tensor  # (B,) share of the picture itself in its blend with the partner, for mixup

    def of(self, pictures: Tensor, device: torch.device) -> Draw:
        """Those of the pictures at these indices, on `device`."""
        return Draw(*(each[pictures].to(device, non_blocking=True) for each in self))


class Varied(NamedTuple):
    """What the network learns from: a picture shows `own` of itself and the rest of the one before it in the batch."""

    images: Tensor  # (B, 3, H, W), normalised
    own: Tensor  # (B,)


def draw(count: int, chosen: Augmentation, generator: torch.Generator) -> Draw:
    """Chance for `count` pictures, drawn on the CPU."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    def sides(*shape: int) -> Tensor:
        return uniform(*shape) * 2 - 1

    area = 1 - uniform() * (1 - chosen.smallest_crop)
    aspect = torch.exp(sides() * math.log(chosen.aspect))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    mirrored = torch.where(uniform() < (0.5 if chosen.flip else 0.0), -1.0, 1.0)
    crop = torch.zeros(count, 2, 3)
    crop[:, 0, 0], crop[:, 0, 2] = width * mirrored, sides() * (1 - width)
    crop[:, 1, 1], crop[:, 1, 2] = height, sides() * (1 - height)

    saturation = (1 + sides() * chosen.colour)[:, None, None]
    brightness = (1 + sides() * chosen.colour)[:, None, None]
    colour = (torch.eye(3) * saturation + (1 - saturation) / 3) * brightness
    tint = sides(3) * (chosen.colour / 10)

    least, most = ERASED_EDGE
    erased = _box(least + uniform() * (most - least), uniform(2), uniform() < chosen.erasing)
    way, share = uniform(), uniform()
    pasted = _box((1 - share).sqrt(), uniform(2), way < chosen.mixing / 2)
    blends = (way >= chosen.mixing / 2) & (way < chosen.mixing)
    return Draw(crop, colour, tint, erased, pasted, torch.where(blends, share, 1.0))


def vary(pixels: Tensor, chance: Draw, preprocessing: Preprocessing) -> Varied:
    """Pictures (1 + B, H, W, 3) of uint8 to the B that the network learns from; all on one device.

    The first one is there to be mixed into the second; `chance` is of all of them.
    """
    count, height, width, _ = pixels.shape
    images = pixels.permute(0, 3, 1, 2).float().mul_(1 / 255)
    grid = functional.affine_grid(chance.crop, [count, 3, height, width], align_corners=False)
    # A crop is never larger than the picture, so nothing is scaled down and bilinear needs no antialiasing.
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    std = torch.tensor(preprocessing.std, device=pixels.device)
    mean = torch.tensor(preprocessing.mean, device=pixels.device)
    offset = (chance.tint - mean) / std
    images = torch.baddbmm(offset[:, :, None], chance.colour / std[:, None], images.flatten(2))
    images = images.view(count, 3, height, width)
    images = images.masked_fill(_inside(chance.erased, height, width)[:, None], 0.0)
    partners, images = images[:-1], images[1:]
    pasted = _inside(chance.pasted[1:], height, width)
    own = chance.own[1:, None, None, None]
    images = torch.where(pasted[:, None], partners, images * own + partners * (1 - own))
    return Varied(images, chance.own[1:] * (1 - pasted.flatten(1).float().mean(1)))


def shrunk(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (B, 3, H, W) to (B, 3, *size), whose edges divide theirs, by the mean of what falls together."""
    height, width = images.shape[2] // size[0], images.shape[3] // size[1]
    return images if height == width == 1 else functional.avg_pool2d(images, (height, width))


def plain(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Pictures (B, H, W, 3) of uint8 as the application shows them to the network, (B, 3, H, W)."""
    std = torch.tensor(preprocessing.std, device=pixels.device)[:, None, None]
    mean = torch.tensor(preprocessing.mean, device=pixels.device)[:, None, None]
    return (pixels.permute(0, 3, 1, 2).float().mul_(1 / 255) - mean) / std


def _box(edge: Tensor, centre: Tensor, is_there: Tensor) -> Tensor:
    """(B, 4) boxes with `edge` (B,) around `centre` (B, 2), cut off at the picture's edges; empty where not there."""
    half = torch.where(is_there, edge / 2, 0.0)[:, None]
    low, high = (centre - half).clamp(min=0), (centre + half).clamp(max=1)
    return torch.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], 1)


def _inside(box: Tensor, height: int, width: int) -> Tensor:
    """(B, height, width): pixels whose middle lies in the box of their picture."""
    rows = (torch.arange(height, device=box.device) + 0.5) / height
    columns = (torch.arange(width, device=box.device) + 0.5) / width
    top, bottom, left, right = box[:, :, None].unbind(1)
    in_rows = (rows >= top) & (rows < bottom)
    in_columns = (columns >= left) & (columns < right)
    return in_rows[:, :, None] & in_columns[:, None, :]
