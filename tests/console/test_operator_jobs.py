"""Jobs in trouble on the staff's first page."""

from __future__ import annotations

from sqlalchemy import text

from meterbook.outbox import defer
from tests.console.browser import Browser
from tests.console.staff import done, send, words
from tests.office import Office


def test_jobs_that_gave_up_are_tried_again_or_put_aside(staff: Browser, office: Office) -> None:
    def gave_up(task: str) -> None:
        with office.database.transaction() as session:
            defer(session, task)
            session.execute(
                text("update procrastinate_jobs set status = 'failed' where task_name = :task and status = 'todo'"),
                {"task": task},
            )

    office.work()
    for step, told, left in (("retry", "The jobs are tried again.", 1), ("dismiss", "The jobs are put aside.", 0)):
        gave_up("end_card_forms")
        page = staff.get("/operator")
        assert "gave up" in words(page)
        page = staff.get(done(send(staff, page, "/operator/jobs/end_card_forms", step=step)))
        assert told in words(page)
        assert "gave up" not in words(page)
        assert office.work() == left
