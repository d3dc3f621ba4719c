"""A program: moto's server (S3 and SQS in memory) until its standard input closes. The first line is its URL.

Moto's queues are not made for several consumers and producers at once: deleting a message can lose another that is sent
at that moment. A test of "nothing is lost" needs a queue that loses nothing, so deleting takes the lock that sending
takes. A received message is hidden for a few seconds at most, so that what a killed daemon had in hand comes again
while the run lasts; consumers have to cope with messages that come again early in any case.

Absent: any other change of what moto does.
"""

from __future__ import annotations

import logging
import os
import sys

# A part of a multipart upload may be small here: the clips are.
os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1024"

from moto.server import ThreadedMotoServer  # noqa: E402 (reads the environment)
from moto.sqs import models as sqs  # noqa: E402

LONGEST_HIDDEN_S = 6


def _delete_under_lock() -> None:
    delete = sqs.Queue.delete_message

    def delete_message(queue, receipt_handle):
        with queue._messages_lock:
            return delete(queue, receipt_handle)

    sqs.Queue.delete_message = delete_message


def _hide_for_seconds_only() -> None:
    receive = sqs.SQSBackend.receive_message

    def receive_message(backend, queue_name, count, wait_seconds_timeout, visibility_timeout, *rest, **named):
        hidden = min(visibility_timeout, LONGEST_HIDDEN_S)
        return receive(backend, queue_name, count, wait_seconds_timeout, hidden, *rest, **named)

    sqs.SQSBackend.receive_message = receive_message


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _delete_under_lock()
    _hide_for_seconds_only()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
