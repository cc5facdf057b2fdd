"""What ``progress=`` may be: True, a function, or an object like a tqdm bar."""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, Optional

    Report = Callable[[dict[str, Any]], None]



class _Bar:
    """A plain bar on stderr for when tqdm is not installed."""

    def __init__(self) -> None:
        self.width = 0

    def __call__(self, report: dict[str, Any]) -> None:
        rows, total, seconds = report["output_rows"], report["total_rows"], report["elapsed_seconds"]
        text = f"{rows:,} rows, {report['output_bytes'] / 1e6:,.1f} MB, {seconds:.1f} s"
        if total:
            filled = min(30, int(30 * rows / total))
            text = f"[{'#' * filled}{'.' * (30 - filled)}] " + text
        sys.stderr.write("\r" + text.ljust(self.width))
        self.width = len(text)
        if report["done"]:
            sys.stderr.write("\n")
        sys.stderr.flush()


class _Tqdm:
    """Moves a tqdm-like bar to the rows that are written."""

    def __init__(self, bar: Any, closes: bool) -> None:
        self.bar = bar
        self.closes = closes
        self.rows = 0

    def __call__(self, report: dict[str, Any]) -> None:
        if report["total_rows"] and getattr(self.bar, "total", 0) is None:
            self.bar.total = report["total_rows"]
        self.bar.update(report["output_rows"] - self.rows)
        self.rows = report["output_rows"]
        if report["done"] and self.closes:
            self.bar.close()


def reporter(progress: Any) -> Optional[Report]:
    """The function that the engine's reports go to, or None."""
    if progress is None or progress is False:
        return None
    if progress is True:
        try:
            tqdm: Any = importlib.import_module("tqdm.auto").tqdm
        except ImportError:
            return _Bar()
        return _Tqdm(tqdm(unit=" rows", unit_scale=True), closes=True)
    if callable(getattr(progress, "update", None)):
        return _Tqdm(progress, closes=False)
    if callable(progress):
        result: Report = progress
        return result
    raise TypeError(f"progress must be True, a function or a tqdm bar, not {type(progress)}")
