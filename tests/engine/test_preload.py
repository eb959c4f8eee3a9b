"""Importing torch by way of its libraries, each time in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torch_works_after_it_was_imported_in_a_thread() -> None:
    said = run(
        "import sys, threading\n"
        "from mixer_gui.engine.preload import import_torch\n"
        "assert 'torch' not in sys.modules\n"
        "thread = threading.Thread(target=import_torch)\n"
        "thread.start(); thread.join()\n"
        "assert 'torch' in sys.modules\n"
        "import torch\n"
        "print((torch.ones(3, 4) @ torch.ones(4, 2)).sum().item(), torch.nn.functional.gelu(torch.zeros(1)).item())"
    )
    assert said.split() == ["24.0", "0.0"]


def test_collector_is_left_as_it_was_found() -> None:
    said = run(
        "import gc, sys\nfrom mixer_gui.engine.preload import import_torch\nimport_torch()\nprint(gc.isenabled())"
    )
    assert said.split() == ["True"]


def test_collector_that_was_off_stays_off() -> None:
    said = run(
        "import gc\n"
        "from mixer_gui.engine.preload import import_torch\n"
        "gc.disable()\n"
        "import_torch()\n"
        "print(gc.isenabled())"
    )
    assert said.split() == ["False"]


def test_second_import_does_nothing() -> None:
    said = run(
        "import gc, sys\n"
        "from mixer_gui.engine.preload import import_torch\n"
        "import_torch()\n"
        "first, frozen = sys.modules['torch'], gc.get_freeze_count()\n"
        "later = [[] for _ in range(1000)]\n"
        "import_torch()\n"
        "print(sys.modules['torch'] is first, gc.get_freeze_count() <= frozen)"
    )
    assert said.split() == ["True", "True"]


def test_missing_torch_is_an_import_error_and_leaves_the_interpreter_as_it_was() -> None:
    said = run(
        "import gc, importlib.abc, sys\n"
        "from mixer_gui.engine.preload import import_torch\n"
        "class NoTorch(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('no torch here', name=name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "before = sys.getswitchinterval()\n"
        "try: import_torch()\n"
        "except ImportError as error: print(error.name, gc.isenabled(), sys.getswitchinterval() == before)"
    )
    assert said.split() == ["torch", "True", "True"]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
@pytest.mark.parametrize(("given", "expected"), [(0, 10), (15, 15)])
def test_engine_thread_gives_way_and_never_asks_for_more(given: int, expected: int) -> None:
    said = run(
        "import os, threading\n"
        "from mixer_gui.engine.preload import give_way\n"
        f"os.nice({given})\n"
        "own = []\n"
        "def engine():\n"
        "    give_way()\n"
        "    own.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))\n"
        "thread = threading.Thread(target=engine)\n"
        "thread.start(); thread.join()\n"
        "print(own[0], os.getpriority(os.PRIO_PROCESS, 0))"
    )
    assert said.split() == [str(expected), str(given)]


def test_numpy_is_whole_before_torch_begins() -> None:
    said = run(
        "import sys\n"
        "from mixer_gui.engine import preload\n"
        "preload.load_libraries = lambda package, *_: print(package, 'numpy' in sys.modules, 'torch' in sys.modules)\n"
        "preload.import_torch()"
    )
    assert said.splitlines() == ["numpy False False", "torch True False"]
