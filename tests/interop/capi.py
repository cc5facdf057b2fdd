"""The C interface through ctypes, as far as the interop tests of references need it."""

import ctypes as C
import json
import os
from pathlib import Path

import pyarrow as pa


class Error(C.Structure):
    _fields_ = [("status", C.c_int), ("sys_errno", C.c_int), ("message", C.c_char * 504)]


class Tag(C.Structure):
    _fields_ = [("name", C.c_char_p), ("version", C.c_uint64), ("branch", C.c_char_p), ("bytes", C.c_uint64)]


class Tags(C.Structure):
    _fields_ = [("n", C.c_size_t), ("tags", C.POINTER(Tag))]


class Branch(C.Structure):
    _fields_ = [("name", C.c_char_p), ("parent", C.c_char_p), ("version", C.c_uint64), ("created", C.c_int64), ("bytes", C.c_uint64)]


class Branches(C.Structure):
    _fields_ = [("n", C.c_size_t), ("branches", C.POINTER(Branch))]


class Version(C.Structure):
    _fields_ = [("version", C.c_uint64), ("timestamp_ns", C.c_int64)] + [
        (name, C.c_uint64)
        for name in ("total_rows", "total_fragments", "total_data_files", "total_data_file_rows", "total_deletion_files", "total_deletion_file_rows", "total_files_size")
    ]


class CleanupOptions(C.Structure):
    _fields_ = [
        ("struct_size", C.c_size_t), ("older_than_s", C.c_int64), ("retain_versions", C.c_uint64), ("delete_unverified", C.c_bool),
        ("error_if_tagged", C.c_bool),
    ] + [("job", C.c_uint64 * 5)]


class CleanupResult(C.Structure):
    _fields_ = [(name, C.c_uint64) for name in ("bytes", "versions", "data_files", "transaction_files", "index_files", "deletion_files")]


def library():
    built = Path(__file__).resolve().parents[2] / "build/release/libquiver.so"
    return C.CDLL(os.environ.get("QV_LIBRARY", str(built)))


def text(value):
    return None if value is None else str(value).encode()


class Handle:
    def __init__(self, lib, pointer, close):
        self.lib, self.pointer, self.close_name = lib, pointer, close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        getattr(self.lib, self.close_name)(self.pointer)

    def call(self, name, *args):
        error = Error()
        status = getattr(self.lib, name)(self.pointer, *args, C.byref(error))
        if status:
            raise RuntimeError(error.message.decode())


class Capi(Handle):
    def __init__(self, folder):
        lib, pointer, error = library(), C.c_void_p(), Error()
        assert lib.qv_db_open(text(folder), None, C.byref(pointer), C.byref(error)) == 0, error.message
        super().__init__(lib, pointer, "qv_db_close")

    def table(self, name, version=0):
        out = C.c_void_p()
        self.call("qv_db_open_table", text(name), C.c_uint64(version), C.byref(out))
        return Table(self.lib, out)

    def clone(self, name, uri, version=0, tag=None):
        out = C.c_void_p()
        self.call("qv_db_clone_table", text(name), text(uri), C.c_uint64(version), text(tag), C.byref(out))
        return Table(self.lib, out)


class Table(Handle):
    def __init__(self, lib, pointer):
        lib.qv_table_version.restype = C.c_uint64
        super().__init__(lib, pointer, "qv_table_close")

    @property
    def version(self):
        return self.lib.qv_table_version(self.pointer)

    def read(self):
        stream = (C.c_uint64 * 5)()
        self.call("qv_table_scan", None, stream)
        return pa.RecordBatchReader._import_from_c(C.addressof(stream)).read_all()

    def ids(self):
        return sorted(self.read()["id"].to_pylist())

    def append(self, rows):
        stream = (C.c_uint64 * 5)()
        rows.to_reader()._export_to_c(C.addressof(stream))
        self.call("qv_table_write", 0, stream, None, None)

    def checkout_tag(self, tag):
        self.call("qv_table_checkout_tag", text(tag))

    def checkout_latest(self):
        self.call("qv_table_checkout_latest")

    def restore(self, version):
        self.call("qv_table_restore", C.c_uint64(version))

    def tags(self):
        out = C.POINTER(Tags)()
        self.call("qv_table_tags", C.byref(out))
        result = {t.name.decode(): (t.version, t.branch and t.branch.decode()) for t in out.contents.tags[: out.contents.n]}
        self.lib.qv_tags_free(out)
        return result

    def tag_create(self, tag, version):
        self.call("qv_table_tag_create", text(tag), C.c_uint64(version))

    def tag_update(self, tag, version):
        self.call("qv_table_tag_update", text(tag), C.c_uint64(version))

    def tag_delete(self, tag):
        self.call("qv_table_tag_delete", text(tag))

    def branches(self):
        out = C.POINTER(Branches)()
        self.call("qv_table_branches", C.byref(out))
        result = {b.name.decode(): (b.parent and b.parent.decode(), b.version) for b in out.contents.branches[: out.contents.n]}
        self.lib.qv_branches_free(out)
        return result

    def branch_create(self, name, source=None, version=0):
        out = C.c_void_p()
        self.call("qv_table_branch_create", text(name), text(source), C.c_uint64(version), C.byref(out))
        return Table(self.lib, out)

    def branch_open(self, name, version=0):
        out = C.c_void_p()
        self.call("qv_table_branch_open", text(name), C.c_uint64(version), C.byref(out))
        return Table(self.lib, out)

    def branch_delete(self, name):
        self.call("qv_table_branch_delete", text(name))

    def versions(self):
        out, n = C.POINTER(Version)(), C.c_size_t()
        self.call("qv_table_versions", C.byref(out), C.byref(n))
        names = [name for name, _ in Version._fields_ if name.startswith("total_")]
        result = [{"version": v.version, "metadata": {name: str(getattr(v, name)) for name in names}} for v in out[: n.value]]
        self.lib.qv_versions_free(out)
        return result

    def stats(self):
        out = C.c_void_p()
        self.call("qv_table_stats", C.byref(out))
        result = json.loads(C.string_at(out))
        self.lib.qv_string_free(out)
        return result

    def uses_v2_names(self):
        out = C.c_bool()
        self.call("qv_table_uses_v2_manifest_names", C.byref(out))
        return out.value

    def migrate_names(self):
        self.call("qv_table_migrate_manifest_names")

    def cleanup(self, older_than_s=-1, retain_versions=0, delete_unverified=False, error_if_tagged=False):
        options = CleanupOptions(C.sizeof(CleanupOptions), older_than_s, retain_versions, delete_unverified, error_if_tagged)
        options.job[0] = 40
        result = CleanupResult()
        self.call("qv_table_cleanup", C.byref(options), C.byref(result))
        return {name: getattr(result, name) for name, _ in CleanupResult._fields_}
