"""What the runs of schemathesis have beside its own checks."""

from typing import Any

import requests
import schemathesis


@schemathesis.check
def valid_requests_have_the_right_form(ctx: Any, response: Any, case: Any) -> None:
    """A request that the document allows may be refused for what it asks for, but not for its form (CLI0003)."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    # No document can say that two parameters of a query go together.
    if case.operation.label == "GET /v1/events" and ("bucket" in case.query) != ("key" in case.query):
        return
    problem = response.json()
    if problem["code"] == "CLI0003":
        raise AssertionError(f"the document allows what is refused: {problem['detail']}")


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Keeps requests short: other requests pause queues, and what waits in one does not end."""
    if case.query and case.query.get("wait") in ("60", "60s", "60000ms", "1m"):
        case.query["wait"] = "500ms"
    if case.operation.label == "GET /v1/executions/{id}/stream":
        request = case.as_transport_kwargs()
        requests.post(request["url"].removesuffix("/stream") + "/cancel", headers=request["headers"], timeout=60)
