"""A check for schemathesis beside its own."""

from typing import Any

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
