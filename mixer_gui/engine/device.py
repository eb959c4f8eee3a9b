"""Which device a model runs on, and the sentence that says why."""

import functools
import platform
from pathlib import Path

import torch

from mixer_gui.records import CheckpointInfo, DeviceInfo, DevicePreference, MixerGuiError, Precision

# Multiply-accumulates, about. Below it a second thread makes a pass a tenth faster where nothing else runs; beside a
# video, on two cores, its threads wait for each other at each of hundreds of small steps, and it takes twice as long.
# Half precision has nothing to gain there, either.
SMALL_MODEL_MACS = 500_000_000

# What a GPU's allocator, and the libraries that allocate for themselves, say when there is no more memory.
GPU_MEMORY_MESSAGES = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


def choose_device(preference: DevicePreference, *, threads: int | None = None) -> tuple[torch.device, DeviceInfo]:
    """The device for `preference`; AUTO takes CUDA, then Apple's MPS, then the CPU, with `threads` or all of torch's.

    Raises MixerGuiError where a device was asked for by name and is not there.
    """
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if preference == DevicePreference.CUDA and not cuda:
        raise MixerGuiError(
            "There is no CUDA device here that this program can use. Choose the CPU, or check the NVIDIA driver.",
            _cuda_absence(),
        )
    if preference == DevicePreference.MPS and not mps:
        raise MixerGuiError("There is no Apple GPU here that this program can use. Choose the CPU.")
    if cuda and preference in (DevicePreference.AUTO, DevicePreference.CUDA):
        name = torch.cuda.get_device_name()
        return torch.device("cuda"), DeviceInfo(DevicePreference.CUDA, name, Precision.FP32, f"Runs on {name}.")
    if mps and preference in (DevicePreference.AUTO, DevicePreference.MPS):
        return torch.device("mps"), DeviceInfo(
            DevicePreference.MPS, "Apple GPU", Precision.FP32, "Runs on the Apple GPU."
        )
    why = "as chosen" if preference == DevicePreference.CPU else _cuda_absence()
    count = torch.get_num_threads() if threads is None else threads
    said = f"Runs on the CPU with {count} thread{'s' if count != 1 else ''}: {why}."
    return torch.device("cpu"), DeviceInfo(DevicePreference.CPU, "CPU", Precision.FP32, said)


def is_small(info: CheckpointInfo) -> bool:
    """Whether a pass takes a few milliseconds on any processor."""
    return info.parameters * info.grid.count < SMALL_MODEL_MACS


def threads_for(info: CheckpointInfo) -> int:
    """How many threads of a CPU its passes take: where others decode, paint, or are other programs, one of so few
    milliseconds would wait for its own threads, many times as long as it takes.
    """
    return 1 if is_small(info) else torch.get_num_threads()


@functools.cache
def processor_name() -> str:
    """As the system calls it; its architecture where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def ran_out_of_gpu_memory(error: RuntimeError) -> bool:
    """Whether the GPU had too little memory; only CUDA's allocator has an error class for that."""
    return isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in GPU_MEMORY_MESSAGES)


def release_gpu_memory() -> None:
    """Give what no tensor holds back to the GPU. Call it outside `except`: a traceback holds tensors."""
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _cuda_absence() -> str:
    if torch.version.cuda is None:
        return "this build of torch has no CUDA"
    return "no CUDA device was found"
