"""What the server of processes imports once, so that each decoder it makes is there in a few milliseconds.

Importing this module is all; see `decoder`. The server has one thread, and has to keep it: it is forked.
"""

import os

# Nothing here multiplies matrices: without this numpy starts a thread on each core, and reserves memory for it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from mixer_gui.pictures import decode, preprocess, worker  # noqa: F401 - the environment comes first

decode.register_formats()
