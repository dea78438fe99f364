"""What `vaehelpers watch --refit-every` keeps beside its state: the detector as it was last updated.

The state names how many updates there were, and ``STATE.detector-N`` is the detector after the N-th. It is written
before the state that needs it, and removed after the state that no longer does: a kill at any moment leaves a state
with its detector, and at most one folder too many, which the next save removes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError

if TYPE_CHECKING:
    from vaehelpers.detectors.refit import RefittingStream
    from vaehelpers.detectors.stream import StreamingDetector
    from vaehelpers.detectors.vae import Detector

    Stream = StreamingDetector | RefittingStream


class Refits:
    """Whether and when a stream learns on, and where its detector is kept.

    Parameters
    ----------
    state : str or None
        The file of --state.
    before : mapping or None
        The stream in it.
    every, on : int or None
        From the command line; what the state says where they are None.
    tell : callable
        Takes what the updates say.
    """

    def __init__(
        self,
        state: str | None,
        before: Mapping[str, Any] | None,
        *,
        every: int | None,
        on: int | None,
        tell: Callable[[str], object],
    ):
        self.state = None if state is None else Path(os.path.realpath(state))
        self.every, self.on, self.tell = every, on, tell
        saved = (before or {}).get("refit")
        done = saved.get("refits") if isinstance(saved, Mapping) else 0
        if isinstance(done, bool) or not isinstance(done, int) or done < 0:
            raise InputError(f"{state} is damaged (refits {str(done)[:40]}); name another file with --state")
        self._kept = done
        self.folder = None if not done or self.state is None else self._name(done)
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"{self.folder} is missing, the detector that {state} goes on with; start another state")

    def _name(self, number: int) -> Path:
        assert self.state is not None
        return self.state.with_name(f"{self.state.name}.detector-{number}")

    def begin(self, detector: Detector, plain: StreamingDetector) -> Stream:
        """Start a stream."""
        from vaehelpers.detectors.refit import RefittingStream

        if self.every is None:
            return plain
        return RefittingStream(detector, every=self.every, on=self.on, gap_limit=plain.gap_limit, tell=self.tell)

    def go_on(self, detector: Detector, state: Mapping[str, Any]) -> Stream:
        """Go on with a stream."""
        from vaehelpers.detectors.refit import RefittingStream
        from vaehelpers.detectors.stream import StreamingDetector

        if "refit" in state:
            stream = RefittingStream.from_state(detector, state)
            stream.tell = self.tell
            if self.every is not None:
                stream.set_pace(self.every, self.on)
            return stream
        plain = StreamingDetector.from_state(detector, state)
        fresh = self.begin(detector, plain)
        if fresh is not plain:
            fresh.stream, fresh.rows = plain, plain.rows  # type: ignore[union-attr]
            fresh.set_pace(fresh.every, fresh.on)  # type: ignore[union-attr]
        return fresh

    def keep(self, stream: Stream) -> None:
        """Save the updated detector, before the state that needs it is written."""
        done = getattr(stream, "refits", 0)
        if self.state is not None and done > self._kept:
            stream.detector.save(self._name(done), force=True)

    def forget(self, stream: Stream) -> None:
        """Remove the detectors of earlier states, after the new one is written."""
        done = getattr(stream, "refits", 0)
        if self.state is None or done <= self._kept:
            return
        self._kept = done
        pattern = re.compile(re.escape(self.state.name) + r"\.detector-(\d+)")
        for place in self.state.parent.iterdir():
            match = pattern.fullmatch(place.name)
            if match and int(match[1]) != done:
                shutil.rmtree(place, ignore_errors=True)
