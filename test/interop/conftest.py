import pathlib
import signal
import socket
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

from guest import Guest, GuestError, image, unavailable  # noqa: E402
from lib.netns import sweep  # noqa: E402

# A run that is told to end takes its namespaces down; one that was killed is cleaned up after.
signal.signal(signal.SIGTERM, signal.default_int_handler)
sweep()


@pytest.fixture(scope="session")
def guest():
    """One guest for the whole run, with eth0 and eth1; `guest.plugs` are the cables' other ends."""
    why = unavailable()
    if why:
        pytest.skip(f"no guest: {why}")
    try:
        image()
    except GuestError as e:
        pytest.skip(f"no guest, its packages cannot be had: {str(e).splitlines()[-1]}")
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    guest = Guest([inner for _, inner in pairs])
    guest.plugs = [outer for outer, _ in pairs]
    print(f"guest ready in {guest.boot_seconds:.1f} s")
    yield guest
    guest.stop()
