"""What a real Celery has signed Umbel reads, and the reverse; neither reads what was changed on the way."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from tests.interop.environments import ROOT, need
from tests.wire.keys import identity
from umbel import Umbel
from umbel.exceptions import SecurityError
from umbel.wire import serializers

VALUE = [[1, "grüß"], {"k": None}, {"callbacks": None}]


def test_signatures_pass_both_ways(version: str, tmp_path: Path) -> None:
    ours = identity("ours").write(tmp_path, "ours")
    theirs = identity("theirs").write(tmp_path, "theirs")
    store = tmp_path / "store"
    app = Umbel("signed", set_as_current=False, task_serializer="auth", accept_content=["auth"])
    app.setup_security(key=str(ours[0]), cert=str(ours[1]), store=str(store))
    try:
        kind, encoding, written = serializers.encode(VALUE, "auth")
        fields = base64.b64decode(written).replace(b"[1,", b"[7,")
        orders = [
            f"sign {json.dumps(VALUE)}",
            f"read {written.decode()}",
            f"read {base64.b64encode(fields).decode()}",
        ]
        done = subprocess.run(
            [str(need(version)), str(Path(__file__).with_name("signed.py")), *map(str, (*theirs, store))],
            input="\n".join(orders),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        signed, read, changed = map(json.loads, done.stdout.splitlines())
        assert (read, changed) == (VALUE, "DecodeError")
        assert signed[:2] == [kind, encoding]
        assert serializers.decode(signed[2].encode(), kind, encoding, app.accept_content) == VALUE
        forged = base64.b64encode(base64.b64decode(signed[2]).replace(b"[1,", b"[7,"))
        with pytest.raises(SecurityError, match="changed, or forged"):
            serializers.decode(forged, kind, encoding, app.accept_content)
    finally:
        serializers.unregister("auth")
