"""One family of detectors: the VAE and its baselines, in memory, out of core and row by row."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["BaseDetector", "NotFitted"],
        "onnx": ["OnnxScorer"],
        "outofcore": ["score_parts"],
        "point_baselines": ["MovingZScore", "RandomScore"],
        "prepared": ["Explanation"],
        "refit": ["RefittingStream"],
        "scorer": ["vus_pr_scorer"],
        "stream_alarms": ["StreamEvent"],
        "stream": ["StreamingDetector"],
        "vae": ["Detector"],
        "window_baselines": ["KMeansDistance", "MatrixProfile", "WindowedPCA"],
    },
)
