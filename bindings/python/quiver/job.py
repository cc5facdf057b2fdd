"""Jobs: work that goes on in the background."""

from __future__ import annotations

import threading
import time

from .exceptions import JobFailedError

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, NoReturn, Optional


class JobFailureInfo:
    """Why a job failed."""

    def __init__(self, phase: str, message: str, retryable: bool) -> None:
        self.phase = phase
        self.message = message
        self.retryable = retryable

    def __repr__(self) -> str:
        return f"JobFailureInfo(phase={self.phase!r}, message={self.message!r}, retryable={self.retryable})"


class Job:
    """Work in a thread of this process. ``wait`` gives its result, or raises what stopped it."""

    def __init__(self, work: Optional[Callable[[], Any]] = None, job_type: Optional[str] = None) -> None:
        self._result: Any = None
        self._error: Optional[BaseException] = None
        self._done = threading.Event()
        self._seen: Optional[str] = None
        self._job_type = job_type
        self._created = int(time.time() * 1000)
        if work is None:
            self._done.set()
            return
        threading.Thread(target=self._run, args=(work,), name="quiver-job", daemon=False).start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._result = work()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    @property
    def id(self) -> Optional[str]:
        """None: the job lives in this process only."""
        return None

    def status(self) -> str:
        """"running", "finished" or "failed", now."""
        if not self._done.is_set():
            self._seen = "running"
        else:
            self._seen = "finished" if self._error is None else "failed"
        return self._seen

    def wait(self, timeout: Any = None) -> Any:
        """The result, once it is there. JobFailedError: the work failed. TimeoutError: not within ``timeout``."""
        limit = None if timeout is None else timeout.total_seconds()
        if not self._done.wait(limit):
            raise TimeoutError(f"the job is still running after {limit:g} s")
        self.status()
        if self._error is not None:
            raise JobFailedError(f"Job failed: {self._error}") from self._error
        return self._result

    def cancel(self) -> None:
        """Local jobs run to their end: nothing happens."""

    def refresh(self) -> None:
        """Looks at the state, which ``state`` then tells."""
        self.status()

    @property
    def state(self) -> Optional[str]:
        """The state when it was last looked at; None: never."""
        return self._seen

    @property
    def job_type(self) -> Optional[str]:
        return self._job_type

    @property
    def creation_ms(self) -> Optional[int]:
        """When it began, in milliseconds since 1970."""
        return self._created

    @property
    def spec(self) -> None:
        return None

    @property
    def result(self) -> Any:
        """The result, when it is there."""
        return self._result

    @property
    def failure(self) -> Optional[JobFailureInfo]:
        """Why it failed; None: it did not."""
        if self._error is None:
            return None
        return JobFailureInfo("run", str(self._error), getattr(self._error, "status", None) == "QV_CONFLICT")

    def events(self, *, limit: Optional[int] = None, filter: Optional[str] = None) -> NoReturn:
        from ._absent import absent

        raise absent("job events are")

    def __repr__(self) -> str:
        return "Job(not refreshed)" if self._seen is None else f"Job(\n    state={self._seen!r},\n)"


class AsyncJob:
    """A :class:`Job` for coroutines."""

    def __init__(self, inner: Job) -> None:
        self._inner = inner

    @property
    def id(self) -> Optional[str]:
        return self._inner.id

    async def status(self) -> str:
        return self._inner.status()

    async def wait(self, timeout: Any = None) -> Any:
        """As :meth:`Job.wait`."""
        from ._async import run

        return await run(self._inner.wait, timeout)

    async def cancel(self) -> None:
        self._inner.cancel()

    async def refresh(self) -> None:
        self._inner.refresh()

    @property
    def state(self) -> Optional[str]:
        return self._inner.state

    @property
    def job_type(self) -> Optional[str]:
        return self._inner.job_type

    @property
    def creation_ms(self) -> Optional[int]:
        return self._inner.creation_ms

    @property
    def spec(self) -> None:
        return None

    @property
    def result(self) -> Any:
        return self._inner.result

    @property
    def failure(self) -> Optional[JobFailureInfo]:
        return self._inner.failure

    def __repr__(self) -> str:
        return "Async" + repr(self._inner)
