"""Counts the datagrams of each address: scriptconsole --batch examples/udp_count.py -- 7001"""

import sys
from collections import Counter

import host

counts = Counter()


def data(sock, payload, address, port):
    counts[address, port] += 1
    sock.send(f"{counts[address, port]}: {payload.decode(errors='replace')}", address, port)


sock = host.udp_open("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0, data=data)
print(f"listening on {sock.local}")
