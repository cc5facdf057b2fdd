"""The write buffer: small rows, durable and seen at once."""

import threading

import pytest

import quiver


@pytest.fixture
def t(tmp_path):
    return quiver.connect(tmp_path / "db").create_table("t", [{"id": 0, "s": "x", "vector": [0.0, 0.0]}])


def test_rows_are_seen_at_once(t):
    with t.write_buffer() as buffer:
        for i in range(1, 50):
            buffer.add([{"id": i, "s": f"w{i}", "vector": [float(i), 0.0]}])
            assert len(t) == i + 1
        assert t.version == 1
        assert t.count_rows("id > 40") == 9
        assert [row["id"] for row in t.search([30.2, 0.0]).limit(2).to_list()] == [30, 31]
        assert [row["id"] for row in t.search().where("s = 'w7'").to_list()] == [7]
        assert buffer.flush() == 2
        buffer.add([{"id": 99, "s": "last", "vector": [0.0, 1.0]}])
    assert t.version == 3
    assert len(quiver.connect(t._conn.uri)["t"]) == 51
    with pytest.raises(RuntimeError, match="closed"):
        buffer.add([{"id": 1, "s": "x", "vector": [0.0, 0.0]}])


def test_many_threads(t):
    with t.write_buffer(max_rows=64) as buffer:

        def work(k):
            for i in range(25):
                buffer.add([{"id": 1000 * k + i, "s": "t", "vector": [0.0, 0.0]}])

        threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(t) == 201
    assert len(set(t.to_arrow()["id"].to_pylist())) == 201


def test_what_the_buffer_refuses(t):
    with t.write_buffer() as buffer:
        with pytest.raises(ValueError):
            t.write_buffer()
        with pytest.raises(ValueError):
            buffer.add([{"id": 1, "nope": 2}])
        assert len(t) == 1
    t.add([{"id": 1, "s": "x", "vector": [0.0, 0.0]}])
    t.checkout(1)
    with pytest.raises(ValueError, match="checked out"):
        t.write_buffer()


def test_rows_survive_a_killed_process(tmp_path):
    import os
    import signal
    import subprocess
    import sys

    folder = tmp_path / "db"
    program = (
        "import os, quiver\n"
        f"t = quiver.connect({str(folder)!r}).create_table('t', [{{'id': 0}}])\n"
        "b = t.write_buffer()\n"
        "for i in range(1, 21): b.add([{'id': i}])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = os.pathsep.join([os.path.dirname(os.path.dirname(quiver.__file__)), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL
    t = quiver.connect(folder)["t"]
    with t.write_buffer():
        assert sorted(t.to_arrow()["id"].to_pylist()) == list(range(21))
    assert len(quiver.connect(folder)["t"]) == 21
