"""A program: moto's server until its standard input closes. The first line is its URL; each request is a line of the file
named by its argument.

Moto's CloudFormation makes a bucket without its notifications. Here it gets them, from the properties as CloudFormation
resolved them.

Absent: any other change of what moto does.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any, Dict, List

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3.models import FakeBucket
from moto.server import ThreadedMotoServer


def _notify_as_the_template_says() -> None:
    create = FakeBucket.create_from_cloudformation_json.__func__

    def create_with_notifications(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        bucket = create(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        wanted = cloudformation_json.get("Properties", {}).get("NotificationConfiguration", {})
        queues = [_as_request(queue, number) for number, queue in enumerate(wanted.get("QueueConfigurations", []))]
        if queues:
            bucket.set_notification_configuration({"QueueConfiguration": queues})
        return bucket

    FakeBucket.create_from_cloudformation_json = classmethod(create_with_notifications)


def _as_request(queue: Dict[str, Any], number: int) -> Dict[str, Any]:
    if set(queue) != {"Event", "Queue"}:
        raise ValueError(f"a notification says more than is understood here: {queue}")
    return {"Id": str(number), "Queue": queue["Queue"], "Event": [queue["Event"]]}


def _write_down_requests(path: str) -> None:
    serve = DomainDispatcherApplication.__call__
    lock = threading.Lock()

    def serve_and_tell(application, environ, start_response):
        request = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "target": environ.get("HTTP_X_AMZ_TARGET", ""),
            "copy_source": environ.get("HTTP_X_AMZ_COPY_SOURCE", ""),
            "authorization": environ.get("HTTP_AUTHORIZATION", ""),
        }
        with lock, open(path, "a", encoding="utf-8") as log:
            log.write(json.dumps(request) + "\n")
        return serve(application, environ, start_response)

    DomainDispatcherApplication.__call__ = serve_and_tell


def main(arguments: List[str]) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _notify_as_the_template_says()
    _write_down_requests(arguments[0])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
