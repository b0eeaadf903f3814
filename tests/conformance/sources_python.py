"""The scripts of the conformance suite, in Python."""

SUFFIX = ".py"

TEXTS = {
    "plain": '''
count = 0
label = "red"
levels = [1.0, 2.0, 3.0]


def add(a, b):
    """Add two numbers.

    Of any size.
    """
    return a + b


def echo(value):
    return value


def set_count(value):
    global count
    count = value
    return count
''',
    "huge": "numbers = [7] * 10_000_000\n",
    "kinds": "def kind(value):\n    return type(value).__name__\n",
    "callbacks": """
kept = None

def apply(function, value):
    return function(value)

def keep(function):
    global kept
    kept = function

def use_kept(value):
    return kept(value)

def double(value):
    return 2 * value

def give():
    return double
""",
    "endless value": """
def loop():
    value = [1]
    value.append([2, value])
    return value

def deep():
    value = []
    for _ in range(1000):
        value = [value]
    return value

def echo(value):
    return value
""",
    "failing": """
def inner():
    raise ValueError("out of paint")  # HERE

def fail():
    inner()  # CALL
""",
    "forward": """
import host

def forward(alias, function, value):
    return host.call(alias, function, value)  # FORWARD

def fail(value):
    raise ValueError("out of paint")  # HERE

def echo(value):
    return value
""",
    "hooks": """
import host

def saw(colour):
    host.log("saw " + colour)

def broken(colour):
    raise ValueError("no " + colour)  # HERE

def subscribe(priority):
    return host.on("paint", saw, priority)

def subscribe_broken(priority):
    return host.on("paint", broken, priority)

def unsubscribe(number):
    return host.off(number)

def emit(colour):
    return host.emit("paint", colour)
""",
    "rulings": """
import host

def deny(colour):
    return host.veto("no " + colour)

def lighten(colour):
    return host.replace("light " + colour)

def answer(colour):
    return 0

def subscribe(function, priority):
    return host.on("paint", globals()[function], priority)

def consult(colour):
    return host.consult("paint", colour)
""",
    "waiting": """
import host

value = 20

def rest(ms):
    host.sleep(ms, callback=lambda error, result: host.log(f"rested: {error} {result}"))

def misuse():
    host.sleep("long", callback=lambda error, result: host.log(f"refused: {error}"))

def next_time():
    return host.once("paint", lambda colour: host.log("once " + colour))

def setting(name):
    return host.config(name, "none")

def on_paint(colour):
    host.log("by name " + colour)
""",
    "timers": """
import host

ticks = 0

def tick():
    global ticks
    ticks += 1
    host.log(f"tick {ticks}")
    if ticks == 3 and repeating:
        host.clear_timer(repeating)

def broken():
    raise ValueError("no paint")  # HERE

repeating = None

def start(ms):
    return host.set_timeout(tick, ms)

def start_broken(ms):
    return host.set_timeout(broken, ms)

def repeat(ms):
    global repeating
    repeating = host.set_interval(tick, ms)
    return repeating

def clear(number):
    return host.clear_timer(number)
""",
    "talk": """
import host

def say(text):
    host.log(text)

def warn(text):
    host.log(text, level="warning")

def show(text):
    print(text)
""",
    "server": """
import host

def echo(connection, data):
    connection.send(data)

listener = host.tcp_serve("127.0.0.1", host.state.get("port", 0), data=echo)
host.state["port"] = listener.port

def port():
    return listener.port
""",
    "client": """
import host

def connected(connection):
    connection.send("hello")

def received(connection, data):
    host.log("got " + data.decode())
    connection.close()

def closed(connection, error):
    host.log("closed")

def failed(message):
    host.log("failed: " + message)

def connect(port):
    host.tcp_connect("127.0.0.1", port, connected=connected, data=received, closed=closed, error=failed)
""",
    "version": "def version():\n    return $VERSION\n",
    "state": """
import host

host.state.setdefault("n", 0)

def bump():
    host.state["n"] += 1
    return host.state["n"]
""",
    "spoiling": """
import host

host.state["n"] = 1000
raise ValueError("no paint at load")  # HERE
""",
    "broken": "def version():\n    return 2\n\ndef oops(:  # HERE\n",
    "spin": """
def spin(entered):
    entered()
    while True:
        pass  # HERE

def echo(value):
    return value
""",
    "spin at load": "import time\nwhile True:  # HERE\n    time.monotonic()  # HERE TOO\n",
    "mutual": """
import host

def echo(value):
    return value

def meet(wait, other):
    wait()
    return host.call(other, "echo", 1)

def ping(me, other, depth):
    if depth == 0:
        return me
    return host.call(other, "ping", other, me, depth - 1)
""",
}
