"""Waits for the light of a room to be switched: scriptconsole --batch examples/mqtt_rooms.py -- mqtt://127.0.0.1"""

import asyncio
import sys

import host


async def watch(uri):
    client = await host.mqtt_open(uri)
    client.subscribe("rooms/+/light", 1)
    await client.deliver("rooms/kitchen/watcher", "here", 1, True)
    print("watching")
    while True:
        message = await client.receive()
        room = message["topic"].split("/")[1]
        print(f"{room}: {message['payload'].decode()}")
        if message["payload"] == b"end":
            break
    client.disconnect()


asyncio.run(watch(sys.argv[1]))
