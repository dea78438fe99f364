"""Jobs on a cluster of Dask: a local one that is made for the occasion, or one that is there."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.fleet.jobs import failure, run_job, thread_settings

if TYPE_CHECKING:
    from distributed import Client

AT_ONCE = 500  # jobs that the scheduler knows at a time, so that a fleet of any size costs it the same
WAIT = 30  # seconds for a scheduler to answer


class FleetError(Exception):
    """The cluster could not do the work; what is done is on the disk, and the same call goes on."""

    __module__ = "vaehelpers.fleet"


def default_workers() -> int:
    """One worker for two cores: a small VAE gains little from more.

    Examples
    --------
    >>> default_workers() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


@contextlib.contextmanager
def open_client(workers: int, scheduler: str = "") -> Iterator[Client]:
    """Give a client of a scheduler that is there, or of a local cluster of so many processes.

    Raises
    ------
    InputError
        If Dask is not installed.
    FleetError
        If the scheduler does not answer.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            'a fleet needs dask.distributed, which is not installed: pip install "vaehelpers[fleet]"'
        ) from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=WAIT, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise FleetError(f"no scheduler answers at {scheduler} ({' '.join(str(error).split())[:200]})") from error
        with client, _silence():
            yield client
        return
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "PYTHONWARNINGS": "ignore",
        "DASK_LOGGING__DISTRIBUTED": "critical",  # a worker that is renewed is no news
        **thread_settings(workers),
    }
    with (
        # a worker is renewed after some fits and killed where it runs out of memory: neither is news
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            env=environment,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep Dask's own traceback off the screen where its scheduler dies: `FleetError` says it in one line."""
    children = {name: logging.getLogger(f"distributed.{name}") for name in ("client", "core", "comm")}
    levels = {name: one.level for name, one in children.items()}
    for one in children.values():
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, one in children.items():
            one.setLevel(levels[name])


def neighbours(client: Client) -> int:
    """The largest number of workers on one machine."""
    info = client.scheduler_info(n_workers=-1)["workers"]
    if not info:
        return 1
    return max(Counter(worker["host"] for worker in info.values()).values())


def run_here(jobs: Sequence[Mapping[str, Any]]) -> Generator[dict[str, Any]]:
    """Do jobs one after another in this process."""
    yield from map(run_job, jobs)


def run_on(client: Client, jobs: Sequence[Mapping[str, Any]]) -> Generator[dict[str, Any]]:
    """Do jobs on a cluster, and give their records as they come.

    A job whose worker is lost is given to another one, as often as ``distributed.scheduler.allowed-failures`` says (3).

    Raises
    ------
    FleetError
        If the scheduler is lost.
    """
    from distributed import KilledWorker, as_completed

    by_key = {f"vaehelpers-{job['run']}-{number}": dict(job) for number, job in enumerate(jobs)}
    waiting = iter(by_key.items())

    def submit(item: tuple[str, dict[str, Any]]) -> Any:
        key, job = item
        return client.submit(run_job, job, key=key, pure=False)

    running = as_completed([submit(item) for item in itertools.islice(waiting, AT_ONCE)], loop=client.loop)
    for future in running:
        job = by_key.pop(future.key)
        if future.status in ("cancelled", "lost"):
            raise FleetError(
                f"the scheduler was lost with {len(by_key) + 1} series to go; what is done is kept, and the same "
                "command goes on"
            )
        try:
            record = future.result()
        except KilledWorker as error:
            words = f"its worker died {error.allowed_failures + 1} times, most likely for want of memory"
            record = failure(job, words, "worker")
        except Exception as error:  # a worker without this package, for example
            record = failure(job, f"{type(error).__name__}: {error}", "worker")
        future.release()
        yield record
        for item in itertools.islice(waiting, 1):
            running.add(submit(item))
