"""Start TensorFlow without the log lines of its native code."""

from __future__ import annotations

import os
import sys


def start_tensorflow() -> None:
    """Import TensorFlow without the lines that its native code writes to stderr.

    A stored notebook holds no logs, and a command's stderr is for its own one line. Errors are raised as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
