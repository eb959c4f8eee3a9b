"""Which device, and the sentence that says why."""

from __future__ import annotations

import pytest
import torch

from mixer_gui.engine.device import choose_device, ran_out_of_gpu_memory, release_gpu_memory
from mixer_gui.records import DevicePreference, MixerGuiError

HAS_CUDA = torch.cuda.is_available()
HAS_MPS = torch.backends.mps.is_available()


@pytest.mark.skipif(HAS_CUDA or HAS_MPS, reason="there is a GPU here")
def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_so() -> None:
    device, info = choose_device(DevicePreference.AUTO)
    assert device == torch.device("cpu")
    assert (info.kind, info.name, info.precision) == (DevicePreference.CPU, "CPU", "fp32")
    assert f"{torch.get_num_threads()} threads" in info.reason
    assert "no CUDA" in info.reason


def test_threads_are_told_as_they_are() -> None:
    assert "with 1 thread:" in choose_device(DevicePreference.CPU, threads=1)[1].reason
    assert "with 3 threads:" in choose_device(DevicePreference.CPU, threads=3)[1].reason


def test_cpu_is_given_to_who_asks_for_it() -> None:
    device, info = choose_device(DevicePreference.CPU)
    assert device == torch.device("cpu")
    assert info.kind == DevicePreference.CPU
    assert info.reason.endswith("as chosen.")


@pytest.mark.skipif(HAS_CUDA, reason="there is a CUDA device here")
def test_cuda_that_is_not_there_is_refused_with_a_sentence() -> None:
    with pytest.raises(MixerGuiError, match="no CUDA device") as caught:
        choose_device(DevicePreference.CUDA)
    assert "CUDA" in caught.value.detail


@pytest.mark.skipif(HAS_MPS, reason="there is an Apple GPU here")
def test_mps_that_is_not_there_is_refused_with_a_sentence() -> None:
    with pytest.raises(MixerGuiError, match="no Apple GPU"):
        choose_device(DevicePreference.MPS)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)."),
    ],
)
def test_gpu_that_is_full_is_told_by_whatever_says_so(error: RuntimeError) -> None:
    assert ran_out_of_gpu_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (196x768 and 512x3072)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
    ],
)
def test_other_errors_are_not_taken_for_a_full_gpu(error: RuntimeError) -> None:
    assert not ran_out_of_gpu_memory(error)


def test_releasing_gpu_memory_is_harmless_where_there_is_none() -> None:
    release_gpu_memory()
