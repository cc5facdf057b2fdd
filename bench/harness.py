"""Measuring side by side: contestants take turns in one process, and the best of several rounds counts."""

import ctypes
import gc
import json
import os
import pathlib
import platform
import subprocess
import time

RESULTS = pathlib.Path("bench/results")


def best_of(contestants, rounds=5, warmup=1, budget_s=120.0):
    """{name: seconds}: each contestant's best round. Rounds are interleaved (a b c a b c ...), so that a machine that slows
    down slows everyone; a contestant that alone takes long gets fewer rounds."""
    best = dict.fromkeys(contestants, float("inf"))
    spent = dict.fromkeys(contestants, 0.0)
    for name, work in contestants.items():
        for _ in range(warmup):
            started = time.perf_counter()
            work()
            spent[name] += time.perf_counter() - started
    for _ in range(rounds):
        for name, work in contestants.items():
            if spent[name] > budget_s / len(contestants) and best[name] < float("inf"):
                continue
            gc.collect()
            started = time.perf_counter()
            work()
            seconds = time.perf_counter() - started
            spent[name] += seconds
            best[name] = min(best[name], seconds)
    return best


def drop_caches(folder):
    """Makes the next read of the folder's files come from storage."""
    os.sync()
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def folder_bytes(folder):
    return sum(p.stat().st_size for p in pathlib.Path(folder).rglob("*") if p.is_file())


def resident_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def read_bandwidth(array):
    """Bytes per second of the fastest plain read of `array` that we know: numpy's bitwise reduction over 64-bit words,
    and libc's memchr for a byte that is rare; the best of all rounds of the two."""
    import numpy as np

    words = array.reshape(-1).view(np.uint64)
    libc = ctypes.CDLL(None)
    libc.memchr.restype = ctypes.c_void_p
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    address, size = array.ctypes.data, array.nbytes
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        np.bitwise_or.reduce(words)
        best = max(best, size / (time.perf_counter() - started))
        started = time.perf_counter()
        at = 0
        while at < size:  # memchr stops at the byte: go on behind it
            found = libc.memchr(address + at, 0xFB, size - at)
            at = size if not found else found - address + 1
            if at < size and time.perf_counter() - started > 1:
                break
        if at >= size:
            best = max(best, size / (time.perf_counter() - started))
    return best


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return {"cpu": model, "cores": os.cpu_count(), "compiler": gcc, "system": f"{platform.system()} {platform.release().split('-')[0]}", "python": platform.python_version()}


def save(section, data):
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{section}.json"
    path.write_text(json.dumps({"machine": machine(), "date": time.strftime("%Y-%m-%d"), **data}, indent=1) + "\n")
    print(f"wrote {path}")


def pin(cores):
    os.sched_setaffinity(0, range(cores))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "QV_THREADS", "LANCE_CPU_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS"):
        os.environ[name] = str(cores)
