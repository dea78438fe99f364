"""The training loop: budget, early stopping, interrupt, no copies of windows."""

import numpy as np
import pytest

from vaehelpers.common import InputError
from vaehelpers.model import LSTMVAE, kl_per_dimension, train

T = 10


def noise(n=500, features=1):
    return np.random.default_rng(0).normal(size=(n, features)).astype(np.float32)


def small(**options):
    return LSTMVAE(T, 1, 2, units=4, **options)


def test_history_counts_what_was_run():
    calls = []
    history = train(
        small(),
        noise(),
        np.arange(400),
        steps=30,
        batch_size=8,
        evaluations=3,
        progress=lambda *call: calls.append(call),
    )
    assert history.frame["step"].tolist() == [10, 20, 30]
    assert history.stopped == "budget"
    assert calls[-1] == ("training", 30, 30)
    assert np.isfinite(history.frame[["loss", "nll", "kl"]].to_numpy()).all()
    assert history.windows_per_second > 0


def test_with_a_linear_path_the_kl_counts_from_the_first_step():
    history = train(small(), noise(), np.arange(400), steps=6, batch_size=8, evaluations=3)
    assert history.frame["beta"].tolist() == [1.0, 1.0, 1.0]


def test_without_it_the_kl_is_warmed_up_over_the_first_third():
    history = train(small(linear_path=False), noise(), np.arange(400), steps=60, batch_size=8, evaluations=6)
    beta = history.frame["beta"].to_numpy()
    assert beta[0] < 0.6
    assert beta[-1] == 1.0
    assert np.all(np.diff(beta) >= 0)


def test_noise_cannot_be_learnt_so_training_stops_early_and_keeps_the_best():
    model = small()
    history = train(
        model,
        noise(),
        np.arange(200),
        val_starts=np.arange(300, 480),
        steps=4_000,
        batch_size=8,
        evaluations=100,
        patience=3,
        learning_rate=2e-2,
    )
    assert history.stopped == "early"
    assert history.steps < 4_000
    assert history.frame["val_loss"].min() == pytest.approx(
        history.frame.loc[history.frame["step"] == history.best_step, "val_loss"].iloc[0]
    )


def test_interrupt_keeps_the_best_so_far():
    model = small()

    def interrupt(stage, done, total):
        if done >= 20:
            raise KeyboardInterrupt

    history = train(model, noise(), np.arange(400), steps=100, batch_size=8, evaluations=10, progress=once(interrupt))
    assert history.stopped == "interrupt"
    assert history.steps == 20
    assert np.isfinite(np.asarray(model(noise(T).reshape(1, T, 1)))).all()


def once(hook):
    """The training reports its end as well; interrupt only the first time."""
    state = {"raised": False}

    def progress(*call):
        if not state["raised"]:
            try:
                hook(*call)
            except KeyboardInterrupt:
                state["raised"] = True
                raise

    return progress


@pytest.mark.slow
def test_free_bits_keep_the_latent_alive():
    """On pure noise the posterior collapses; with free bits it keeps what costs nothing."""
    kls = {}
    for nats in (0.0, 0.5):
        model = small(linear_path=False, free_bits=nats)
        train(model, noise(2_000), np.arange(1_900), steps=300, batch_size=64, evaluations=1, learning_rate=1e-2)
        mu, log_var = model.encode(noise(2_000)[: 190 * T].reshape(190, T, 1))
        kls[nats] = float(np.mean(np.asarray(kl_per_dimension(mu, log_var))))
    assert kls[0.5] > 3 * kls[0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"series": noise(features=2)}, "2 variables and the model 1"),
        ({"starts": []}, "no window of 10 rows"),
        ({"starts": [495]}, "reaches outside the 500 rows"),
        ({"series": np.full((500, 1), np.nan)}, "NaN or infinite"),
        ({"steps": 0}, "steps=0"),
        ({"learning_rate": 1e9, "clip_norm": 1e9, "steps": 400}, "the loss became"),
    ],
)
def test_bad_input_names_what_was_wrong(options, message):
    arguments = {"series": noise(), "starts": np.arange(400), "steps": 5, "batch_size": 8, "evaluations": 5, **options}
    with pytest.raises(InputError, match=message):
        train(small(), arguments.pop("series"), arguments.pop("starts"), **arguments)
