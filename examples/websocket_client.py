"""Talks to the echo server in its first argument, by turns."""

import asyncio
import sys

import host


async def main():
    ws = await host.websocket_open(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765/")
    for text in ("one", "two", "three"):
        ws.send(text)
        host.log(f"got {await ws.receive(5000)}")
    host.log(f"a pong after {await ws.ping(5000):.1f} ms")
    ws.close()


asyncio.run(main())
