"""What a fresh process costs: import, first answer, resident memory; small searches; a large ingest in little memory."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import harness

FOLDER = pathlib.Path("build/bench-process")

IMPORT = "import time; t = time.perf_counter(); import {0}; print((time.perf_counter() - t) * 1e3)"
FIRST = """
import time; t = time.perf_counter()
import {0}
t_ = {0}.connect("{1}").open_table("t")
hits = t_.search([0.5] * 128).limit(10).to_list()
assert len(hits) == 10
ms = (time.perf_counter() - t) * 1e3
rss = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS"))
print(ms, rss / 1024)
"""
SMALL = """
import time, {0}
t_ = {0}.connect("memory://").create_table("t", [{{"id": i, "vector": [float(i), 0.0]}} for i in range(10)])
best = 1e9
for _ in range({1}):
    t = time.perf_counter()
    hits = t_.search([1.2, 0.0]).limit(10).to_list()
    best = min(best, time.perf_counter() - t)
assert len(hits) == 10
print(best * 1e6)
"""
INGEST = """
import numpy as np, pyarrow as pa, quiver, harness
def batches():
    random = np.random.default_rng(0)
    for i in range({0}):
        flat = pa.array(random.standard_normal(10_000 * 768, dtype=np.float32))
        yield pa.record_batch({{"id": pa.array(np.arange(i * 10_000, (i + 1) * 10_000)), "vector": pa.FixedSizeListArray.from_arrays(flat, 768)}})
before = harness.resident_bytes()
t = quiver.connect("{1}").create_table("big", batches(), mode="overwrite")
assert t.version == 1 and len(t) == {0} * 10_000
print(harness.peak_bytes() / 1e6, before / 1e6)
"""


def run(code):
    paths = os.pathsep.join(filter(None, ["bench", os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": ""}  # compiled modules are what users import
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    if out.returncode:
        raise SystemExit(out.stderr)
    return [float(x) for x in out.stdout.split()]


def main():
    import lancedb
    import numpy as np

    import quiver

    shutil.rmtree(FOLDER, ignore_errors=True)
    random = np.random.default_rng(5)
    data = [{"id": i, "vector": random.random(128).tolist()} for i in range(1000)]
    quiver.connect(FOLDER / "quiver").create_table("t", data)
    lancedb.connect(FOLDER / "lancedb").create_table("t", data)
    result = {
        "import_ms": {m: min(run(IMPORT.format(m))[0] for _ in range(5)) for m in ("quiver", "lancedb", "pyarrow")},
        "first_answer_ms": {},
        "resident_mb": {},
        "small_search_us": {"quiver": run(SMALL.format("quiver", 5000))[0], "lancedb": run(SMALL.format("lancedb", 300))[0]},
    }
    for name in ("quiver", "lancedb"):
        runs = [run(FIRST.format(name, FOLDER / name)) for _ in range(5)]
        result["first_answer_ms"][name] = min(r[0] for r in runs)
        result["resident_mb"][name] = min(r[1] for r in runs)
    started = time.perf_counter()
    peak, before = run(INGEST.format(100, FOLDER / "ingest"))
    result["ingest_3gb"] = {"peak_mb": peak, "before_mb": before, "seconds": time.perf_counter() - started}
    wheels = sorted(pathlib.Path("dist").glob("quiver-*.whl"))
    if wheels:
        result["wheel_mb"] = wheels[-1].stat().st_size / 1e6
    print(json.dumps(result, indent=1))
    harness.save("process", result)
    shutil.rmtree(FOLDER, ignore_errors=True)


main()
