"""Asks for the address in its first argument, three times at once; then shows what an error looks like."""

import asyncio
import sys

import host


async def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/"
    answers = await asyncio.gather(*(host.http_request(url, {"timeout": 5000}) for _ in range(3)))
    for answer in answers:
        host.log(f"{answer['status']} {answer['reason']}, {len(answer['body'])} bytes")
    try:
        await host.http_request("http://127.0.0.1:1/")
    except ConnectionRefusedError as error:
        host.log(f"caught: {error}")


asyncio.run(main())
