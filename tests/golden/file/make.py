#!/usr/bin/env python3
"""Writes the golden data files of this folder with pylance: NAME.lance and, beside it, NAME.arrow with what a reader must see.

    python make.py          (needs pylance and pyarrow; see README.md for the versions that made the files kept here)
"""
import decimal, glob, os, random, shutil, tempfile
import lance, numpy as np, pyarrow as pa

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = ('2.0', '2.1', '2.2')
E = 'lance-encoding:'
random.seed(7)
rng = np.random.default_rng(7)


def save(name, table, version, expected=None, batch_rows=None):
    folder = tempfile.mkdtemp()
    data = table
    if batch_rows:
        whole = table.combine_chunks()
        data = pa.RecordBatchReader.from_batches(table.schema, [b for i in range(0, len(whole), batch_rows)
                                                                for b in whole.slice(i, batch_rows).combine_chunks().to_batches()])
    lance.write_dataset(data, folder + '/t', data_storage_version=version)
    (path,) = glob.glob(folder + '/t/data/*.lance')
    stem = f'{HERE}/{name}_{version.replace(".", "")}'
    shutil.copy(path, stem + '.lance')
    beside = path[:-len('.lance')]
    shutil.rmtree(stem, ignore_errors=True)
    if os.path.isdir(beside):  # objects of blobs
        shutil.copytree(beside, stem)
    expected = table if expected is None else expected
    with pa.OSFile(stem + '.arrow', 'wb') as f, pa.ipc.new_file(f, expected.schema, options=pa.ipc.IpcWriteOptions(compression='zstd')) as w:
        w.write_table(expected.combine_chunks())
    shutil.rmtree(folder)


def nullable(n, share=0.2):
    return rng.random(n) < share


