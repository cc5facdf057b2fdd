"""Query classes that are pydantic models; loaded when somebody asks for them."""

from __future__ import annotations

from typing import Any, List, Optional, Union

from pydantic import BaseModel, ConfigDict, field_validator

from .expr import Expr


class ColumnOrdering(BaseModel):
    """One key of ``order_by``."""

    column_name: str
    ascending: bool = True
    nulls_first: bool = False


class FullTextSearchQuery(BaseModel):
    """The text part of a query."""

    columns: Optional[List[str]] = None
    query: str


class Query(BaseModel):
    """A query as a value: what a builder was told."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vector_column: Optional[str] = None
    vector: Any = None
    filter: Union[str, Expr, None] = None
    postfilter: Optional[bool] = None
    full_text_query: Optional[FullTextSearchQuery] = None
    limit: Optional[int] = None
    distance_type: Optional[str] = None
    columns: Any = None
    minimum_nprobes: Optional[int] = None
    maximum_nprobes: Optional[int] = None
    lower_bound: Optional[float] = None
    upper_bound: Optional[float] = None
    refine_factor: Optional[int] = None
    with_row_id: Optional[bool] = None
    with_row_address: Optional[bool] = None
    fragments: Any = None
    fragment_ids: Optional[List[int]] = None
    offset: Optional[int] = None
    take_offsets: Optional[List[int]] = None
    fast_search: Optional[bool] = None
    use_lsm: Optional[bool] = None
    ef: Optional[int] = None
    bypass_vector_index: Optional[bool] = None
    order_by: Optional[List[ColumnOrdering]] = None

    @field_validator("vector")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if isinstance(value, list) and not value:
            raise ValueError("a query vector must be non-empty")
        return value
