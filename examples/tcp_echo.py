"""Sends back whatever it gets: scriptconsole --batch examples/tcp_echo.py -- 7000"""

import sys

import host


def connected(connection):
    print(f"{connection.peer} is here")


def data(connection, payload):
    connection.send(payload)


def closed(connection, error):
    print(f"{connection.peer} has gone after {connection.received} bytes: {error or 'no error'}")


port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
listener = host.tcp_serve("127.0.0.1", port, {"connected": connected, "data": data, "closed": closed})
print(f"listening on {listener.local}")