def scalars(n):
    c = {}
    for w in (8, 16, 32, 64):
        c[f'i{w}'] = pa.array(rng.integers(-2**(w - 1), 2**(w - 1) - 1, n), pa.int64(), mask=nullable(n)).cast(f'int{w}')
        c[f'u{w}'] = pa.array(rng.integers(0, 50, n).astype(f'uint{w}'), mask=nullable(n))
    c['f16'] = pa.array(rng.random(n).astype(np.float16))
    c['f32'] = pa.array(rng.random(n).astype(np.float32), mask=nullable(n))
    c['f64low'] = pa.array(rng.integers(0, 9, n) / 7)
    c['runs'] = pa.array(np.arange(n) // 50)
    c['bool'] = pa.array(rng.random(n) < 0.5, mask=nullable(n))
    c['const'] = pa.array(np.full(n, 7, np.int32), mask=nullable(n))
    c['conststr'] = pa.array(['hello'] * n, mask=nullable(n))
    c['constbool'] = pa.array([True] * n)
    c['constwide'] = pa.array([b'x' * 40] * n, pa.binary(40))
    c['str'] = pa.array([f'str{i}' for i in rng.integers(0, 10**6, n)], mask=nullable(n))
    c['lstr'] = pa.array([f'{i}' for i in rng.integers(0, 10**6, n)], pa.large_utf8())
    c['lowstr'] = pa.array([f'cat{i}' for i in rng.integers(0, 12, n)], mask=nullable(n))
    c['bin'] = pa.array([rng.bytes(int(k) + 1) for k in rng.integers(0, 9, n)], pa.binary(), mask=nullable(n))
    c['lbin'] = pa.array([rng.bytes(int(k) + 1) for k in rng.integers(0, 9, n)], pa.large_binary())
    c['allnull'], c['allnullstr'], c['null'] = pa.nulls(n, pa.int32()), pa.nulls(n, pa.utf8()), pa.nulls(n)
    c['fsb3'] = pa.array([rng.bytes(3) for _ in range(n)], pa.binary(3), mask=nullable(n))
    c['fsb16'] = pa.array([rng.bytes(16) for _ in range(n)], pa.binary(16))
    c['date32'] = pa.array(rng.integers(0, 20000, n).astype(np.int32), mask=nullable(n)).cast(pa.date32())
    c['ts'] = pa.array(rng.integers(0, 10**15, n), mask=nullable(n)).cast(pa.timestamp('us', 'UTC'))
    c['t64'] = pa.array(rng.integers(0, 86400 * 10**6, n)).cast(pa.time64('us'))
    c['dur'] = pa.array(rng.integers(0, 10**9, n)).cast(pa.duration('ms'))
    c['dec128'] = pa.array([decimal.Decimal(int(x)) / 100 for x in rng.integers(-10**9, 10**9, n)], pa.decimal128(20, 2), mask=nullable(n))
    c['dec256'] = pa.array([decimal.Decimal(int(x)) / 100 for x in rng.integers(-10**9, 10**9, n)], pa.decimal256(50, 2))
    c['dict'] = pa.array([f'v{i}' for i in rng.integers(0, 9, n)], pa.utf8(), mask=nullable(n)).dictionary_encode()
    return pa.table(c)


def value(t, nulls, depth=0):
    """A random value of a type, null now and then."""
    if pa.types.is_null(t) or (nulls and random.random() < nulls):
        return None
    if pa.types.is_struct(t):
        return {f.name: value(f.type, nulls, depth + 1) for f in t}
    if pa.types.is_map(t):
        return [(f'k{j}', value(t.item_type, nulls, depth + 1)) for j in range(random.randrange(4))]
    if pa.types.is_fixed_size_list(t):
        return [value(t.value_type, 0) for _ in range(t.list_size)]
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        n = random.randrange(5) if random.random() < .97 else random.randrange(200 // (depth + 1))
        return [value(t.value_type, nulls, depth + 1) for _ in range(n)]
    if pa.types.is_string(t):
        return random.choice(['', 'a', 'bb', f'longer string {random.randrange(1000)}'])
    if pa.types.is_boolean(t):
        return random.random() < .5
    if pa.types.is_floating(t):
        return random.randrange(1000) / 8
    return random.randrange(100)


def nested(n, version, nulls):
    s, l = pa.struct, pa.list_
    types = {'l': l(pa.int32()), 'll': l(l(pa.int64())), 'lll': pa.large_list(l(l(pa.int16()))), 'ls': l(pa.string()),
             'lbool': l(pa.bool_()), 'lv': l(l(pa.float32(), 4)), 'st': s([('a', pa.int32()), ('b', pa.string()), ('l', l(pa.int32()))]),
             'lst': l(s([('a', pa.int32()), ('c', s([('x', pa.float64()), ('y', l(pa.int8()))]))]))}
    if version != '2.0':
        types |= {'lwide': l(s([('w', l(pa.float32(), 80)), ('id', pa.int64())])), 'sll': s([('p', l(s([('q', l(pa.int32()))])))])}
    if version == '2.2':
        types |= {'map': pa.map_(pa.string(), pa.int32()), 'lmap': l(pa.map_(pa.string(), l(pa.int32())))}

    def no_null_structs(x, t):
        if pa.types.is_struct(t):
            return {f.name: no_null_structs((x or {}).get(f.name), f.type) for f in t}
        if pa.types.is_list(t) and x is not None:
            return [no_null_structs(y, t.value_type) for y in x]
        return x
    columns = {}
    for name, t in types.items():
        values = [value(t, nulls) for _ in range(12 if name == 'lwide' else n)] + [None] * (n - 12 if name == 'lwide' else 0)
        columns[name] = pa.array([no_null_structs(x, t) for x in values] if version == '2.0' else values, t)
    if version != '2.0':
        columns['nothing'] = pa.array([None if i % 2 else [] for i in range(n)], l(pa.int32()))
    return pa.table(columns)


def vector(n, dim, dtype, rows, items):
    v = rng.random(n * dim) < .5 if dtype == 'bool' else (rng.random(n * dim) * 100).astype(dtype)
    v = pa.array(v, mask=nullable(n * dim, .03) if items else None)
    return pa.FixedSizeListArray.from_arrays(v, dim, mask=pa.array(nullable(n)) if rows else None)


def vectors(n):
    c = {}
    for dtype in ('float32', 'float16', 'float64', 'uint8', 'bool'):
        for dim in (3, 8):
            c[f'{dtype}_{dim}_n'] = vector(n, dim, dtype, True, False)
    for rows, items, name in ((0, 0, ''), (1, 0, '_n'), (1, 1, '_in')):
        c['f32_72' + name] = vector(n, 72, 'float32', rows, items)
        c['f32_6' + name] = vector(n, 6, 'float32', rows, items)
    c['nest'] = pa.FixedSizeListArray.from_arrays(vector(n * 2, 4, 'float32', True, True), 2)
    return pa.table(c)


def strings(n, version):
    words = ['lorem', 'ipsum', 'dolor', 'sit', 'amet', 'consectetur']
    s = lambda k: ' '.join(random.choice(words) for _ in range(k))
    fields, arrays = [], []

    def add(name, array, **metadata):
        fields.append(pa.field(name, array.type, True, {E + k.replace('_', '-'): v for k, v in metadata.items()}))
        arrays.append(array)
    text = pa.array([f'http://example.com/{s(1)}/{i}' for i in range(n)], mask=nullable(n, .1))
    ints, floats = pa.array(rng.integers(0, 1000, n).astype(np.int32)), pa.array(np.cumsum(rng.random(n)))
    add('fsst', pa.array([f'http://example.com/{s(18)}/{i}' for i in range(n)], mask=nullable(n, .1)))
    add('long', pa.array([f'{i} {s(50)}' if i < 15 else None for i in range(n)]))
    add('huge', pa.array([f'{i} ' + s(8) * 720 if i < 1 else None for i in range(n)]))
    for scheme in ('zstd', 'lz4', 'fsst'):
        add(f'{scheme}_s', text, compression=scheme)
        add(f'{scheme}_i', ints, compression=scheme)
    add('bss', floats, compression='zstd', bss='on')
    packed = pa.struct([('a', pa.int32()), ('b', pa.float64())])
    add('packed', pa.StructArray.from_arrays([ints, floats], fields=list(packed)), packed='true')
    if version != '2.0':
        for kind in ('fullzip', 'miniblock'):
            for name, array in (('i', ints), ('b', pa.array(rng.random(n) < .5, mask=nullable(n))), ('s', text),
                                ('v', vector(n, 8, 'float32', True, True)), ('l', pa.array([value(pa.list_(pa.int32()), .1) for _ in range(n)], pa.list_(pa.int32())))):
                add(f'{kind}_{name}', array, structural_encoding=kind)
    if version == '2.2':
        mixed = pa.struct([('a', pa.int32()), ('s', pa.utf8())])
        add('packedvar', pa.StructArray.from_arrays([ints, pa.array([f'q{i}' for i in range(n)])], fields=list(mixed), mask=pa.array(nullable(n))), packed='true')
    return pa.table(arrays, schema=pa.schema(fields))


def chunks(n):
    return pa.table({'i': np.arange(n) * 3, 'r': rng.integers(0, 200, n).astype(np.int32), 'b': pa.array(rng.random(n) < .1),
                     's': pa.array([None if i % 11 == 0 else f'k{i % 17}' for i in range(n)]),
                     'l': pa.array([value(pa.list_(pa.int16()), .1) for _ in range(n)], pa.list_(pa.int16()))})


def main():
    for v in VERSIONS:
        save('scalars', scalars(130), v)
        save('nested', nested(70, v, .15), v)
        save('vectors', vectors(14), v)
        save('strings', strings(300, v), v)
        save('chunks', chunks(1500), v)
        blobs = [b'hello', None, b'', rng.bytes(300), b'x' * 66000]
        schema = pa.schema([pa.field('id', pa.int64()), pa.field('b', pa.large_binary(), metadata={E + 'blob': 'true'})])
        save('blob', pa.table([pa.array(range(5)), pa.array(blobs, pa.large_binary())], schema=schema), v)
    sparse = pa.array([[] if i % 900 else [1, 2] for i in range(66000)], pa.list_(pa.int8()))
    save('sparse', pa.table({'l': sparse}), '2.2')


if __name__ == '__main__':
    main()
