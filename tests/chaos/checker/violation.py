"""The names of what can be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict

LOST, DUPLICATED, ORPHAN, VIOLATION = "lost", "duplicated", "orphans", "violations"

# Every name, what it counts as, and what it means.
NAMES: Dict[str, tuple] = {
    "upload_lost": (LOST, "an accepted upload is not in the ledger"),
    "upload_duplicated": (DUPLICATED, "an accepted upload is in the ledger more than once"),
    "execution_lost": (LOST, "an upload did not start a workflow that it matches"),
    "execution_duplicated": (DUPLICATED, "an upload started a workflow more than once"),
    "event_unasked": (VIOLATION, "the ledger has an event of no upload"),
    "execution_unasked": (VIOLATION, "an execution belongs to no upload, or to none that matches its workflow"),
    "input_differs": (VIOLATION, "an execution works on another object than the upload that started it"),
    "execution_open": (VIOLATION, "an execution has not ended"),
    "execution_differs": (VIOLATION, "the row of an execution and its log disagree"),
    "verdict_wrong": (VIOLATION, "an execution ended otherwise than its activities say"),
    "outcome_wrong": (VIOLATION, "a broken upload succeeded, or an intact one failed for what does not pass"),
    "log_gap": (VIOLATION, "the sequence of a log does not run from 1 without a gap"),
    "log_illegal": (VIOLATION, "a log entry does not follow from those before it"),
    "claimed_too_early": (VIOLATION, "an attempt was claimed before the one before it had ended"),
    "attempt_order": (VIOLATION, "the numbers of attempts do not rise one by one"),
    "late_word": (VIOLATION, "an attempt that was over had its word taken"),
    "ended_twice": (VIOLATION, "an activity ended more than once in one run"),
    "activity_open": (VIOLATION, "an execution ended before one of its activities"),
    "need_ignored": (VIOLATION, "an activity was queued before all it needs had ended"),
    "reason_missing": (VIOLATION, "an activity failed, was skipped or was cancelled without a reason"),
    "job_differs": (VIOLATION, "the row of a job and the log disagree"),
    "output_none": (VIOLATION, "an activity succeeded without the outputs that it is for"),
    "output_missing": (VIOLATION, "a published object is not there"),
    "output_size": (VIOLATION, "a published object has another size than was said"),
    "output_duplicated": (DUPLICATED, "an object was published by more than one activity"),
    "output_unannounced": (VIOLATION, "an object was published that was not announced before"),
    "object_unannounced": (VIOLATION, "the output bucket has an object that nobody announced"),
    "manifest_broken": (VIOLATION, "a playlist names what is not there"),
    "manifest_early": (VIOLATION, "a playlist could be read before what it names"),
    "notification_lost": (VIOLATION, "a state was reached and nobody was to be told"),
    "notification_duplicated": (VIOLATION, "a state was queued twice for one receiver"),
    "notification_unasked": (VIOLATION, "a notification was queued of a state that was not reached"),
    "notification_undelivered": (VIOLATION, "a notification was not delivered"),
    "notification_order": (VIOLATION, "notifications were queued out of order"),
    "reception_lost": (VIOLATION, "a delivered notification was never received"),
    "reception_order": (VIOLATION, "a receiver was told of the end before the beginning"),
    "reception_unasked": (VIOLATION, "a receiver was told what nobody queued"),
    "message_left": (VIOLATION, "a message about an upload was never taken from its queue"),
    "scratch_left": (VIOLATION, "a file is left in a scratch folder"),
    "daemon_died": (VIOLATION, "a daemon ended that nobody asked to"),
    "daemon_exit": (VIOLATION, "a daemon that was asked to end did not do so with 0"),
    "process_left": (ORPHAN, "a process outlived its daemon"),
    "nothing_ran": (VIOLATION, "there was nothing to check"),
}


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong."""

    name: str
    where: str

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"{self.name} has no meaning")

    @property
    def counts_as(self) -> str:
        """Which of the counts it goes into."""
        return NAMES[self.name][0]

    def __str__(self) -> str:
        return f"{self.name}: {NAMES[self.name][1]}: {self.where}"
