"""One family of detectors: the VAE and its baselines, in memory, out of core and row by row."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["BaseDetector", "NotFitted"],
        "baseline": ["Baseline"],
        "baselines": ["BASELINES", "make_baseline"],
        "onnx": ["OnnxScorer"],
        "outofcore": ["score_parts"],
        "point_baselines": ["MovingZScore", "RandomScore"],
        "prepared": ["Explanation"],
        "refit": ["RefittingStream"],
        "saved": ["model_name"],
        "scorer": ["vus_pr_scorer"],
        "settings": [
            "DETECTOR_PARAMETERS",
            "PRESETS",
        ],
        "stream_alarms": ["StreamEvent"],
        "stream": ["StreamingDetector", "trailing_scores"],
        "vae": ["Detector"],
        "window_baselines": ["KMeansDistance", "MatrixProfile", "WindowedPCA"],
    },
)
