"""The command line: `vaehelpers report | fit | score | watch | compare | fleet | bench | data`.

Nothing heavy is imported before it is needed, so that ``--help`` answers at once and bad input within a second or so:
whatever can be told without TensorFlow is told before it starts. Errors are one line on stderr, ``Error: ...``; the
exit status is 0 (done), 1 (the work failed), 2 (bad usage or bad input) or 130 (interrupted).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

import click

import vaehelpers
from vaehelpers.commands.bench import bench
from vaehelpers.commands.compare import compare
from vaehelpers.commands.data import data_group
from vaehelpers.commands.fit import fit
from vaehelpers.commands.fleet import fleet
from vaehelpers.commands.options import _say
from vaehelpers.commands.params import params
from vaehelpers.commands.report import report
from vaehelpers.commands.score import score
from vaehelpers.commands.watch import watch
from vaehelpers.common.errors import InputError

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def main() -> None:
    """Run the command line and leave with its exit status; the entry point ``vaehelpers``."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        What stands behind ``vaehelpers``.

    Returns
    -------
    int

    Examples
    --------
    >>> run(["--version"])
    vaehelpers ...
    0
    """
    _clean_up_when_told_to_stop()
    try:
        status = cli.main(args=list(arguments), prog_name="vaehelpers", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except InputError as error:
        return _fail(str(error), 2, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; nothing was written", 130)
    except BrokenPipeError:
        # Whoever read our stdout has gone; Python must not complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        reason = f"{name}{error.strerror or error}"
        if error.errno in CANNOT_WRITE:
            return _fail(f"cannot write the result: {reason}; make room or choose another place", 2, arguments)
        return _fail(reason, 2 if isinstance(error, PermissionError) else 1, arguments)
    except MemoryError:
        return _fail("out of memory; give fewer rows or a smaller batch_size", 1, arguments)
    except Exception as error:
        text = str(error).strip().splitlines()
        message = f"{type(error).__name__}: {text[0] if text else 'no message'}"
        if isinstance(error, (vaehelpers.report.ReportError, vaehelpers.fleet.FleetError)):
            message = str(error)
        return _fail(f"{message} (--verbose shows the traceback)", 1, arguments)


def _clean_up_when_told_to_stop() -> None:
    """Leave through the ordinary way out on SIGTERM and, unless it is ignored (nohup), when the terminal closes."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminated)


def _terminated(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _fail(message: str, status: int, arguments: Sequence[str]) -> int:
    if "--verbose" in arguments:
        error = sys.exception()
        details = getattr(error, "details", "")
        click.echo(details or traceback.format_exc(), err=True)
    return _say(message, status)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, no_args_is_help=True)
@click.version_option(vaehelpers.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Find what is unusual in a time series, with a variational autoencoder.

    SERIES is a CSV or Parquet file, - for standard input, or the name of a known series (vaehelpers data list).
    """


for command in (report, fit, score, watch, compare, fleet, bench, params, data_group):
    cli.add_command(command)
