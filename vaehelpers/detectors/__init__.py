"""One family of detectors: the VAE and its baselines, in memory, out of core and row by row."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baseline": ["Baseline"],
        "baselines": ["BASELINES", "make_baseline"],
        "outofcore": ["score_parts"],
        "point_baselines": ["AbsoluteDifference", "MovingVariance", "MovingZScore", "RandomScore"],
        "saved": ["load_detector_info"],
        "settings": ["PRESETS"],
        "stream": ["StreamPoint", "StreamingDetector", "trailing_scores"],
        "vae": ["Detector", "Explanation"],
        "window_baselines": ["KMeansDistance", "MatrixProfile", "WindowedPCA"],
    },
)
