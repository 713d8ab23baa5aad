"""Waiting for what should become true: poll, never sleep for a guess."""
import time


class NotReached(AssertionError):
    pass


def until(what, test, limit=30.0, every=0.1):
    """Calls test() until it returns something true and returns that; NotReached after `limit`
    seconds, with the words of `what` (text or a function that makes it) and the last answer."""
    deadline = time.monotonic() + limit
    while True:
        answer = test()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NotReached(f"not within {limit} s: {what() if callable(what) else what}"
                             f" (last: {answer!r})")
        time.sleep(every)
