"""The manual pages: everything is in its page, and their readers have nothing to complain of."""
import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build"))
PAGES = ["myelin.1", "backbone.conf.5", "myelind.8"]


def rendered(page):
    """Its text with single spaces, and what man complained of."""
    done = subprocess.run(["man", "--warnings", "--no-hyphenation", "-l", BUILD / "docs/man" / page],
                          capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "1000", "MANPAGER": "cat",
                               "LC_ALL": "C.UTF-8"})
    return " ".join(done.stdout.split()), done.stderr


def myelin(*words):
    return subprocess.run([BUILD / "myelin", *words], capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_page_renders_without_warnings(page):
    text, complaints = rendered(page)
    assert complaints == ""
    assert text.startswith(page.rsplit(".", 1)[0])
    for section in ("NAME", "DESCRIPTION", "SEE ALSO"):
        assert section in text
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", BUILD / "docs/man" / page],
                          capture_output=True, text=True, check=False).stdout
    # scdoc leaves empty paragraphs, which nobody sees.
    assert [w for w in lint.splitlines() if "skipping paragraph macro" not in w] == []


def test_every_command_and_its_options_are_in_myelin_1():
    text, _ = rendered("myelin.1")
    commands = re.findall(r"^  ([a-z]\S*(?: \S+)*)", myelin("help"), re.M)
    assert len(commands) > 20
    for left in commands:
        words = re.match(r"[a-z]+(?: [a-z]+)*", left)[0]
        if words == "help":
            continue
        usage, *_ = myelin("help", *words.split()).splitlines()
        assert usage.removeprefix("usage: myelin ") in text
        for option in re.findall(r"^  (--\S+(?: \S+)?)", myelin("help", *words.split()), re.M):
            assert option in text, option


def test_every_statement_is_in_backbone_conf_5():
    """The reference page has them all: a test of its own holds it against the model."""
    text, _ = rendered("backbone.conf.5")
    top, count = "", 0
    for line in (TOP / "docs/backbone-file.md").read_text().splitlines():
        if line.startswith("### `"):
            top = line[5:-1]
            assert f" {top} " in text, top
        elif (row := re.match(r"\| `([^`]+)` \|", line)) and top:
            assert f" {top} {row[1]} " in text, f"{top} {row[1]}"
            count += 1
    assert count > 80


def test_every_option_of_the_daemon_is_in_myelind_8():
    text, _ = rendered("myelind.8")
    usage = subprocess.run([BUILD / "myelind", "--help"], capture_output=True, text=True,
                           check=True).stdout
    options = set(re.findall(r"--[a-z-]+", usage))
    assert len(options) >= 6
    for option in options:
        assert option in text, option
