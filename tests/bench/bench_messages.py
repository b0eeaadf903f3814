"""How many messages a second reach a script: hooks, and calls in batches."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from scriptengines import Session
from tests.bench.harness import Result, Unavailable, bench, compare_calls

PYTHON = """
import host

seen = 0
answer = None

def on_message(nick, text):
    global seen
    seen += 1
    if seen % 100 == 0:
        answer(nick, text)

def answer_with(function):
    global answer
    answer = function

def count():
    return seen

def inc(x):
    return x + 1

host.on("message", on_message)
"""
LUA = """
local seen, answer = 0
host.on("message", function(nick, text)
  seen = seen + 1
  if seen % 100 == 0 then answer(nick, text) end
end)
function answer_with(callback) answer = callback end
function count() return seen end
"""
MESSAGES = 200_000
ROUNDS = 5


def _messages(name: str, text: str) -> Result:
    """Messages of two strings a second into one script, which calls the host back at every 100th."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder, name)
        path.write_text(text)
        script = session.load(path)
        answers: list[str] = []
        script.call("answer_with", lambda nick, text: answers.append(nick + text))
        rates: list[float] = []
        for _ in range(ROUNDS):
            emit = session.emit
            start = time.perf_counter()
            for _ in range(MESSAGES):
                emit("message", "nick", "hello there")
            rates.append(MESSAGES / (time.perf_counter() - start))
        if script.call("count") != ROUNDS * MESSAGES or len(answers) != ROUNDS * MESSAGES // 100:
            raise AssertionError("messages were lost")
        return Result(statistics.median(rates), None, "msg/s", better="higher")


@bench("engines", "hook messages, Python", budget=">= 2e6 msg/s")
def messages_to_python() -> Result:
    """200,000 messages of two strings into an isolated Python script."""
    return _messages("bench.py", PYTHON)


@bench("engines", "hook messages, Lua", budget=">= 1.2e6 msg/s")
def messages_to_lua() -> Result:
    """200,000 messages of two strings into a Lua script."""
    return _messages("bench.lua", LUA)


@bench("engines", "call_many", budget="<= 0.6", peer="single calls")
def batches() -> Result:
    """A thousand calls int -> int in one batch, next to a thousand through the handle."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder, "bench.py")
        path.write_text(PYTHON)
        script = session.load(path)
        names = {"s": script, "f": script.function("inc"), "a": [(number,) for number in range(1000)]}
        return compare_calls("s.call_many('inc', a)", "[f(x) for x, in a]", names)


@bench("engines", "Python handle, pool", budget="<= 0.05", peer="InterpreterPoolExecutor")
def against_the_interpreter_pool() -> Result:
    """int -> int next to the pool of interpreters that CPython has from 3.14 on."""
    try:
        from concurrent.futures import InterpreterPoolExecutor
    except ImportError:
        raise Unavailable("CPython has it from 3.14 on") from None
    with tempfile.TemporaryDirectory() as folder, Session() as session, InterpreterPoolExecutor(1) as pool:
        path = Path(folder, "bench.py")
        path.write_text(PYTHON)
        names = {"f": session.load(path).function("inc"), "pool": pool, "abs": abs}
        return compare_calls("f(1)", "pool.submit(abs, 1).result()", names)
