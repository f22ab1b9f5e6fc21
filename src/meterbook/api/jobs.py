"""Routes of jobs in trouble: those that gave up are tried again or put aside."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from meterbook.api.permission import Now, Operator, Transaction
from meterbook.api.shapes import answer, instant
from meterbook.outbox import put_aside, stuck_jobs, try_again

router = APIRouter(tags=["jobs"])

Task = Annotated[str, Path(max_length=100, pattern="^[a-z_]+$", description="As the list names it.")]


@router.get("/jobs", summary="Jobs in trouble")
def get_jobs(session: Transaction, _access: Operator, now: Now) -> Response:
    """Return, by task, the jobs that failed for good, and those that were due and that nobody begins."""
    items = [
        {"task": each.task, "trouble": each.trouble, "count": each.count, "since": instant(each.since)}
        for each in stuck_jobs(session, now)
    ]
    return answer({"items": items, "next_cursor": None})


@router.post("/jobs/{task}/retry", summary="Try failed jobs again")
def post_retry(task: Task, session: Transaction, _access: Operator) -> Response:
    """Queue the jobs of a task that failed for good anew, each with all of its attempts."""
    return answer({"task": task, "count": try_again(session, task)})


@router.post("/jobs/{task}/dismissal", summary="Put failed jobs aside")
def post_dismissal(task: Task, session: Transaction, _access: Operator) -> Response:
    """Delete the jobs of a task that failed for good: what they were to do is not done."""
    return answer({"task": task, "count": put_aside(session, task)})
