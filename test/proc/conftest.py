import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

from node import Node, PROGRAM  # noqa: E402


def pytest_collection_modifyitems(items):
    why = None
    if os.geteuid() != 0:
        why = "needs root"
    elif not PROGRAM.exists():
        why = f"{PROGRAM} is not built"
    for item in items if why else ():
        item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def make_node(tmp_path):
    nodes = []

    def make(name="n", **kw):
        node = Node(name, tmp_path / name, **kw)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node):
    """A node with a wan interface `wan0` whose cable the test holds, and a running daemon."""
    node = make_node()
    node.start()
    return node
