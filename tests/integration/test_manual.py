"""Man pages and completions: well formed, and true of what is built."""
import ctypes
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MEMFERRY_BUILD", "build")).resolve()
MADE = BUILD / "client/manual"
WRITTEN = ROOT / "docs/man"
PAGES = [MADE / "memferry.1", *sorted(WRITTEN.iterdir())]
PLUGINS = sorted(BUILD.glob("plugins/*/*.so"))


def output(*command, **options):
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert told.returncode == 0, told
    return told.stdout


def text_of(page):
    return re.sub(r".\x08", "", output("mandoc", "-T", "utf8", str(page)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_well_formed(page):
    assert output("mandoc", "-T", "lint", "-W", "warning", str(page)) == ""


def test_the_command_has_each_command_and_option_in_its_page():
    page = text_of(MADE / "memferry.1")
    told = output(str(BUILD / "client/cli/memferry"), "help")
    commands = re.findall(r"^  ([a-z]+) +[A-Z]", told, re.M)
    assert len(commands) > 20
    for command in commands:
        assert re.search(rf"memferry {command}\b", page), command
        for option in re.findall(r"^  (--[a-z-]+)", output(str(BUILD / "client/cli/memferry"), "help", command), re.M):
            assert option in page, (command, option)


def test_the_broker_has_each_option_in_its_page():
    page = text_of(WRITTEN / "memferryd.8")
    options = re.findall(r"--[a-z-]+", output(str(BUILD / "broker/memferryd"), "--help"))
    assert len(options) > 8
    assert [option for option in options if option not in page] == []


def settings():
    table = (ROOT / "broker/config_settings.c").read_text()
    return re.findall(r'^    \{"([a-z]+)", "([a-z_]+)", \w+\}', table, re.M)


def test_each_setting_stands_below_its_section_in_the_page_of_the_config():
    sections = re.split(r"^(\[.*\])$", text_of(WRITTEN / "memferry.conf.5"), flags=re.M)
    of_section = dict(zip(sections[1::2], sections[2::2]))
    assert len(settings()) > 10
    for section, key in settings():
        assert re.search(rf"\b{key}\b", of_section[f"[{section}]"]), (section, key)


class Option(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("default", ctypes.c_char_p),
                ("required", ctypes.c_bool), ("min", ctypes.c_int64), ("max", ctypes.c_int64),
                ("help", ctypes.c_char_p)]


class Plugin(ctypes.Structure):
    _fields_ = [("abi", ctypes.c_uint32), ("size", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("version", ctypes.c_char_p), ("summary", ctypes.c_char_p),
                ("options", ctypes.POINTER(Option))]


@pytest.mark.skipif("asan" in BUILD.name or "tsan" in BUILD.name,
                    reason="a sanitizer wants to be in the program that loads it")
@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_each_option_of_a_plugin_is_in_the_page_of_the_config(path):
    plugin = Plugin.in_dll(ctypes.CDLL(str(path)), "memferry_plugin")
    page = text_of(WRITTEN / "memferry.conf.5")
    index = 0
    while plugin.options[index].name is not None:
        name = plugin.options[index].name.decode()
        assert re.search(rf"\b{name}\b", page), name
        index += 1
    assert index > 0


def test_the_contract_of_plugins_has_each_function_and_outcome_in_its_page():
    header = (ROOT / "include/memferry/plugin.h").read_text()
    page = text_of(WRITTEN / "memferry-plugin.3")
    functions = re.findall(r"^    (?:int|void) \(\*(\w+)\)", header[header.index("struct memferry_plugin {"):], re.M)
    outcomes = re.findall(r"MEMFERRY_(?:DONE|RETRY|REJECT)\b|MEMFERRY_BLAME_[A-Z]+", header)
    assert len(functions) == 7 and len(set(outcomes)) == 7
    assert [name for name in {*functions, *outcomes} if name not in page] == []


ASKED = [
    (["se"], {"search", "session"}),
    (["session", ""], {"list", "current", "begin", "end", "run"}),
    (["put", "--t"], {"--tag", "--timeout"}),
    (["--json", "get", "--v"], {"--version"}),
    (["help", "und"], {"undo"}),
    (["--socket", "/nowhere", "bac"], {"backends", "backup"}),
]


@pytest.mark.parametrize("words,offered", ASKED, ids=lambda value: " ".join(sorted(value)))
def test_bash_completes(words, offered):
    script = """source "$1"; shift; COMP_WORDS=(memferry "$@"); COMP_CWORD=$#
                _memferry; printf '%s\\n' "${COMPREPLY[@]}" """
    assert set(output("bash", "-uc", script, "-", str(MADE / "memferry"), *words).split()) == offered


@pytest.mark.parametrize("words,offered", ASKED, ids=lambda value: " ".join(sorted(value)))
def test_fish_completes(words, offered, tmp_path):
    told = output("fish", "--no-config", "-c", 'source $argv[1]; complete -C "memferry $argv[2]"',
                  str(MADE / "memferry.fish"), " ".join(words), env={**os.environ, "HOME": str(tmp_path)})
    assert {line.split("\t")[0] for line in told.splitlines()} == offered


def test_bash_completes_files_where_a_file_goes(tmp_path):
    (tmp_path / "memories.ndjson").touch()
    script = """source "$1"; COMP_WORDS=(memferry import mem); COMP_CWORD=2; _memferry
                printf '%s\\n' "${COMPREPLY[@]}" """
    assert output("bash", "-uc", script, "-", str(MADE / "memferry"), cwd=tmp_path).split() == ["memories.ndjson"]


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000
  bindkey '^T' list-choices; zstyle ':completion:*' list-colors; echo be''gun"
zpty -r -m shell line '*begun*'
zpty -w -n shell "memferry $2"$'\x14'
zpty -r -m shell line "*$3*" && print -r -- "$line"
zpty -d shell
"""


@pytest.mark.parametrize("words,last", [("se", "session"), ("session ", "run"), ("put --t", "timeout")])
def test_zsh_completes(words, last, tmp_path):
    assert last in output("zsh", "-f", "-c", ZSH, "-", str(MADE), words, last,
                          env={**os.environ, "HOME": str(tmp_path), "TERM": "xterm"})


def test_one_version_and_its_day_stand_everywhere():
    build = (ROOT / "meson.build").read_text()
    version = re.search(r"version: '([\d.]+)'", build).group(1)
    released = re.search(r"released = '([\d-]+)'", build).group(1)
    assert f"\n## {version} ({released})\n" in (ROOT / "CHANGELOG.md").read_text()
    assert (ROOT / "deploy/debian/changelog").read_text().startswith(f"memferry ({version}) ")
    assert f"memferry {version}" in output(str(BUILD / "client/cli/memferry"), "version")
