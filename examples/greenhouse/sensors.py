"""Simulated sensors of a greenhouse: they send a temperature ten times a second to whoever connects.

An ordinary asyncio program, but for the two lines that talk to the other scripts.
"""

import asyncio
import math
import random

import host

PERIOD = 0.1  # seconds between two readings
OUTSIDE = 12.0  # degrees Celsius

temperature = 19.0
heater_on = False
readings = 0
clients: set[asyncio.StreamWriter] = set()
port = 0
stopping = asyncio.Event()


def set_heater(on: bool) -> bool:
    """Switch the heater; the controller calls this."""
    global heater_on
    heater_on = bool(on)
    return heater_on


def get_port() -> int:
    """TCP port on which the readings are served; 0 before the server is up."""
    return port


def stop() -> None:
    """End the server."""
    stopping.set()


def advance() -> None:
    """Let one period pass in the greenhouse."""
    global temperature, readings
    readings += 1
    gain = 0.45 if heater_on else 0.0
    loss = 0.03 * (temperature - OUTSIDE)
    sun = 0.08 * math.sin(readings / 40)
    temperature += gain - loss + sun


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client until it leaves."""
    clients.add(writer)
    try:
        await reader.read()  # clients send nothing: this ends when they close
    finally:
        clients.discard(writer)
        writer.close()


async def broadcast() -> None:
    """Measure and send, for ever."""
    while True:
        advance()
        noise = random.uniform(-0.4, 0.4)
        for writer in list(clients):
            writer.write(f"{temperature + noise:.3f}\n".encode())
        await asyncio.sleep(PERIOD)


async def main() -> None:
    global port
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    host.emit("sensors_ready", port)
    async with server:
        work = asyncio.create_task(broadcast())
        await stopping.wait()
        work.cancel()


asyncio.run(main())
