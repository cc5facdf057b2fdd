"""Quiver's main job on real text: embed, store, search, and open the same table with another library.

The text is what every machine has: the documentation strings of Python's standard library, its language reference
(the pages behind `help("topics")`), and the manual pages of this machine if there are any.
"""

import ast
import gzip
import pathlib
import re
import sys
import sysconfig
import time

import numpy as np
import pyarrow as pa
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

import quiver

DIMENSIONS = 256
MOST_PASSAGES = 12_000
QUESTIONS = [
    "compress a file with gzip",
    "wait until a thread has finished",
    "parse the arguments of a command line program",
    "how do I sort a list by a key function",
    "exact decimal arithmetic without rounding errors",
]


def docstrings():
    """(source, text) of each documented module, class and function of the standard library."""
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    skip = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "turtledemo"}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if skip & set(inside.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        module = ".".join(inside.with_suffix("").parts)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node)
                if text:
                    name = getattr(node, "name", "")
                    yield f"python {module}{'.' + name if name else ''}", text


def reference_pages():
    """(source, paragraph) of the language reference that ships with pydoc."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for topic, page in sorted(topics.items()):
        for paragraph in page.split("\n\n"):
            yield f"reference {topic}", paragraph


def manual_pages(most=1500):
    """(source, paragraph) of this machine's manual pages, markup removed."""
    for path in sorted(pathlib.Path("/usr/share/man").glob("man[1-8]/*"))[:most]:
        try:
            raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
        except OSError:
            continue
        text = raw.decode("utf-8", "replace")
        if "\n.Dd " in text:  # another markup language, with its own words
            continue
        text = re.sub(r'^[.\'](\\"|de |ds |if |ie |el |TH ).*$', "", text, flags=re.M)
        text = re.sub(r"^\.(SH|SS|PP|P|LP|TP|IP|Pp|Sh).*$", "\n", text, flags=re.M)
        text = re.sub(r"^\.[A-Za-z]+ ?", "", text, flags=re.M)
        text = re.sub(r"\\f.|\\s[+-]?\d|\\&|\\\|", "", text).replace("\\-", "-").replace("\\(aq", "'")
        for paragraph in text.split("\n\n"):
            yield f"manual {path.name.split('.')[0]}", paragraph


def passages():
    """Readable passages, each once, as (source, text)."""
    seen = set()
    for pages in (docstrings(), reference_pages(), manual_pages()):
        for source, text in pages:
            text = re.sub(r"\s+", " ", text).strip()[:600]
            if len(text) >= 60 and text not in seen and len(seen) < MOST_PASSAGES:
                seen.add(text)
                yield source, text


def embedding(texts):
    """A function text -> unit vectors, learned from the passages themselves (TF-IDF, then truncated SVD)."""
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2, max_features=30_000)
    svd = TruncatedSVD(DIMENSIONS, n_iter=2, random_state=0)

    def unit(matrix):
        matrix = matrix.astype(np.float32)
        return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)

    vectors = unit(svd.fit_transform(words.fit_transform(texts)))
    return vectors, lambda sentences: unit(svd.transform(words.transform(sentences)))


def batches(rows, vectors, size=1000):
    """Arrow batches, as a stream that need not fit in memory would come."""
    for at in range(0, len(rows), size):
        part = rows[at : at + size]
        values = pa.array(vectors[at : at + size].reshape(-1))
        yield pa.record_batch(
            {
                "id": pa.array(range(at, at + len(part)), pa.int64()),
                "source": pa.array([source for source, _ in part]),
                "text": pa.array([text for _, text in part]),
                "vector": pa.FixedSizeListArray.from_arrays(values, DIMENSIONS),
            }
        )


def disk_bytes(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")
    started = time.perf_counter()
    rows = list(passages())
    print(f"read     {len(rows):,} passages in {time.perf_counter() - started:.1f} s, e.g. {rows[0][0]}: {rows[0][1][:60]}...")

    started = time.perf_counter()
    vectors, embed = embedding([f"{source.replace('.', ' ')} {text}" for source, text in rows])
    print(f"embedded into {DIMENSIONS} dimensions in {time.perf_counter() - started:.1f} s (TF-IDF, truncated SVD)")

    db = quiver.connect(folder)
    db.drop_table("passages", ignore_missing=True)
    stream = batches(rows, vectors)
    schema = next(batches(rows[:1], vectors[:1])).schema
    table = db.create_table("passages", schema=schema)
    started = time.perf_counter()
    table.add(stream, progress=True)
    seconds = time.perf_counter() - started
    size = disk_bytes(table.uri)
    print(f"stored   {len(table):,} rows durably in {seconds * 1000:.0f} ms, {size / 1e6:.1f} MB in {table.uri}")

    for question, vector in zip(QUESTIONS, embed(QUESTIONS)):
        started = time.perf_counter()
        hits = table.search(vector).distance_type("cosine").select(["source", "text"]).limit(3).to_list()
        micros = (time.perf_counter() - started) * 1e6
        print(f"\n  {question}?   ({micros:,.0f} us, exact)")
        for hit in hits:
            print(f"    {1 - hit['_distance']:.2f}  {hit['source']:<34.34} {hit['text'][:88]}")

    import lance

    other = lance.dataset(table.uri)
    assert other.count_rows() == len(table)
    assert other.take([0], columns=["text"]).column("text")[0].as_py() == rows[0][1]
    print(f"\npylance {lance.__version__} opens the same folder: {other.count_rows():,} rows, version {other.version}")
    print(
        f"""
Try next:
  make build && build/release/cli/quiver info {table.uri}
  build/release/cli/quiver search {table.uri} --row 42 -k 3 --columns source,text
  .venv/bin/python -c 'import quiver; print(quiver.connect("{folder}").open_table("passages").head(3))'
  make test    # the proof
  make help    # everything else"""
    )


if __name__ == "__main__":
    main()
