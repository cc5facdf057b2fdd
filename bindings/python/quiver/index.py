"""Which index to make: one small class per kind, given to ``Table.create_index(column, config=...)``."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Literal, Optional

    from .types import BaseTokenizerType


class Usual(int):
    """A default that the interface names, and that the engine is not bound to: it chooses, unless a number is given."""


_ITERATIONS, _SAMPLE_RATE, _NUM_BITS = Usual(50), Usual(256), Usual(8)


@dataclass
class BTree:
    """A sorted copy of the column: equality, ranges, prefixes, IN, nulls. For columns with many different values."""


@dataclass
class Bitmap:
    """The rows of each value: for columns with few different values."""


@dataclass
class LabelList:
    """The rows of each label in a list column: ``array_has``, ``array_has_any``, ``array_has_all``."""


@dataclass
class Fm:
    """Substrings of any length (not built by this version)."""


@dataclass
class NGram:
    """The rows of each run of three letters: ``contains``, ``LIKE '%x%'``, regular expressions with long enough literals."""


@dataclass
class ZoneMap:
    """Least and greatest value of each run of rows: small, inexact, good for columns that follow the order of the rows."""

    rows_per_zone: Optional[int] = None


@dataclass
class BloomFilter:
    """A Bloom filter of each run of rows: small, inexact, for equality and IN."""

    rows_per_zone: Optional[int] = None


@dataclass
class Json:
    """An index over the values at a path of a JSON column, of the kind ``target``: "BTREE" or another scalar kind."""

    path: str
    target: str = "BTREE"


@dataclass
class FTS:
    """Full-text search over a text column."""

    with_position: bool = False
    base_tokenizer: BaseTokenizerType = "simple"
    language: str = "English"
    max_token_length: Optional[int] = 40
    lower_case: bool = True
    stem: bool = True
    remove_stop_words: bool = True
    ascii_folding: bool = True
    ngram_min_length: int = 3
    ngram_max_length: int = 3
    prefix_only: bool = False
    block_size: int = 128
    custom_stop_words: Optional[List[str]] = None
    memory_limit: Optional[int] = None
    num_workers: Optional[int] = None


@dataclass
class Auto:
    """The kind and its settings are chosen from the column and its rows: for vectors so that a search with nothing set finds 95 of 100
    nearest neighbours and more, for other columns a :class:`BTree`."""

    distance_type: Literal["l2", "cosine", "dot", "hamming"] = "l2"


@dataclass
class HnswPq:
    """Cells with a graph in each, over product-quantised vectors."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    num_sub_vectors: Optional[int] = None
    num_bits: int = 8
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    m: int = 20
    ef_construction: int = 300
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


@dataclass
class HnswSq:
    """Cells with a graph in each, over vectors of one byte per dimension."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    m: int = 20
    ef_construction: int = 300
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


@dataclass
class HnswFlat:
    """Cells with a graph in each, over the vectors themselves."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    m: int = 20
    ef_construction: int = 300
    target_partition_size: Optional[int] = None


IvfHnswPq = HnswPq
IvfHnswSq = HnswSq
IvfHnswFlat = HnswFlat


@dataclass
class IvfFlat:
    """Cells of whole vectors."""

    distance_type: Literal["l2", "cosine", "dot", "hamming"] = "l2"
    num_partitions: Optional[int] = None
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


@dataclass
class IvfSq:
    """Cells of vectors of one byte per dimension."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


@dataclass
class IvfPq:
    """Cells of product-quantised vectors. With neither ``num_sub_vectors`` nor ``num_bits`` set, 4 bits for every two values where the
    dimension allows: as large as 8 bits for four, and searched faster."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    num_sub_vectors: Optional[int] = None
    num_bits: int = _NUM_BITS
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


@dataclass
class IvfRq:
    """Cells of RaBitQ codes."""

    distance_type: Literal["l2", "cosine", "dot"] = "l2"
    num_partitions: Optional[int] = None
    num_bits: int = 1
    max_iterations: int = _ITERATIONS
    sample_rate: int = _SAMPLE_RATE
    target_partition_size: Optional[int] = None
    accelerator: Optional[str] = None


# the number of the kind in the engine
VECTOR_KINDS = {
    IvfFlat: 101,
    IvfSq: 102,
    IvfPq: 103,
    HnswSq: 104,
    HnswPq: 105,
    HnswFlat: 106,
    IvfRq: 107,
}
SCALAR_KINDS = {BTree: 1, Bitmap: 2, LabelList: 3, NGram: 4, ZoneMap: 5, BloomFilter: 6, Json: 7}
KIND_NAMES = {
    "BTREE": 1,
    "BITMAP": 2,
    "LABEL_LIST": 3,
    "NGRAM": 4,
    "ZONEMAP": 5,
    "BLOOMFILTER": 6,
}
# as the older form of create_index names them
VECTOR_NAMES = {
    "IVF_FLAT": IvfFlat,
    "IVF_SQ": IvfSq,
    "IVF_PQ": IvfPq,
    "IVF_RQ": IvfRq,
    "IVF_HNSW_SQ": HnswSq,
    "IVF_HNSW_PQ": HnswPq,
    "IVF_HNSW_FLAT": HnswFlat,
}
