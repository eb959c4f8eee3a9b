"""`mixer-gui train`: from folders and zips of pictures to a folder that the application opens as a model."""

from __future__ import annotations

import hashlib
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from mixer_gui.commands.interrupts import Interrupts
from mixer_gui.commands.output import say
from mixer_gui.engine.device import choose_device, processor_name, ran_out_of_gpu_memory
from mixer_gui.model.checkpoint import Checkpoint, load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.hub_config import CONFIG_NAME
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import CheckpointInfo, DevicePreference, MixerGuiError, ModelRef
from mixer_gui.train.card import CHART_NAME, UNKNOWN_DATA, Provenance
from mixer_gui.train.chart import chart, heading, history_csv, row
from mixer_gui.train.holdout import refuse_shared, shared_with, spare, without
from mixer_gui.train.initial import begun
from mixer_gui.train.measure import Epoch, figures, fit_temperature
from mixer_gui.train.publish import CARD_NAME, WEIGHTS_NAME, publish
from mixer_gui.train.reading import PictureSet, contents, read
from mixer_gui.train.recipe import Recipe, changed
from mixer_gui.train.run import Training
from mixer_gui.train.state import STATE_NAME

COARSE_SHARE = 2 / 3  # of the epochs, where nothing is said
HELD_OUT_SHARE = 0.05  # of the pictures, where nothing is said
MOST_HELD_OUT = 5000
SMALL_HELD_OUT, SMALL_HELD_OUT_SHARE = 1000, 0.2  # up to so many a larger share, or a few would decide
LARGEST_BATCH, SMALLEST_BATCH, LEAST_STEPS = 256, 8, 8  # an epoch has at least so many steps
KEEPING = 0.1  # of the learning rates, where the weights know something already
LEAST_CALIBRATED = 50  # held-out pictures: of fewer, a temperature says more about them than about the network
TABLE_NAME = "training.csv"
TOLD_SKIPPED = 5
TOLD_EVERY_S = 30.0  # where there is no terminal

