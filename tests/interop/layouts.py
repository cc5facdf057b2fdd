"""The C interface through ctypes, as far as the interop tests of index kinds and of compaction need it."""

import ctypes
import os

LABEL_LIST, NGRAM, ZONEMAP, BLOOMFILTER, JSON = 3, 4, 5, 6, 7


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("errno", ctypes.c_int), ("message", ctypes.c_char * 504)]


class IndexOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("name", ctypes.c_char_p),
                ("keep_existing", ctypes.c_bool), ("untrained", ctypes.c_bool), ("json_path", ctypes.c_char_p),
                ("json_kind", ctypes.c_int), ("rows_per_zone", ctypes.c_uint64)]


class CompactOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("target_rows", ctypes.c_uint64), ("max_deleted_share", ctypes.c_double),
                ("max_bytes_per_file", ctypes.c_uint64), ("defer_index_remap", ctypes.c_bool), ("no_binary_copy", ctypes.c_bool)]


def library():
    built = os.path.join(os.path.dirname(__file__), "../../build/release/libquiver.so")
    return ctypes.CDLL(os.environ.get("QV_LIBRARY", built))


def call(path, work):
    """work(library, table, error) -> status"""
    lib, err = library(), Error()
    db, table = ctypes.c_void_p(), ctypes.c_void_p()
    folder, name = os.path.split(str(path))
    status = lib.qv_db_open(folder.encode(), None, ctypes.byref(db), ctypes.byref(err))
    if not status:
        status = lib.qv_db_open_table(db, name.removesuffix(".lance").encode(), ctypes.c_uint64(0), ctypes.byref(table), ctypes.byref(err))
    if not status:
        status = work(lib, table, err)
    lib.qv_table_close(table)
    lib.qv_db_close(db)
    assert status == 0, err.message.decode()


def create_index(path, column, kind, name, rows_per_zone=0, json_path=None):
    options = IndexOptions(ctypes.sizeof(IndexOptions), kind, name.encode(), False, False, json_path and json_path.encode(), 0, rows_per_zone)
    call(path, lambda lib, table, err: lib.qv_table_create_index(table, column.encode(), ctypes.byref(options), ctypes.byref(err)))


def compact(path, target_rows=0, defer=False):
    options = CompactOptions(ctypes.sizeof(CompactOptions), target_rows, -1.0, 0, defer, False)
    call(path, lambda lib, table, err: lib.qv_table_compact(table, ctypes.byref(options), None, ctypes.byref(err)))


def answers(dataset, condition, indexed):
    return sorted(dataset.to_table(columns=["id"], filter=condition, use_scalar_index=indexed)["id"].to_pylist())
