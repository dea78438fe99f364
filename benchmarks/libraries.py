"""Why two things are our own: import seconds of libraries for checked JSON, and workers that outlive a killed parent.

    python benchmarks/libraries.py

Libraries that are not installed are left out and named.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

IMPORTS = ("pydantic", "msgspec")
POOLS = {
    "concurrent.futures": "from concurrent.futures import ProcessPoolExecutor as Pool",
    "loky": "from joblib.externals.loky import ProcessPoolExecutor as Pool",
}
PARENT = """{pool}
import time
if __name__ == "__main__":
    with Pool(2) as pool:
        jobs = [pool.submit(time.sleep, 60) for _ in range(2)]
        [job.result() for job in jobs]
"""


def import_seconds(name: str) -> str:
    """Seconds to import a library in a fresh Python."""
    code = f"import time; begin = time.perf_counter(); import {name}; print(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return f"{float(done.stdout):.3f} s" if done.returncode == 0 else "not installed"


def survivors(pool: str) -> str:
    """How many workers are alive five seconds after their parent was killed."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(pool=pool)], stderr=subprocess.DEVNULL)
    time.sleep(6)
    listed = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True).stdout.split()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    time.sleep(5)
    alive = [child for child in listed if os.path.exists(f"/proc/{child}")]
    for child in alive:
        os.kill(int(child), signal.SIGKILL)
    return f"{len(alive)} of {len(listed)} processes alive"


if __name__ == "__main__":
    for name in IMPORTS:
        print(f"import {name}: {import_seconds(name)}")
    for name, pool in POOLS.items():
        print(f"{name}, 5 s after kill -9 of the parent: {survivors(pool)}")
