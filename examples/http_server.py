"""A small service with routes and files. Its first argument is the port; try
curl http://127.0.0.1:8080/notes, curl -d "buy milk" http://127.0.0.1:8080/notes,
curl http://127.0.0.1:8080/files/http_server.py
"""

import os
import sys

import host

notes: list[str] = []


def add(request):
    notes.append(request["body"].decode())
    return 201, f"note {len(notes)}\n"


async def wait(request):
    await host.sleep(float(request["query"].get("ms", 100)))
    return f"waited for {request['peer']}\n"


server = host.http_serve("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
server.route("GET", "/notes", lambda request: notes)
server.route("POST", "/notes", add)
server.route("GET", "/wait", wait)
server.static("/files", os.path.dirname(os.path.abspath(__file__)))
host.log(f"listening on http://{server.local}/")
