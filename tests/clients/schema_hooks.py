"""What schemathesis leaves out: nobody waits an hour for an answer that does not come."""

import schemathesis


def patient(values):
    if isinstance(values, dict):
        values.pop("watch_seconds", None)
    return values


@schemathesis.hook
def map_body(context, body):
    return patient(body)


@schemathesis.hook
def map_query(context, query):
    return patient(query)
