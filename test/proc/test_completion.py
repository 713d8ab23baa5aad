"""The shells' completion: what a user gets for the words typed so far."""
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build"))

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_myelin
printf '%s\\n' "${COMPREPLY[@]}"
"""

# What zsh's own completion would do with the answer: print it.
ZSH = """
_files() { print -r -- FILES "$@" }
_command_names() { print -r -- COMMANDS }
_describe() { print -rl -- "${(@P)@[-1]}" }
script=$1; shift
words=("$@"); CURRENT=$#words
source $script
"""


def bash(*words, cwd=None):
    done = subprocess.run(["bash", "-c", BASH, "bash", TOP / "packaging/completion.bash",
                           BUILD / "myelin", *words], capture_output=True, text=True, check=True,
                          cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def zsh(*words):
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", TOP / "packaging/completion.zsh",
                           BUILD / "myelin", *words], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_offers_commands_options_and_statements(tmp_path):
    assert {"check", "config", "show", "lab", "help"} <= set(bash(""))
    assert bash("con") == ["config"]
    assert bash("config", "p") == ["print"]
    assert bash("config", "print", "--as", "") == ["text", "set", "json"]
    assert bash("lab", "up", "--delay") == ["--delay-scale"]
    assert "complete" not in bash("") and "carrier" not in bash("lab", "")
    conf = TOP / "examples/four-dcs.conf"
    assert bash("config", "set", str(conf), "node", "") == ["fra1", "nyc1", "sin1", "gru1"]
    assert bash("config", "set", str(conf), "overlay", "core", "mka", "dest") == ["destination"]


def test_bash_offers_files_where_one_stands(tmp_path):
    (tmp_path / "one two.conf").touch()
    (tmp_path / "dir").mkdir()
    assert sorted(bash("check", "", cwd=tmp_path)) == ["dir", "one two.conf"]
    assert bash("check", "on", cwd=tmp_path) == ["one two.conf"]
    assert "true" in bash("lab", "exec", "fra1", "--", "tru")


@pytest.mark.parametrize("words,expected", [
    (("config", "p"), ["print:print a backbone file in another form"]),
    (("check", ""), ["FILES"]),
    (("lab", "exec", "x", "--", ""), ["COMMANDS"]),
    (("config", "print", "--as", "s"), ["set:"]),
    (("genkey", "5"), []),
])
def test_zsh_offers_the_same_with_help(words, expected):
    assert zsh(*words) == expected
