"""Slow, obvious twins of vaehelpers.thresholds: loops and brute force, to be read at a glance."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from scipy.integrate import simpson

from vaehelpers.thresholds import fit_gpd


def conformal_p(calibration, score):
    return (1 + sum(1 for value in calibration if value >= score)) / (len(calibration) + 1)


def quantile_line(calibration, rate):
    """Interpolate at position (n + 1)(1 - rate), counted from 1."""
    ordered = sorted(calibration)
    position = (len(ordered) + 1) * (1 - rate)
    below = math.floor(position + 1e-9)
    if below >= len(ordered):
        return ordered[-1]
    part = max(position - below, 0.0)
    return ordered[below - 1] * (1 - part) + ordered[below] * part


def event_rows(flags, merge, min_length):
    """List the flagged rows of each event."""
    found = []
    for row, flag in enumerate(flags):
        if not flag:
            continue
        if found and row - found[-1][-1] - 1 <= merge:
            found[-1].append(row)
        else:
            found.append([row])
    return [rows for rows in found if len(rows) >= min_length]


def budget_line(scores, alarms, per_rows, merge):
    """Walk down the scores; stop at the last one that raises the number of events and keeps the budget."""
    known = [score for score in scores if not math.isnan(score)]
    allowed = math.floor(alarms * len(known) / per_rows + 1e-9)
    line, most = max(known), 0
    for candidate in sorted(set(known), reverse=True):
        count = len(event_rows([score >= candidate for score in scores], merge, 1))
        if count > allowed:
            break
        if count > most:
            line, most = candidate, count
    return line


def mean_run_length(scores, line, apart):
    """Runs of high scores, a new one after `apart` low ones."""
    runs = event_rows([score > line for score in scores], apart, 1)
    return sum(len(run) for run in runs) / len(runs)


def gpd_log_likelihood(gamma, sigma, excesses, censored=()):
    tail = stats.genpareto(gamma, scale=sigma)
    return tail.logpdf(excesses).sum() + (tail.logsf(censored).sum() if len(censored) else 0.0)


def predictive_survival(excesses, at, censored=()):
    """Average the GPD survival function over a grid of (gamma, log sigma): flat prior on gamma >= -1, 1/sigma."""
    gammas = np.linspace(-1.0, 3.0, 801)
    log_sigmas = np.log(np.mean(excesses)) + np.linspace(-4.0, 3.0, 701)
    sigma = np.exp(log_sigmas)
    log_density = np.empty((gammas.size, sigma.size))
    survival = np.empty((gammas.size, sigma.size))
    for i, gamma in enumerate(gammas):
        gamma = gamma if abs(gamma) > 1e-6 else 1e-6
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = 1 + gamma * np.asarray(excesses)[:, None] / sigma
            log_density[i] = -len(excesses) * np.log(sigma)
            logs = -(1 + 1 / gamma) * np.log(np.maximum(inside, 1e-300))
            log_density[i] += np.where(inside > 0, logs, -np.inf).sum(0)
            for hidden in censored:
                beyond = np.maximum(1 + gamma * hidden / sigma, 0.0)
                log_density[i] += -np.log(beyond) / gamma
            survival[i] = np.maximum(1 + gamma * at / sigma, 0.0) ** (-1 / gamma)
    weight = np.exp(log_density - log_density.max())
    both, alone = (simpson(simpson(values, x=log_sigmas), x=gammas) for values in (weight * survival, weight))
    return both / alone


def gpd_line(start, gamma, sigma, ratio):
    if abs(gamma) < 1e-9:
        return start - sigma * math.log(ratio)
    return start + sigma / gamma * (ratio**-gamma - 1)


def published_spot(calibration, stream, rate, start):
    """Algorithm 1 of Siffer et al. 2017, alarms dropped; refits after every 2% of new excesses."""
    excesses = [score - start for score in calibration if score > start]
    count, total = len(calibration), len(excesses)
    line = gpd_line(start, *fit_gpd(excesses), rate * count / total)
    pending = 0
    flags = []
    for score in stream:
        if score > line:
            flags.append(True)
            continue
        flags.append(False)
        count += 1
        if score > start:
            excesses.append(score - start)
            total += 1
            pending += 1
            if pending >= max(1, len(excesses) // 50):
                line = gpd_line(start, *fit_gpd(excesses), rate * count / total)
                pending = 0
    return flags, line


def dspot_differences(scores, depth, flagged):
    """Subtract from each score the mean of the last `depth` unflagged scores before it."""
    window, result = [], []
    for score, flag in zip(scores, flagged):
        result.append(score - sum(window) / depth if len(window) == depth else None)
        if not flag:
            window.append(score)
            window = window[-depth:]
    return result


def runs_of(flags):
    return event_rows(flags, 0, 1)


def telemanom_cut(errors, zs):
    """Section 3.2 of Hundman et al. 2018, one candidate after the other."""
    mean, deviation = np.mean(errors), np.std(errors)
    best, cut = -np.inf, mean + zs[-1] * deviation
    for z in zs:
        line = mean + z * deviation
        below = [e for e in errors if e <= line]
        flags = [e > line for e in errors]
        if not any(flags) or deviation == 0:
            continue
        gain = ((mean - np.mean(below)) / abs(mean) if mean else 0) + (deviation - np.std(below)) / deviation
        value = gain / (sum(flags) + len(runs_of(flags)) ** 2)
        if value > best:
            best, cut = value, line
    return cut


def telemanom_prune(errors, flags, least):
    """Section 3.3: walk up from the lowest peak; what no step of more than `least` lifts out, is dropped."""
    runs = sorted(runs_of(flags), key=lambda rows: -max(errors[row] for row in rows))
    ladder = [max(errors[row] for row in rows) for rows in runs]
    ladder.append(max((e for e, flag in zip(errors, flags) if not flag), default=0.0))
    kept = 0
    for i in range(len(runs)):
        if ladder[i] != 0 and (ladder[i] - ladder[i + 1]) / abs(ladder[i]) > least:
            kept = i + 1
    result = [False] * len(errors)
    for rows in runs[:kept]:
        for row in rows:
            result[row] = True
    return result
