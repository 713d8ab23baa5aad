"""Files that the parent opens for control: the right ones, and no others."""
import errno
import os

import pytest

SECRET, LEASE, LEASE_NEW, CONFIG = 1, 2, 3, 4


def put(folder, name, text="the text\n", mode=0o600):
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def ask(node, kind, name):
    """(errno, path, first line)."""
    lines = node.ask(f"file {kind} {name}").splitlines()
    tag, error, where = lines[0].split(" ", 2)
    assert tag == "77"
    return int(error), where, "\n".join(lines[1:]).strip()


def test_a_secret_is_opened_for_reading(node):
    put(node.secrets, "core-cak")
    assert ask(node, SECRET, "core-cak") == (0, str(node.secrets / "core-cak"), "the text")
    assert "9" in node.ask("append 1 core-cak more").splitlines()[1]     # EBADF
    assert (node.secrets / "core-cak").read_text() == "the text\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_secret_that_others_can_touch_is_refused(node, mode):
    put(node.secrets, "open", mode=mode)
    assert ask(node, SECRET, "open")[0] == errno.EACCES


def test_a_secret_of_another_user_is_refused(node):
    os.chown(put(node.secrets, "theirs"), 12345, 12345)
    assert ask(node, SECRET, "theirs")[0] == errno.EACCES


def test_links_pipes_and_folders_are_no_secrets(node):
    put(node.folder, "elsewhere")
    (node.secrets / "link").symlink_to(node.folder / "elsewhere")
    os.mkfifo(node.secrets / "pipe", 0o600)
    (node.secrets / "folder").mkdir(mode=0o700)
    assert ask(node, SECRET, "link")[0] == errno.ELOOP
    assert ask(node, SECRET, "pipe")[0] == errno.EINVAL
    assert ask(node, SECRET, "folder")[0] == errno.EINVAL


def test_a_missing_secret_is_told_with_the_path_tried(node):
    assert ask(node, SECRET, "none")[:2] == (errno.ENOENT, str(node.secrets / "none"))


def test_a_lease_must_be_made_before_it_is_there_and_only_once(node):
    assert ask(node, LEASE, "link")[0] == errno.ENOENT
    assert ask(node, LEASE_NEW, "link")[:2] == (0, str(node.state / "link"))
    assert node.state.stat().st_mode & 0o777 == 0o700
    assert (node.state / "link").stat().st_mode & 0o777 == 0o600
    assert ask(node, LEASE_NEW, "link")[0] == errno.EEXIST
    assert node.ask("append 2 link leased").splitlines()[1] == "0"
    assert ask(node, LEASE, "link")[2] == "leased"


def test_a_lease_behind_a_link_is_refused(node):
    ask(node, LEASE_NEW, "first")
    (node.state / "second").symlink_to(node.state / "first")
    assert ask(node, LEASE, "second")[0] == errno.ELOOP
    assert ask(node, LEASE_NEW, "second")[0] == errno.EEXIST


def test_an_included_file_is_found_beside_the_backbone_file(node):
    put(node.folder, "sites.conf", mode=0o644)
    assert ask(node, CONFIG, "sites.conf") == (0, str(node.folder / "sites.conf"), "the text")


@pytest.mark.parametrize("name", ["../secrets/core-cak", "/etc/passwd", ".hidden", "a/b", "-x"])
def test_a_name_that_is_no_word_is_not_even_sent(node, name):
    assert node.ask(f"file 1 {name}").strip() == "not a name"


def test_what_others_cannot_read_is_not_included(node):
    """The folder may be /etc."""
    put(node.folder, "shadow", mode=0o640)
    assert ask(node, CONFIG, "shadow")[0] == errno.EACCES
