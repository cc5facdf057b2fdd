"""The package as a guest in its process: what it imports, how it stops, that it lets others run."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

import quiver


def run(program, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True, **options
    ).stdout


def test_import_brings_nothing_else():
    loaded = run("import sys, quiver; print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))").split()
    assert not {"numpy", "pyarrow", "pandas", "polars", "pydantic", "lance", "tqdm"} & set(loaded)


def test_import_is_quick():
    """With compiled modules, as after the first import of an installation."""
    program = "import time; t = time.process_time(); import quiver; print(time.process_time() - t)"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    assert min(float(run(program, env=environment)) for _ in range(4)) < 0.030


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, pyarrow as pa, quiver

db = quiver.connect(sys.argv[1])
vectors = np.random.default_rng(1).random((200_000, 64), dtype=np.float32)
batch = pa.record_batch({"vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 64)})
t = db.create_table("t", batch)
queries = np.random.default_rng(2).random((20_000, 64), dtype=np.float32)

def endless():
    while True:
        yield batch

def reader():
    return pa.RecordBatchReader.from_batches(batch.schema, endless())

calls = {
    "search": lambda: t.search(queries).limit(10).to_list(),
    "python": lambda: t.add(endless()),
    "arrow": lambda: t.add(reader()),
    "create": lambda: db.create_table("u", reader()),
}

def press():
    global pressed
    time.sleep(0.5)
    pressed = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press).start()
try:
    calls[sys.argv[2]]()
except KeyboardInterrupt:
    waited = time.perf_counter() - pressed
    assert waited < 2, waited
    assert t.version == 1 and len(db["t"]) == 200_000
    assert len(t.search(queries[0]).to_list()) == 10
    print("stopped")
else:
    print("ran to its end")
"""


@pytest.mark.parametrize("call", ["search", "python", "arrow", "create"])
def test_ctrl_c(tmp_path, call):
    assert run(INTERRUPTED, tmp_path, call) == "stopped\n"


def test_signal_handler_is_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    t = quiver.connect(tmp_path).create_table("t", [{"id": 1, "vector": [0.0]}])
    t.search([0.0]).to_list()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_other_threads_run_meanwhile(tmp_path):
    vectors = np.zeros((200_000, 64), np.float32)
    t = quiver.connect(tmp_path).create_table("t", pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 64)}))
    ticks = 0
    done = threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    started = time.perf_counter()
    t.search(np.zeros((500, 64), np.float32)).limit(1).to_list()
    seconds = time.perf_counter() - started
    done.set()
    thread.join()
    assert ticks >= min(seconds, 10) * 20


def test_timeout_stops_a_search(tmp_path):
    import datetime

    vectors = np.random.default_rng(1).random((200_000, 64), dtype=np.float32)
    t = quiver.connect(tmp_path).create_table("t", pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 64)}))
    started = time.perf_counter()
    with pytest.raises(RuntimeError, match="Query timeout"):
        t.search(vectors[:20_000]).to_list(timeout=datetime.timedelta(milliseconds=50))
    assert time.perf_counter() - started < 3


def test_searches_from_many_threads(tmp_path):
    t = quiver.connect(tmp_path).create_table("t", [{"id": i, "vector": [float(i), 0.0]} for i in range(1000)])
    wrong = []

    def search(start):
        for i in range(start, 1000, 97):
            if t.search([float(i), 0.0]).limit(1).to_list()[0]["id"] != i:
                wrong.append(i)

    threads = [threading.Thread(target=search, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memory_comes_back():
    """Thousands of calls, also failing ones, leave no objects and no engine memory behind."""
    import gc
    import tracemalloc

    db = quiver.connect("memory://")
    t = db.create_table("t", [{"id": i, "s": f"x{i}", "vector": [float(i), 1.0]} for i in range(100)])

    def work():
        t.search([1.0, 1.0]).limit(5).to_list()
        t.search([[1.0, 1.0], [2.0, 2.0]]).limit(5).to_arrow()
        t.search().select(["id"]).to_list()
        t.take_offsets([1, 2]).to_list()
        for bad in (lambda: t.search([1.0]).to_list(), lambda: t.add([{"zz": 1}]), lambda: db.create_table("t", [{"a": object()}]), lambda: t.add([{"vector": [1.0]}])):
            with pytest.raises(ValueError):
                bad()

    for _ in range(20):
        work()
    gc.collect()
    tracemalloc.start()
    objects, live = len(gc.get_objects()), quiver._quiver.memory()[0]
    for _ in range(100):
        work()
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(gc.get_objects()) - objects < 200
    assert quiver._quiver.memory()[0] - live < 100_000
    assert traced < 200_000


def test_a_stream_outlives_its_table():
    stream = quiver.connect("memory://").create_table("t", [{"id": i} for i in range(10)])._scan()
    assert [row["id"] for row in stream.to_list()] == list(range(10))


def test_streams_are_taken_once():
    t = quiver.connect("memory://").create_table("t", [{"id": 1}])
    stream = t._scan()
    assert pa.table(stream).to_pylist() == [{"id": 1}]
    with pytest.raises(RuntimeError, match="read or handed on already"):
        stream.__arrow_c_stream__()
