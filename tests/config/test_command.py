"""`scriptconsole config`: what it prints and writes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from scriptconsole.config.command import template, toml
from scriptconsole.config.settings import DEFAULTS, SETTINGS
from scriptconsole.config.sources import load
from tests.batch.support import Run, run


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own" / "config.toml"


def config(own: Path, folder: Path, *arguments: str, **environ: str) -> Run:
    return run("config", *arguments, cwd=folder, env={"SCRIPTCONSOLE_CONFIG": str(own), **environ})


def test_show_prints_each_value_with_its_origin(own: Path, tmp_path: Path) -> None:
    own.parent.mkdir()
    own.write_text('[console]\neditor = "code --wait"\n[keys]\nscript.reload = ["f5"]\n')
    project = tmp_path / "scriptconsole.toml"
    project.write_text(
        '[console]\nwatch = false\n[engines.lua]\nlua = "5.1"\n[scripts."a b"]\nconfig = { x = [1] }\n'
    )
    (tmp_path / "deep").mkdir()
    told = config(own, tmp_path / "deep", "show", SCRIPTCONSOLE_NOTIFY="bell")
    assert (told.code, told.err) == (0, "")
    rows = [re.split(r"\s+# ", line) for line in told.lines if line]
    assert rows[0] == ["[console]"]
    assert ["watch = false", f"project: {project}:2"] in rows
    assert ['editor = "code --wait"', f"user: {own}:2"] in rows
    assert ['notify = "bell"', "environment: SCRIPTCONSOLE_NOTIFY"] in rows
    assert ["frame_rate = 12", "default"] in rows
    assert ['"script.reload" = ["f5"]', f"user: {own}:4"] in rows
    assert ['[scripts."a b"]'] in rows
    assert ["config = { x = [1] }", f"project: {project}:6"] in rows
    assert set(tomllib.loads(told.out)) == {"console", "keys", "engines", "scripts"}


def test_show_looks_where_a_script_is(own: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "scriptconsole.toml").write_text("[console]\nslow_call = 7\n")
    (tmp_path / "there" / "a.lua").write_text("")
    assert "slow_call = 7 " in config(own, tmp_path, "show", "there/a.lua").out
    assert "slow_call = 7 " not in config(own, tmp_path, "show").out


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[console]\nthem = 'x'\n", ':2: there is no setting "them". Did you mean "theme"?'),
        ("[keys]\nzort = 'x'\n", ':2: there is no action "zort". Did you mean "sort"?'),
        ("[engines.lau]\n", ':1: there is no engine "lau". Did you mean "lua"?'),
        ("[console]\ntheme = 'drak'\n", ':2: no theme "drak"'),
    ],
)
def test_show_refuses_what_the_console_would_refuse(
    own: Path, tmp_path: Path, written: str, message: str
) -> None:
    (tmp_path / "scriptconsole.toml").write_text(written)
    told = config(own, tmp_path, "show")
    assert (told.code, told.out) == (2, "")
    assert message in told.err


def test_path_names_the_files_and_whether_they_are_there(own: Path, tmp_path: Path) -> None:
    told = config(own, tmp_path, "path")
    assert told.lines == [
        f"user file     {own}  (there is none)",
        f"themes        {own.parent / 'themes'}  (there is none)",
        f"project file  {tmp_path / 'scriptconsole.toml'}  (there is none)",
    ]
    (tmp_path / "scriptconsole.toml").write_text("")
    assert config(own, tmp_path, "path").lines[2] == f"project file  {tmp_path / 'scriptconsole.toml'}"


def test_actions_lists_ids_and_keys(own: Path, tmp_path: Path) -> None:
    told = config(own, tmp_path, "actions")
    assert re.search(r"^script\.reload +r +Reload", told.out, re.MULTILINE)
    assert re.search(r"^move\.down +j ↓ +Next row", told.out, re.MULTILINE)


def test_init_writes_a_file_once(own: Path, tmp_path: Path) -> None:
    file = tmp_path / "scriptconsole.toml"
    assert config(own, tmp_path, "init").out == f"{file}\n"
    file.write_text("# mine\n")
    refused = config(own, tmp_path, "init")
    assert refused.code == 2
    assert (
        refused.err
        == f"scriptconsole: {file} is there already and is left as it is; edit it, or move it away\n"
    )
    assert file.read_text() == "# mine\n"


def test_init_for_the_user_makes_the_folder(own: Path, tmp_path: Path) -> None:
    assert config(own, tmp_path, "init", "--user").out == f"{own}\n"
    assert own.read_text() == template(personal=True)
    assert not (tmp_path / "scriptconsole.toml").exists()


@pytest.mark.parametrize("personal", [True, False])
def test_what_init_writes_says_all_defaults(personal: bool, tmp_path: Path) -> None:
    text = template(personal=personal)
    assert tomllib.loads(text) == {"console": {}, "keys": {}}
    said = tomllib.loads(re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE))["console"]
    wanted = {name for name, setting in SETTINGS.items() if personal or not setting.personal}
    assert said == {name: getattr(DEFAULTS, name) for name in wanted}
    file = tmp_path / ("config.toml" if personal else "scriptconsole.toml")
    file.write_text(text)
    assert (
        load(tmp_path, environ={"SCRIPTCONSOLE_CONFIG": str(tmp_path / "config.toml")}).settings == DEFAULTS
    )


@pytest.mark.parametrize(
    "value", ["plain", 'a "b"\n\\', "\x7f\x01", "ünï😀", True, 12, 1.5, [1, "a"], {"a b": {"c": []}}, {}]
)
def test_values_are_written_so_that_they_read_the_same(value: object) -> None:
    assert tomllib.loads(f"value = {toml(value)}") == {"value": value}


def test_a_script_folder_of_that_name_can_still_be_opened(own: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.lua").write_text("")
    assert "the console needs a terminal" in run("config", cwd=tmp_path).err
    assert run("config", "path", cwd=tmp_path).code == 0


def test_wrong_usage_is_refused(own: Path, tmp_path: Path) -> None:
    for arguments, message in {
        ("config",): "the following arguments are required: COMMAND; see scriptconsole config --help",
        ("config", "shwo"): "invalid choice: 'shwo'",
        ("--set", "frame_rat=3", "x.lua"): 'Did you mean "frame_rate"?',
    }.items():
        told = run(*arguments, cwd=tmp_path)
        assert told.code == 2
        assert message in told.err
