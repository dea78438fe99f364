"""Start TensorFlow without the log lines of its native code."""

from __future__ import annotations

import os
import sys

from vaehelpers.common.errors import InputError


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


_used_in: int | None = None


def check_process() -> None:
    """Note which process runs TensorFlow, and refuse to run in a fork of it, where it would wait for ever.

    Raises
    ------
    InputError
        In a process that was forked from one that has used a model.
    """
    global _used_in
    here = os.getpid()
    if _used_in is None:
        _used_in = here
    elif _used_in != here:
        raise InputError(
            "this process was forked from one in which a model has run, and TensorFlow does not survive a fork; start "
            "workers by spawn: multiprocessing.get_context('spawn'), or joblib's loky"
        )
