"""An afternoon in a real terminal: load, watch, edit, reload, call, find the error, quit."""

from __future__ import annotations

from pathlib import Path

from .terminal import Terminal

SCALE = '''"""A scale that weighs a little more each time."""

import host

STEP = 1
host.state.setdefault("weight", 0)
weights = []
bowls = 1


def weigh():
    host.state["weight"] += STEP
    weights.append(host.state["weight"] / bowls)


def share(number):
    """Share the weight out among bowls."""
    global bowls
    bowls = number
    return f"{number} bowls"


host.set_interval(weigh, 50)
'''


def test_from_loading_to_the_error_and_out(tmp_path: Path) -> None:
    file = tmp_path / "scale.py"
    file.write_text(SCALE)
    with Terminal() as console:
        console.wait_for("no scripts yet: o loads one")

        console.press("o")
        console.wait_for("Load a script")
        console.press(str(file), "enter")
        console.wait_for(r"running +scale +python +isolated +1 ")
        console.wait_for(r"weigh +scale")
        console.wait_for(r"STEP +int +(› )?1 ")

        console.press("2", "w")
        console.wait_for("watches an expression")
        console.press("\x15", "weights[-1] + STEP * 1000", "enter")
        watched = r"weights\[-1\] \+ STEP \* 1000 +float +(?:› )?(\d+)\."
        console.until(lambda: console.number(watched) > 1000, "the value of the watch")
        before = console.number(watched)
        console.until(lambda: console.number(watched) > before + 3, "the watch to follow")

        file.write_text(SCALE.replace("STEP = 1", "STEP = 10"))
        console.wait_for(r"running +scale +python +isolated +2 ")
        console.wait_for(r"STEP +int +(› )?10 ")
        console.until(lambda: console.number(watched) > 10_000, "the watch to see the new version")

        console.press("1", "c")
        console.wait_for("Call a function of scale")
        console.wait_for(r"share\(number\)  Share the weight out")
        console.press("share", "enter", "0", "enter")
        console.wait_for(r"INF +console +scale\.share\(0\) = '0 bowls'")
        console.press("escape")
        console.wait_gone("Call a function of scale")

        console.wait_for(r"! scale: \d+ errors?.* ZeroDivisionError: ")
        console.wait_for("ERR +scale +interval callback: ZeroDivisionError")
        console.press("1", "enter")
        console.wait_for(r'weights\.append\(host\.state\["weight"\] / bowls\)')
        console.press("escape")
        console.wait_gone("Last error, ")

        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []
