"""The option `files = "own"`: a script uses the files of its folder, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError, LoadError
from scriptengines.script import Script
from scriptengines.session import Session

from .netpeers import language, load

__all__ = ["language", "load"]

type Load = Callable[..., Script]

PY = """
import os, subprocess, json, email.mime.text  # libraries can be read
def read(path):
    with open(path) as file: return file.read()
def write(path, text):
    with open(path, "w") as file: file.write(text)
def remove(path): os.remove(path)
def rename(old, new): os.rename(old, new)
def run(): subprocess.run(["true"])
"""
LUA = """
local function check(file, why) if not file then error(why, 0) end return file end
function read(path)
  local file = check(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end
function write(path, text) local file = check(io.open(path, "w")) file:write(text) file:close() end
function remove(path) check(os.remove(path)) end
function rename(old, new) check(os.rename(old, new)) end
function run() check(io.popen("true")) end
function lines(path) for line in io.lines(path) do return line end end
function load_other(path) return dofile(path) end
"""


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elsewhere") / "other.txt"
    path.write_text("secret")
    return path


def test_a_script_uses_the_files_of_its_folder(load: Load, tmp_path: Path) -> None:
    script = load(python=PY, lua=LUA, files="own")
    path = str(tmp_path / "notes.txt")
    script.call("write", path, "red")
    assert script.call("read", path) == "red"
    script.call("rename", path, path + ".old")
    script.call("remove", path + ".old")
    assert not (tmp_path / "notes.txt.old").exists()


def test_other_files_are_refused(load: Load, tmp_path: Path, outside: Path) -> None:
    script = load(python=PY, lua=LUA, files="own")
    inside = tmp_path / "inside.txt"
    inside.write_text("mine")
    link = tmp_path / "link.txt"
    link.symlink_to(outside)
    up = str(tmp_path / ".." / outside.parent.name / outside.name)
    for function, *args in (
        ("read", str(outside)),
        ("read", up),
        ("read", str(link)),
        ("write", str(outside), "mine"),
        ("write", str(link), "mine"),
        ("remove", str(outside)),
        ("rename", str(inside), str(outside)),
        ("rename", str(outside), str(inside)),
    ):
        with pytest.raises(CallError, match=r"is outside of the script's folder"):
            script.call(function, *args)
    with pytest.raises(CallError, match='option files = "own"'):
        script.call("run")
    if script.path.suffix == ".lua":
        for function in ("lines", "load_other"):
            with pytest.raises(CallError, match="is outside of the script's folder"):
                script.call(function, str(outside))
    assert outside.read_text() == "secret"
    assert inside.read_text() == "mine"


@pytest.mark.parametrize("lua", ["5.4", "5.1", "5.5", "luajit2.1"])
def test_require_finds_modules_of_the_folder_only(
    session: Session, tmp_path: Path, outside: Path, lua: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "part.lua").write_text("return {name = ..., value = 7}")
    (tmp_path / "broken.lua").write_text("return +")
    (outside.parent / "other.lua").write_text("return 'secret'")
    path = tmp_path / "it.lua"
    path.write_text(
        """
        function need(name) return (require(name)) end
        function need_from(folder, name)
          package.path = folder .. "/?.lua;" .. package.path
          return require(name)
        end
        function need_c(folder, name)
          package.cpath = folder .. "/?.so"
          return require(name)
        end
        function has(name) return package[name] ~= nil end
        """
    )
    script = session.load(path, files="own", lua=lua)
    assert script.call("need", "mine.part") == {"name": "mine.part", "value": 7}
    with pytest.raises(CallError, match="is outside of the script's folder"):
        script.call("need_from", str(outside.parent), "other")
    with pytest.raises(CallError, match=r"error loading module 'broken'"):
        script.call("need", "broken")
    with pytest.raises(CallError, match="module 'nowhere' not found"):
        script.call("need", "nowhere")
    with pytest.raises(CallError, match="module 'other' not found"):
        script.call("need_c", str(outside.parent), "other")
    assert script.call("need", "lfs")  # what the host brings along
    assert not script.call("has", "loadlib")
    assert not script.call("has", "searchpath")


def test_other_scripts_and_the_console_are_not_confined(load: Load, session: Session, outside: Path) -> None:
    load(python=PY, lua=LUA, files="own")
    other = load(python=PY, lua=LUA, alias="other")
    assert other.call("read", str(outside)) == "secret"
    assert outside.read_text() == "secret"
    session.unload("it")


def test_a_reload_changes_the_confinement(load: Load, session: Session, outside: Path) -> None:
    script = load(python=PY, lua=LUA)
    assert script.call("read", str(outside)) == "secret"
    mark = "--" if script.path.suffix == ".lua" else "#"
    text = script.path.read_text()
    script.path.write_text(f'{mark} scriptconsole: files = "own"\n{text}')
    session.reload("it")
    with pytest.raises(CallError, match="is outside of the script's folder"):
        script.call("read", str(outside))
    script.path.write_text(text)
    session.reload("it")
    assert script.call("read", str(outside)) == "secret"


def test_a_module_that_opens_everything_does_not_go_with_it(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "it.lua"
    path.write_text("")
    with pytest.raises(LoadError, match="does not go with python = true"):
        session.load(path, python=True, files="own")
