"""The client of bench_net, a process of its own: `python echo_client.py`, told on stdin what to do.

A line "KIND PORT CONNECTIONS MESSAGES SIZE" makes it send so many messages over so many connections, each
waiting for its echo before the next, and answer with a line "messages/s  median round trip in us". KIND is
tcp or udp.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import sys
import time


def connect(kind: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    if kind == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def measure(kind: str, port: int, connections: int, messages: int, size: int) -> tuple[float, float]:
    payload = bytes(size)
    with selectors.DefaultSelector() as selector:
        socks = [connect(kind, port) for _ in range(connections)]
        missing: dict[socket.socket, int] = {}
        sent: dict[socket.socket, float] = {}
        times: list[float] = []
        clock = time.perf_counter
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        started = clock()
        for sock in socks:
            missing[sock], sent[sock] = size, clock()
            sock.send(payload)
        going = messages - len(socks)
        while len(times) < messages:
            for key, _ in selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                missing[sock] -= len(sock.recv(65536))
                if missing[sock]:
                    continue
                now = clock()
                times.append(now - sent[sock])
                if going > 0:
                    going -= 1
                    missing[sock], sent[sock] = size, now
                    sock.send(payload)
        taken = clock() - started
        for sock in socks:
            sock.close()
    return messages / taken, statistics.median(times) * 1e6


def main() -> None:
    for line in sys.stdin:
        kind, *numbers = line.split()
        rate, median = measure(kind, *map(int, numbers))
        print(rate, median, flush=True)


if __name__ == "__main__":
    main()
