"""An echo server for websockets, which closes who sends "bye". Its first argument is the port."""

import sys

import host


def message(ws, text):
    if text == "bye":
        ws.close(1000, "see you")
    else:
        ws.send(text)


server = host.websocket_serve(
    "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8765, {"message": message}, {"max_size": 65536}
)
host.log(f"listening on ws://{server.local}/")
