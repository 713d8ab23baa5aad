import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import labs  # noqa: E402


def lab_fixture(tmp_path_factory, *args, **kw):
    """A lab that is looked through for leftovers when it is gone."""
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), *args, **kw)
    try:
        yield lab
    finally:
        lab.down()
        left = labs.left_behind(lab.name)
        assert not left, left


@pytest.fixture
def make_lab(tmp_path_factory):
    """Makes labs with statements of the test's own; each is gone after the test."""
    made = []

    def make(*args, **kw):
        made.append(labs.Lab(tmp_path_factory.mktemp("lab"), *args, **kw))
        return made[-1]
    yield make
    for lab in made:
        lab.down()
    left = [w for lab in made for w in labs.left_behind(lab.name)]
    assert not left, left


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """Four sites, shared by a file's tests: each leaves it as it found it."""
    yield from lab_fixture(tmp_path_factory, labs.backbone(4))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    yield from lab_fixture(tmp_path_factory, labs.backbone(2))
