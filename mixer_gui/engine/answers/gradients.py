"""What the gradient of one logit says of patches and half-blocks: one backward pass over the recording."""

import time

import torch

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.gradients import grad_cam, input_gradient, logit_gradients, saliency, total_contributions
from mixer_gui.records import GradientReport, GradientRequest


@torch.inference_mode()
def answer_gradient(request: GradientRequest, detail: Detail) -> GradientReport:
    """All gradient maps of class `request.index`. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    model, recording, images = detail.classifier.model, detail.recording, detail.images()
    gradients = logit_gradients(model, recording, torch.tensor([request.index], device=images.device))
    totals = total_contributions(gradients, recording)
    return GradientReport(
        request=request,
        saliency=read_only(saliency(gradients)[0]),
        input_gradient=read_only(input_gradient(gradients, images, model.config)[0]),
        token_mixing=read_only(totals.token_mixing[0]),
        channel_mixing=read_only(totals.channel_mixing[0]),
        stem=read_only(totals.stem[0]),
        grad_cam=read_only(grad_cam(gradients, recording)[0]),
        elapsed_ms=(time.perf_counter() - started) * 1e3,
    )