Told = Callable[[float, float], None]  # how much is done, of how much


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for; None stands for what fits the pictures."""

    paths: tuple[Path, ...]
    out: Path
    network: MixerConfig | None  # its number of classes is that of the pictures; None: that of `origin`
    origin: Path | None  # the model whose weights it begins with
    device: DevicePreference
    epochs: int
    coarse: int | None  # of them
    batch: int | None
    held_out: int | None
    seed: int
    settings: tuple[str, ...]  # NAME=VALUE, see `recipe.changed`
    reserved: tuple[Path, ...]  # pictures kept for the final figure: none of them may be learnt from
    leave_out_shared: bool
    data: str  # what the pictures are and their terms
    name: str | None
    command: str  # as it was given, for the model card


def run(order: Order) -> Path:
    """Train to the end and return the folder. Raises MixerGuiError; after Ctrl-C the same command goes on."""
    if order.out.resolve() in {path.resolve() for path in order.paths}:
        raise MixerGuiError(f"“{order.out}” holds the pictures. Choose another folder for the model (--out).")
    _make(order.out)
    with _alone(order.out), Interrupts() as stop:
        origin = None if order.origin is None else _origin(order.origin)
        pictures = _pictures(order, _recipe(order, origin, held_out=0), stop)
        recipe = _fitting(order, origin, pictures)
        device, told = choose_device(order.device)
        if device.type == "mps":  # bf16 was never tried there
            device, told = choose_device(DevicePreference.CPU)
        try:
            with Training(
                pictures,
                recipe,
                order.out,
                device,
                begin_with=None if origin is None else origin.model(pictures.classes),
            ) as training:
                say(
                    f"{training.learnt:,} pictures of {len(pictures.classes)} classes to learn from, {recipe.batch} at "
                    f"a time; {training.held_out:,} held out. {told.reason}"
                )
                made = partial(
                    Provenance,
                    device=told.name if device.type == "cuda" else f"{training.lanes} cores of {processor_name()}",
                    pictures=training.learnt,
                    data=order.data or UNKNOWN_DATA,
                    command=order.command,
                    origin="" if origin is None else origin.info.name,
                )
                _learn(order, training, pictures, made, stop)
        except RuntimeError as error:
            if not ran_out_of_gpu_memory(error):
                raise
            raise MixerGuiError(
                f"The memory of {told.name} does not suffice. Take fewer pictures at a time (--batch).", str(error)
            ) from error
    return order.out


@dataclass(frozen=True, slots=True)
class _Origin:
    """A model whose weights a training begins with."""

    checkpoint: Checkpoint
    digest: str

    @property
    def info(self) -> CheckpointInfo:
        return self.checkpoint.info

    def model(self, classes: tuple[str, ...]) -> MlpMixer:
        """For these classes, in this order."""
        return begun(
            self.checkpoint.model, len(classes), same_classes=classes in (self.info.names.wnids, self.info.names.labels)
        )


def _origin(path: Path) -> _Origin:
    checkpoint = load_checkpoint(ModelRef(path))
    content = hashlib.sha256()
    for name, tensor in checkpoint.model.state_dict().items():
        content.update(name.encode())
        content.update(tensor.numpy().tobytes())
    return _Origin(checkpoint, content.hexdigest())


def _fitting(order: Order, origin: _Origin | None, pictures: PictureSet) -> Recipe:
    """The recipe for these pictures, where the user leaves something to them."""
    count = len(pictures.labels)
    held_out = order.held_out
    if held_out is None:
        share = max(HELD_OUT_SHARE * count, min(SMALL_HELD_OUT_SHARE * count, SMALL_HELD_OUT))
        held_out = min(MOST_HELD_OUT, round(share), spare(pictures))
    batch = LARGEST_BATCH
    while batch > SMALLEST_BATCH and batch * LEAST_STEPS > count - held_out:
        batch //= 2
    return _recipe(replace(order, batch=order.batch or batch), origin, held_out=held_out, classes=len(pictures.classes))


def _recipe(order: Order, origin: _Origin | None, *, held_out: int, classes: int | None = None) -> Recipe:
    network = order.network if origin is None else origin.checkpoint.model.config
    assert network is not None, "the command line gives one of both"
    network = replace(network, num_classes=classes or network.num_classes)
    coarse = order.coarse
    if coarse is None:
        can_be = origin is None and network.grid.rows % 2 == network.grid.columns % 2 == 0
        coarse = int(COARSE_SHARE * order.epochs) if can_be else 0
    recipe = Recipe(
        network=network,
        epochs=order.epochs,
        coarse=coarse,
        batch=order.batch or LARGEST_BATCH,
        held_out=held_out,
        seed=order.seed,
    )
    if origin is not None:
        recipe = replace(
            recipe,
            origin=origin.digest,
            origin_preprocessing=origin.info.preprocessing,
            matrix_rate=recipe.matrix_rate * KEEPING,
            other_rate=recipe.other_rate * KEEPING,
        )
    texts = {}
    for setting in order.settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise MixerGuiError(f"--set takes NAME=VALUE, not “{setting}”.")
        texts[name.strip()] = text.strip()
    return changed(recipe, texts)


def _make(folder: Path) -> None:
    """The folder, which can be written and holds nothing of others that would be overwritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MixerGuiError(
            f"Nothing can be written to “{folder}” ({error.strerror}). Choose another folder with --out.", str(error)
        ) from error
    written = (WEIGHTS_NAME, CONFIG_NAME, CARD_NAME, CHART_NAME, TABLE_NAME)
    there = [name for name in written if (folder / name).exists()]
    if there and not (folder / STATE_NAME).exists():
        raise MixerGuiError(
            f"“{folder}” holds {', '.join(there)} already, and no training to go on with. Choose another folder with "
            "--out: nothing is overwritten."
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process trains into the folder; where nothing came of it, the folder goes again."""
    lock = FileLock(folder / f"{STATE_NAME}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise MixerGuiError(f"Another process is training into “{folder}”. Wait for it, or stop it first.") from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # the second fails where there is something in the folder, as there should be
            Path(lock.lock_file).unlink(missing_ok=True)
            folder.rmdir()


def _pictures(order: Order, recipe: Recipe, stop: Interrupts) -> PictureSet:
    """Read, and proved not to hold what is reserved."""
    with _bar("reading", stop) as told:
        pictures = read(order.paths, recipe.preprocessing, told)
    for name, why in pictures.skipped[:TOLD_SKIPPED]:
        say(f"Left out: {name}: {why}")
    if len(pictures.skipped) > TOLD_SKIPPED:
        say(f"{len(pictures.skipped):,} pictures that cannot be decoded are left out in all.")
    if not order.reserved:
        return pictures
    with _bar("comparing", stop) as told:
        reserved = contents(order.reserved, recipe.preprocessing, told)
    if not order.leave_out_shared:
        refuse_shared(pictures, reserved)
        return pictures
    shared = shared_with(pictures, reserved)
    for index, name in shared:
        say(f"Left out: {pictures.names[index]} is {name}.")
    return without(pictures, [index for index, _ in shared])


def _learn(
    order: Order, training: Training, pictures: PictureSet, made: Callable[..., Provenance], stop: Interrupts
) -> None:
    """All epochs that are left. After each: a row of the table, the chart and, unless it was coarse, the model."""
    done, planned = len(training.history), training.recipe.epochs
    if done:
        say(f"All {planned} epochs were done before." if done == planned else f"Going on after epoch {done}.")
    say(heading())
    for epoch in training.history:
        say(row(epoch))
    is_written = False
    with _bar("training", stop) as told:
        for event in training.epochs():
            if isinstance(event, Epoch):
                say(row(event))
                _draw(training, order.out)
                is_written = event.number > training.recipe.coarse
                if is_written:
                    _publish(order, training, pictures, made)
            else:
                told(event.share, 1.0)
    if not is_written:  # it had ended before, and was killed or asked for again
        _publish(order, training, pictures, made)
    say(f"Done. Look at it: mixer-gui {shlex.quote(str(order.out))}; its card is README.md there.")


def _draw(training: Training, out: Path) -> None:
    try:
        (out / CHART_NAME).write_text(chart(training.history), encoding="utf-8")
        (out / TABLE_NAME).write_text(history_csv(training.history), encoding="utf-8", newline="")
    except OSError as error:
        say(f"Chart and table could not be written: {error.strerror}.")


def _publish(order: Order, training: Training, pictures: PictureSet, made: Callable[..., Provenance]) -> None:
    """Temperature, figures, and the folder that the application opens. `made` knows all but times and figures."""
    temperature, before, after = 1.0, None, None
    if training.held_out:
        logits, labels = training.held_out_logits()
        if training.held_out >= LEAST_CALIBRATED:
            temperature = fit_temperature(logits, labels)
        before, after = figures(logits, labels), figures(logits, labels, temperature)
    publish(
        order.out,
        training.average,
        training.recipe,
        pictures.classes,
        temperature,
        made(
            seconds=sum(epoch.seconds for epoch in training.history),
            history=training.history,
            before=before,
            after=after,
        ),
        tag=order.name,
    )


@contextmanager
def _bar(description: str, stop: Interrupts) -> Iterator[Told]:
    """A bar with the time left where stderr is a terminal; else a line every half minute. Here Ctrl-C is seen to."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _lines(description, stop)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=None)

        def told(done: float, total: float) -> None:
            stop.check()
            progress.update(task, completed=done, total=total)

        yield told


def _lines(description: str, stop: Interrupts) -> Told:
    began = last = time.monotonic()
    first: float | None = None

    def told(done: float, total: float) -> None:
        nonlocal last, first
        stop.check()
        now = time.monotonic()
        if first is None:
            first = done
        elif now - last >= TOLD_EVERY_S and done > first:
            last = now
            left_s = (now - began) / (done - first) * (total - done)
            say(f"{description}: {done / total:.1%}, {timedelta(seconds=round(left_s))} left")

    return told
