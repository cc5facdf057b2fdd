"""Names for the words that arguments may be."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Optional, Tuple, Union

QueryType = Literal["vector", "fts", "hybrid", "auto"]
BlobMode = Literal["lazy", "bytes", "descriptions"]
QueryProjectionSpec = Union[List[str], List[Tuple[str, Any]], Dict[str, Any]]
QueryProjection = Optional[QueryProjectionSpec]
DistanceType = Literal["l2", "cosine", "dot"]
DistanceTypeWithHamming = Literal["l2", "cosine", "dot", "hamming"]
OnBadVectorsType = Literal["error", "drop", "fill", "null"]
AddMode = Literal["append", "overwrite"]
CreateMode = Literal["create", "overwrite"]
VectorIndexType = Literal["IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_HNSW_SQ", "IVF_HNSW_PQ", "IVF_HNSW_FLAT", "IVF_RQ"]
ScalarIndexType = Literal["BTREE", "BITMAP", "LABEL_LIST"]
IndexType = Literal[
    "IVF_PQ",
    "IVF_HNSW_PQ",
    "IVF_HNSW_SQ",
    "IVF_HNSW_FLAT",
    "IVF_SQ",
    "FTS",
    "BTREE",
    "BITMAP",
    "LABEL_LIST",
    "IVF_RQ",
]
BuiltinTokenizerType = Literal["simple", "raw", "whitespace", "ngram", "icu", "icu/split"]
BaseTokenizerType = Union[BuiltinTokenizerType, str]
