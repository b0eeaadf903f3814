"""Asks a server line by line: scriptconsole --batch examples/tcp_ask.py -- HOST PORT QUESTION…"""

import asyncio
import sys

import host


async def ask(address, port, questions):
    try:
        connection = await host.tcp_open(address, port, {"timeout": 5000})
        for question in questions:
            await connection.write(question + "\n")
            answer = await connection.read_line(timeout=5000)
            print(f"{question}: {'no answer' if answer is None else answer.decode()}")
        connection.close()
    except OSError as error:
        print(f"failed: {error}")


asyncio.run(ask(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
