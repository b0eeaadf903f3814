"""Listens to the server-sent events at the address in its first argument, until the server ends."""

import sys

import host

host.http_stream(
    sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/events",
    {"read_timeout": 0},  # there may be nothing to tell for hours
    event=lambda event: host.log(f"{event['id']} {event['event']}: {event['data']}"),
    closed=lambda error: host.log(f"closed: {error or 'the server has ended it'}"),
)
