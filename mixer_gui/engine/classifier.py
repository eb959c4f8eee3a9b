"""One checkpoint on one device: pixels in, reports out. Owned by the engine thread; knows no queue."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.engine.device import choose_device, threads_for
from mixer_gui.engine.device_frames import uploaded
from mixer_gui.engine.frames import as_decoded, cut_out
from mixer_gui.engine.graphs import Graphs
from mixer_gui.engine.steadying import RunningAverage
from mixer_gui.explain.evidence import evidence, expected_evidence, read_out
from mixer_gui.explain.lens import lens_logits
from mixer_gui.model.checkpoint import Checkpoint
from mixer_gui.model.mixer import Record, Recording
from mixer_gui.model.precision import added_bytes, in_precision
from mixer_gui.pictures.edits import edited, mean_colour
from mixer_gui.records import (
    CheckpointInfo,
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    FrameReport,
    FrameRequest,
    FrameSource,
    MixerGuiError,
    NetworkInput,
    Precision,
    Prediction,
    Priority,
    Report,
    Timings,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENS_CLASSES = 5


class Ranking(NamedTuple):
    """Logits of one row, scaled and ranked."""

    probabilities: Tensor  # (classes,)
    top: Tensor  # (k,) indices of classes
    predictions: tuple[Prediction, ...]


class NotNumbersError(MixerGuiError):
    """The logits are infinite or not numbers at all."""


class Classifier:
    """A model with its weights on a device, in fp32, and made from it the same in other precisions."""

    def __init__(
        self, checkpoint: Checkpoint, preference: DevicePreference, precision: Precision = Precision.FP32
    ) -> None:
        self.info: CheckpointInfo = checkpoint.info
        self.device, device_info = choose_device(preference, threads=threads_for(self.info))
        self.device_info = replace(device_info, precision=precision)
        self.model = in_precision(checkpoint.model.to(self.device), precision)
        self._graphs = Graphs(self.model) if self.device.type == "cuda" else None
        self._halves: dict[Precision, Classifier] = {}
        self._gave_way = False  # a GPU was asked for, and had too little memory
        self._mean = torch.tensor(self.info.preprocessing.mean, device=self.device)[:, None, None]
        self._std = torch.tensor(self.info.preprocessing.std, device=self.device)[:, None, None]

    @property
    def size_bytes(self) -> int:
        own = sum(parameter.nbytes for parameter in self.model.parameters())
        return own + sum(added_bytes(half.model) for half in self._halves.values())

    def at(self, precision: Precision) -> "Classifier":
        """The same model in a precision, made when it is first asked for. Called of one in fp32.

        Raises MixerGuiError for fp16 on a CPU; one that was moved there from a GPU goes on in fp32.
        """
        is_impossible = precision == Precision.FP16 and self.device.type == "cpu"
        if precision == Precision.FP32 or (is_impossible and self._gave_way):
            return self
        if is_impossible:
            raise MixerGuiError("fp16 needs a GPU: a CPU has no arithmetic for it. Choose bf16, fp32 or automatic.")
        if precision not in self._halves:
            checkpoint = Checkpoint(self.model, self.info)
            self._halves[precision] = Classifier(checkpoint, self.device_info.kind, precision)
        return self._halves[precision]

    def drop(self, precision: Precision) -> None:
        """Free what `at` made."""
        self._halves.pop(precision, None)

    def owns(self, other: "Classifier") -> bool:
        """Whether the other one is this one, or was made from it and is kept."""
        return other is self or any(other is half for half in self._halves.values())

    def fall_back(self) -> None:
        """Take the weights to the CPU; earlier details stay where they are and are void.

        Also where an earlier move broke off in the middle and the weights lie on both devices. Those made from this
        one go along, in fp32: a job that has begun goes on with them.
        """
        self._gave_way, self._graphs = True, None
        self.device, info = choose_device(DevicePreference.CPU, threads=threads_for(self.info))
        self.device_info = replace(info, reason="Runs on the CPU: the GPU had too little memory.")
        halves = list(self._halves.values())
        self._halves.clear()
        for half in halves:  # before the move, so that there is one copy less on the way
            half.model, half._graphs = self.model, None
        self.model.to(self.device)
        self._mean, self._std = self._mean.to(self.device), self._std.to(self.device)
        for half in halves:
            half.device, half.device_info = self.device, self.device_info
            half._mean, half._std = self._mean, self._std

    @torch.inference_mode()
    def forward(self, pixels: "NDArray[np.uint8] | Tensor", record: Record) -> tuple[Tensor, Recording]:
        """uint8 (B, H, W, 3), on the device if a tensor -> logits (B, classes) and the recording, both on the device.

        Normalises as torchvision does: to 0…1, then mean and std per channel.
        """
        run = self.model if self._graphs is None else self._graphs
        logits, recording = run(self.normalised(pixels), record)
        return logits, recording

    def normalised(self, pixels: "NDArray[np.uint8] | Tensor") -> Tensor:
        """uint8 (B, H, W, 3) -> what the network takes, (B, 3, H, W) on the device; the mean colour is 0."""
        images = pixels if isinstance(pixels, Tensor) else uploaded(pixels, self.device)
        images = images.permute(0, 3, 1, 2)
        return (((images.float() / 255.0) - self._mean) / self._std).contiguous()

    @torch.inference_mode()
    def classify(self, request: ClassifyRequest, decoded: DecodedPicture, record: Record) -> tuple[Report, Detail]:
        """Run one picture and explain it; `record` is MAPS or FULL."""
        pixels = self._pixels(request, decoded)
        started = time.perf_counter()
        logits, recording = self._run(pixels, record, request.source.name)
        forwarded = time.perf_counter()
        ranking = self.rank(logits, request.top_k)
        report = self._report(request, decoded, ranking, recording, forwarded - started, forwarded)
        if record == Record.FULL:
            report = replace(report, pixels=pixels)
        return report, Detail(recording, ranking.probabilities, logits, pixels, self)

    @torch.inference_mode()
    def classify_batch(
        self, requests: Sequence[ClassifyRequest], decoded: Sequence[DecodedPicture]
    ) -> list[Report | MixerGuiError]:
        """Run pictures in one pass with their maps, and explain each; one that fails gives its own error.

        The time of the pass is shared among them.
        """
        results: dict[int, Report | MixerGuiError] = {}
        inputs: dict[int, NDArray[np.uint8]] = {}
        for place, (request, picture) in enumerate(zip(requests, decoded, strict=True)):
            try:
                inputs[place] = self._pixels(request, picture)
            except MixerGuiError as error:
                results[place] = error
        if inputs:
            started = time.perf_counter()
            logits, recording = self.forward(np.stack(list(inputs.values())), Record.MAPS)
            are_numbers = torch.isfinite(logits).all(-1).tolist()  # waits for the device
            forward_s = (time.perf_counter() - started) / len(inputs)
            for row, (place, is_numbers) in enumerate(zip(inputs, are_numbers, strict=True)):
                request, began = requests[place], time.perf_counter()
                if not is_numbers:
                    results[place] = self._not_numbers(request.source.name)
                    continue
                ranking = self.rank(logits[row], request.top_k)
                results[place] = self._report(request, decoded[place], ranking, _row(recording, row), forward_s, began)
        return [results[place] for place in range(len(requests))]

    @torch.inference_mode()
    def classify_frame(
        self, request: FrameRequest, record: Record, average: RunningAverage
    ) -> tuple[FrameReport, Detail]:
        """Run one frame of a moving picture; its report is ranked by itself, its predictions by the average.

        The detail has the frame's pixels where `record` is FULL. Preprocessing is timed as the processor's part of it:
        a device that cuts frames itself does so by the way, and the forward pass, whose time ends with the logits,
        waits for it.
        """
        began = time.perf_counter()
        pixels, seen = cut_out(request.frame, self.info.preprocessing, request.framing, self.device)
        started = time.perf_counter()
        logits, recording = self._run(pixels, record, request.name)
        forwarded = time.perf_counter()
        kept = _on_host(pixels if record == Record.FULL else pixels[:0])
        decoded = as_decoded(request.frame, NetworkInput(kept, seen), (started - began) * 1e3)
        now = self.rank(logits, request.top_k)
        averaged = average.add(
            (request.model, request.frame.run), request.frame.time_s, now.probabilities, request.steady_s
        )
        shown = now if averaged is now.probabilities else self.rank(logits, request.top_k, averaged)
        report = None
        if record != Record.NONE:
            report = self._report(_of_frame(request), decoded, now, recording, forwarded - started, forwarded)
        elapsed_ms = (time.perf_counter() - forwarded) * 1e3
        answer = FrameReport(
            id=request.id,
            view=request.view,
            time_s=request.frame.time_s,
            predictions=shown.predictions,
            momentary=tuple(now.probabilities[shown.top].tolist()),
            model=self.info,
            device=self.device_info,
            timings_ms=Timings(decoded.decode_ms, decoded.preprocess_ms, (forwarded - started) * 1e3, elapsed_ms),
            report=report,
        )
        return answer, Detail(recording, now.probabilities, logits, kept, self)

    def _run(self, pixels: "NDArray[np.uint8] | Tensor", record: Record, name: str) -> tuple[Tensor, Recording]:
        """One picture, uint8 (H, W, 3) -> its logits (classes,), which are there when this returns, and the recording.

        Raises NotNumbersError where they are not numbers.
        """
        logits, recording = self.forward(pixels[None], record)
        row = logits[0].cpu()  # waits for the device
        if not bool(torch.isfinite(row).all()):
            raise self._not_numbers(name)
        return logits[0], recording

    def _not_numbers(self, name: str) -> NotNumbersError:
        what = f"{self.info.name} gave results that are not numbers for {name}"
        precision = self.device_info.precision
        if precision != Precision.FP32:
            return NotNumbersError(f"{what} in {precision}. Choose another precision.")
        return NotNumbersError(f"{what}. Its weights may be damaged: get the model again, or choose another.")

    def _pixels(self, request: ClassifyRequest, decoded: DecodedPicture) -> "NDArray[np.uint8]":
        """What the network sees of a picture, uint8 (H, W, 3), edits made."""
        if decoded.network_input is None:
            raise ValueError("the picture was decoded without preprocessing")
        return edited(decoded.network_input.pixels, self.info.grid, request.edits, mean_colour(self.info.preprocessing))

    def rank(self, logits: Tensor, count: int, probabilities: Tensor | None = None) -> Ranking:
        """The `count` most probable classes: by softmax with the checkpoint's temperature, or as given."""
        if probabilities is None:
            probabilities = torch.softmax(logits.float() / self.info.temperature, -1)
        top = probabilities.topk(min(count, self.info.classes))
        rows = zip(top.indices.tolist(), top.values.tolist(), logits[top.indices].tolist(), strict=True)
        return Ranking(probabilities, top.indices, tuple(self._prediction(*row) for row in rows))

    def prediction(self, index: int, probabilities: Tensor, logits: Tensor) -> Prediction:
        """Class `index` of a row of probabilities and of logits, both (classes,)."""
        return self._prediction(index, float(probabilities[index]), float(logits[index]))

    def _rank_layers(self, logits: Tensor) -> tuple[tuple[Prediction, ...], ...]:
        """The LENS_CLASSES most probable classes of each layer, (L, classes), all in one go."""
        probabilities = torch.softmax(logits.float() / self.info.temperature, -1)
        top = probabilities.topk(min(LENS_CLASSES, self.info.classes))
        tables = (top.indices.tolist(), top.values.tolist(), logits.gather(-1, top.indices).tolist())
        return tuple(
            tuple(self._prediction(*each) for each in zip(*layer, strict=True)) for layer in zip(*tables, strict=True)
        )

    def _prediction(self, index: int, probability: float, logit: float) -> Prediction:
        names = self.info.names
        return Prediction(index, names.wnid(index), names.label(index), probability, logit)

    def _report(
        self,
        request: ClassifyRequest,
        decoded: DecodedPicture,
        ranking: Ranking,
        recording: Recording,
        forward_s: float,
        started: float,
    ) -> Report:
        update, token, features, final = (
            recording.update_norm,
            recording.token_norm,
            recording.layer_features,
            recording.final_tokens,
        )
        if update is None or token is None or features is None or final is None or decoded.network_input is None:
            raise ValueError("a report needs a recording")
        raw = evidence(read_out(self.model, ranking.top), final[0])
        centred = raw - expected_evidence(self.model, final[0], ranking.probabilities)
        lens = lens_logits(self.model, features[0]).cpu()
        return Report(
            id=request.id,
            view=request.view,
            source=request.source,
            predictions=ranking.predictions,
            update=read_only(update[0]),
            relative_update=read_only(update[0].float() / token[0].float().clamp_min(1e-12)),
            evidence=read_only(raw),
            centred_evidence=read_only(centred),
            lens=self._rank_layers(lens),
            seen=decoded.network_input.seen,
            picture_width=decoded.frame.width,
            picture_height=decoded.frame.height,
            framing=request.framing,
            model=self.info,
            device=self.device_info,
            timings_ms=Timings(
                decoded.decode_ms,
                decoded.preprocess_ms,
                forward_s * 1e3,
                (time.perf_counter() - started) * 1e3,
            ),
            notices=decoded.frame.remarks,
            edits=request.edits,
        )


def _row(recording: Recording, row: int) -> Recording:
    """Picture `row` of a batch that was recorded with MAPS, as a batch of one."""
    update, token, features, final = (None if each is None else each[row : row + 1] for each in recording[:4])
    return Recording(update, token, features, final)


def _on_host(pixels: "NDArray[np.uint8] | Tensor") -> "NDArray[np.uint8]":
    """The same as a read-only array."""
    if not isinstance(pixels, Tensor):
        return pixels
    array: NDArray[np.uint8] = np.ascontiguousarray(pixels.cpu().numpy())
    array.setflags(write=False)
    return array


def _of_frame(request: FrameRequest) -> ClassifyRequest:
    """The same as a request for a picture, which is what a report is made from."""
    return ClassifyRequest(
        id=request.id,
        view=request.view,
        priority=Priority.LIVE,
        source=FrameSource(request.name, request.frame.time_s),
        model=request.model,
        framing=request.framing,
        device=request.device,
        top_k=request.top_k,
    )
