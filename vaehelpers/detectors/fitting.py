"""What the fit of a VAE decides from its settings, and what it notes of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from vaehelpers.detectors.settings import MANY, MANY_BATCH

if TYPE_CHECKING:
    from vaehelpers.model.training import History


def blocks_for_many(settings: dict[str, Any], n_features: int) -> tuple[dict[str, Any], list[str]]:
    """Settings to change for many variables (blocks that mix those of a row first, fewer windows a step), and notes."""
    if n_features <= MANY or not settings["mix_variables"]:
        return {}, []
    changed: dict[str, Any] = {}
    if settings["patch"] == 1:
        changed = {block: "mixed" for block in ("encoder", "decoder") if settings[block] == "dense"}
    if settings["batch_size"] > MANY_BATCH:
        changed["batch_size"] = MANY_BATCH
    if not changed:
        return {}, []
    said = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    return changed, [
        f"{n_features} variables are more than {MANY}, so the fit used {said}; mix_variables=False leaves them as they "
        "were."
    ]


def training_summary(
    first: History, second: History | None, wanted: int
) -> tuple[pd.DataFrame, dict[str, Any], list[str]]:
    """How the training went: its history, its figures and notes; `second` learned from the held-back rows as well."""
    history, last = first.frame, second or first
    summary: dict[str, Any] = {
        "steps": first.steps,
        "best_step": first.best_step,
        "stopped": last.stopped,
        "seconds": first.seconds,
        "windows_per_second": last.windows_per_second,
    }
    if second is not None:
        rest = second.frame.assign(
            step=second.frame["step"] + first.steps, seconds=second.frame["seconds"] + first.seconds
        )
        history = pd.concat([history, rest], ignore_index=True)
        summary["steps"] += second.steps
        summary["seconds"] += second.seconds
        summary["refit_step"] = first.steps
    if last.stopped != "interrupt":
        return history, summary, []
    kept = "the weights of that moment" if second else f"the best weights so far (step {first.best_step})"
    return history, summary, [f"The training was interrupted at step {summary['steps']} of {wanted}; {kept} are kept."]
