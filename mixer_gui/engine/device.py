"""Which device a model runs on, and the sentence that says why."""

import torch

from mixer_gui.records import DeviceInfo, DevicePreference, MixerGuiError, Precision

# What a GPU's allocator, and the libraries that allocate for themselves, say when there is no more memory.
GPU_MEMORY_MESSAGES = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


def choose_device(preference: DevicePreference) -> tuple[torch.device, DeviceInfo]:
    """The device for `preference`; AUTO takes CUDA, then Apple's MPS, then the CPU.

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
        return torch.device("cuda"), DeviceInfo(
            DevicePreference.CUDA, name, Precision.FP32, f"Runs on {name}, in single precision so that maps stay exact."
        )
    if mps and preference in (DevicePreference.AUTO, DevicePreference.MPS):
        return torch.device("mps"), DeviceInfo(
            DevicePreference.MPS, "Apple GPU", Precision.FP32, "Runs on the Apple GPU, in single precision."
        )
    why = "as chosen" if preference == DevicePreference.CPU else _cuda_absence()
    return torch.device("cpu"), DeviceInfo(
        DevicePreference.CPU, "CPU", Precision.FP32, f"Runs on the CPU with {torch.get_num_threads()} threads: {why}."
    )


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
