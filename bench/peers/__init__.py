"""Umbel beside its peers on one Redis. One file per peer, each with the same names:

- ``worker()``: the command that starts one worker process;
- ``send(task, number)``: enqueue one call of ``noop``, ``mark`` or ``spin``, and return what ``result`` waits on;
- ``send_many(calls)``: the same for many pairs of task and number at once, where the peer has a way to;
- ``result(sent)``: wait for it; or ``call(number)``: send a ``noop`` and wait, where the peer does both in one;
- ``session()``: an async context around all of these, where the peer needs one.

``send``, ``send_many`` and ``result`` are coroutines where the peer is an asyncio library. A peer is set up as its own
documentation recommends for speed; the docstring of its file says how, and where that is written.
"""
