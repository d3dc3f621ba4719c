"""The seed makes the schedule: the same one every time, and one that is worth running."""

from __future__ import annotations

import sys
import unittest

sys.dont_write_bytecode = True

import schedule  # noqa: E402 (nothing is to be left beside the sources)

CLIPS = {"instant": 3, "small": 3, "both": 1, "broken": 4}
LEASE = 3.0


class ASeed(unittest.TestCase):
    """What follows from it."""

    def test_gives_the_same_schedule_again(self) -> None:
        for store in schedule.FAULTS:
            self.assertEqual(schedule.faults(7, 30, store, LEASE), schedule.faults(7, 30, store, LEASE))
            self.assertEqual(schedule.uploads(7, 30, store, CLIPS), schedule.uploads(7, 30, store, CLIPS))

    def test_gives_this_schedule_on_every_machine(self) -> None:
        first = schedule.faults(1, 30, "postgres", LEASE)[0]
        self.assertEqual((first.at, first.kind, first.target, first.duration), FIRST)

    def test_gives_another_schedule_than_another_seed(self) -> None:
        self.assertNotEqual(schedule.faults(1, 30, "sqlite", LEASE), schedule.faults(2, 30, "sqlite", LEASE))
        self.assertNotEqual(schedule.uploads(1, 30, "sqlite", CLIPS), schedule.uploads(2, 30, "sqlite", CLIPS))

    def test_begins_with_one_fault_of_each_kind(self) -> None:
        for store, shares in schedule.FAULTS.items():
            for seed in range(20):
                kinds = [fault.kind for fault in schedule.faults(seed, 60, store, LEASE)]
                self.assertEqual(set(kinds[: len(shares)]), set(shares))

    def test_stops_longer_than_a_lease(self) -> None:
        faults = [fault for seed in range(20) for fault in schedule.faults(seed, 60, "postgres", LEASE)]
        self.assertTrue(all(fault.duration > LEASE for fault in faults if fault.kind.startswith("stop_")))

    def test_announces_every_upload_and_some_again_and_late(self) -> None:
        uploads = [upload for seed in range(20) for upload in schedule.uploads(seed, 60, "postgres", CLIPS)]
        for upload in uploads:
            told = {event for announcement in upload.announcements for event in announcement.events}
            self.assertEqual(told, {0, 1} if upload.parts else {0})
        self.assertTrue(any(len(upload.announcements) > 2 for upload in uploads))
        self.assertTrue(any(upload.announcements[0].after > 1 for upload in uploads))
        self.assertTrue(any(upload.again is not None for upload in uploads))


FIRST = (2.0, "kill_worker", 344, 0.0)

if __name__ == "__main__":
    unittest.main()
