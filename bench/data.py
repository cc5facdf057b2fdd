"""Real descriptors to measure with, made from the photographs of two Debian packages and kept in build/bench-data.

sift.npy     1,000,000 x 128 float32: SIFT descriptors (OpenCV) of the photographs at several scales, each once
hog.npy        200,000 x 960 float32: histograms of oriented gradients over patches (15 cells x 8 x 8 bins)
text.npy       100,000 x 256 float32: latent semantics of the definitions and examples of WordNet, of unit length

Each has 1,000 queries of its own: SIFT at a scale of the photographs that the rows do not have, patches and definitions left out.
"""

import pathlib
import subprocess

import numpy as np

FOLDER = pathlib.Path("build/bench-data")
PACKAGES = ("mate-backgrounds", "gnome-backgrounds")  # and wordnet-base


def photographs():
    names = []
    for package in PACKAGES:
        out = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout
        names += [n for n in out.splitlines() if n.lower().endswith((".jpg", ".jpeg", ".png", ".webp"))]
    return sorted(set(names))


def gray(name, scale):
    import cv2

    image = cv2.imread(name, cv2.IMREAD_GRAYSCALE)
    if image is None:
        return None
    factor = min(1.0, 3000 / max(image.shape)) * scale
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def sift(rows=1_000_000):
    """SIFT descriptors; if the photographs give fewer than wanted, rotated ones add to them."""
    path = FOLDER / f"sift-{rows}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    import cv2

    FOLDER.mkdir(parents=True, exist_ok=True)
    parts, count = [], 0
    detector = cv2.SIFT_create(nfeatures=0, contrastThreshold=0.01, edgeThreshold=20)
    for turn in (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180):
        for scale in (1.0, 0.71, 0.5, 0.35):
            for name in photographs():
                image = gray(name, scale)
                if image is None or count >= rows:
                    continue
                if turn is not None:
                    image = cv2.rotate(image, turn)
                _, found = detector.detectAndCompute(image, None)
                if found is not None:
                    parts.append(found.astype(np.float32))
                    count += len(found)
    data = np.concatenate(parts)[:rows]
    data = data[np.random.default_rng(0).permutation(len(data))]
    np.save(path, data)
    return np.load(path, mmap_mode="r")


def hog(rows=200_000):
    """960-d descriptors: 8 orientations in 15 x 8 cells of patches, normalised."""
    path = FOLDER / f"hog-{rows}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    import cv2

    FOLDER.mkdir(parents=True, exist_ok=True)
    height, width, cell, bins = 64, 120, 8, 8
    random, parts, count = np.random.default_rng(1), [], 0
    names = photographs()
    while count < rows:
        image = gray(names[random.integers(len(names))], float(random.choice([1.0, 0.71, 0.5])))
        if image is None or image.shape[0] <= height or image.shape[1] <= width:
            continue
        dx = cv2.Sobel(image, cv2.CV_32F, 1, 0)
        dy = cv2.Sobel(image, cv2.CV_32F, 0, 1)
        magnitude, angle = cv2.cartToPolar(dx, dy)
        kind = np.minimum((angle * (bins / (2 * np.pi))).astype(np.int32), bins - 1)
        planes = [cv2.boxFilter(np.where(kind == b, magnitude, 0), -1, (cell, cell), anchor=(0, 0)) for b in range(bins)]
        stack = np.stack(planes, axis=-1)
        n = min(4000, rows - count)
        ys = random.integers(0, image.shape[0] - height, n)
        xs = random.integers(0, image.shape[1] - width, n)
        offsets_y = np.arange(0, height, cell)
        offsets_x = np.arange(0, width, cell)
        patch = stack[ys[:, None, None] + offsets_y[None, :, None], xs[:, None, None] + offsets_x[None, None, :]]
        patch = patch.reshape(n, -1)
        parts.append((patch / np.maximum(np.linalg.norm(patch, axis=1, keepdims=True), 1e-6)).astype(np.float32))
        count += n
    np.save(path, np.concatenate(parts)[:rows])
    return np.load(path, mmap_mode="r")


def sift_queries(count=1000):
    path = FOLDER / f"sift-queries-{count}.npy"
    if not path.exists():
        import cv2

        detector = cv2.SIFT_create(nfeatures=0, contrastThreshold=0.01, edgeThreshold=20)
        parts = []
        for name in photographs():
            image = gray(name, 0.85)
            found = None if image is None else detector.detectAndCompute(image, None)[1]
            if found is not None:
                parts.append(found.astype(np.float32))
        every = np.concatenate(parts)
        np.save(path, every[np.random.default_rng(7).choice(len(every), count, replace=False)])
    return np.load(path)


def definitions():
    """One line per synset of WordNet: its words, definition and examples."""
    lines = []
    for part in ("noun", "verb", "adj", "adv"):
        for line in pathlib.Path(f"/usr/share/wordnet/data.{part}").read_text(encoding="utf-8", errors="replace").splitlines():
            head, bar, gloss = line.partition(" | ")
            fields = head.split()
            if bar and len(fields) > 4 and not line.startswith("  "):
                words = [fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16))]
                lines.append(" ".join(words) + ". " + gloss.strip())
    return lines


def text(dim=256, queries=1000):
    """(rows, queries): definitions as latent semantic vectors."""
    path = FOLDER / f"text-{dim}.npy"
    if not path.exists():
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        FOLDER.mkdir(parents=True, exist_ok=True)
        counts = TfidfVectorizer(sublinear_tf=True, min_df=3, stop_words="english").fit_transform(definitions())
        found = TruncatedSVD(dim, random_state=0).fit_transform(counts).astype(np.float32)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        found = found[lengths[:, 0] > 1e-6] / lengths[lengths[:, 0] > 1e-6]
        np.save(path, found[np.random.default_rng(8).permutation(len(found))])
    every = np.load(path, mmap_mode="r")
    return every[queries:], np.array(every[:queries])


def scalars(rows, seed=2):
    """Columns beside the vectors: an id, a category, a price, a label."""
    random = np.random.default_rng(seed)
    return {
        "id": np.arange(rows, dtype=np.int64),
        "category": random.integers(0, 100, rows).astype(np.int32),
        "price": np.round(random.gamma(2.0, 20.0, rows), 2),
        "label": [f"item {x}" for x in random.integers(0, 50_000, rows)],
    }


def arrow_table(vectors, seed=2):
    import pyarrow as pa

    columns = {k: pa.array(v) for k, v in scalars(len(vectors), seed).items()}
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns)


if __name__ == "__main__":
    print("sift", sift().shape, sift_queries().shape, "hog", hog().shape, "text", text()[0].shape)
