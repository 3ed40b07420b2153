"""A full disk: what is refused, what goes on, and that it ends when there is room.

The broker runs on a small file system of its own, in a mount namespace that only it is in.
"""
import pathlib
import shutil
import signal
import subprocess

import pytest

from wire import RpcError, until

STORAGE_FULL = -32004
PROBE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         "mount -t tmpfs none /mnt"]

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(PROBE, check=False).returncode != 0,
    reason="no mount namespaces here")


class Disk:
    """A file system as a broker sees it: of its state, or of another place."""

    def __init__(self, broker, mebibytes, place=None):
        self.broker = broker
        self.place = place or broker.state
        self.place.mkdir(mode=0o700)
        command = broker.command
        self.prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                       f'mount -t tmpfs -o mode=0700,size={mebibytes}m none "$0" && exec "$@"',
                       str(self.place)]
        broker.command = lambda *more: self.prefix + command(*more)

    @property
    def root(self):
        return pathlib.Path(f"/proc/{self.broker.pid}/root{self.place}")

    def fill(self):
        with open(self.root / "filler", "ab", buffering=0) as filler:
            block = b"x" * (1 << 20)
            while block:
                try:
                    filler.write(block)
                except OSError:
                    block = block[:len(block) // 2]

    def make_room(self):
        (self.root / "filler").unlink()


@pytest.fixture
def disk(make_broker):
    broker = make_broker(start=False)
    it = Disk(broker, 160)  # three segments of the journal, and as much twice: WAL and database
    broker.start()
    return it


def put_first(broker):
    """It is applied when this returns: what fills up then is not the store with this one on its way."""
    broker.call("memory.put", id="first", content="c")
    broker.call("memory.get", id="first")


def put_until_full(broker):
    """Puts until one is refused; returns the seqs that had a receipt."""
    seqs = []
    with broker.client() as client:
        for n in range(100000):
            try:
                seqs.append(client.call("memory.put", id=f"m{n}", content="c" * 20000)["seq"])
            except RpcError as failure:
                assert failure.code == STORAGE_FULL, failure
                return seqs
    raise AssertionError("the disk never got full")


def test_full_store_refuses_puts_serves_reads_and_ends_when_there_is_room(disk):
    broker = disk.broker
    put_first(broker)
    disk.fill()
    seqs = put_until_full(broker)
    assert broker.call("hello")
    disk.make_room()

    def taken():
        try:
            return broker.call("memory.put", id="last", content="c")
        except RpcError as failure:
            assert failure.code == STORAGE_FULL, failure
            return None

    assert until(taken, "the room to be found")["seq"] > seqs[-1]
    assert broker.call("memory.get", id=f"m{len(seqs) - 1}")["version"] == seqs[-1]


def test_stop_on_a_full_disk_is_no_error(disk):
    broker = disk.broker
    put_first(broker)
    disk.fill()
    put_until_full(broker)
    before = broker.log_text()
    broker.process.send_signal(signal.SIGTERM)
    assert broker.wait_end() == 0, broker.log_text()[len(before):]


def test_flood_on_a_full_disk_is_refused_and_not_left_waiting(disk):
    broker = disk.broker
    put_first(broker)
    disk.fill()
    with broker.client() as client:
        replies = client.many([("memory.put", {"id": f"m{n}", "content": "c" * 1000})
                               for n in range(30000)])
    refused = [r for r in replies if r.error is not None]
    assert refused and all(r.error["code"] == STORAGE_FULL for r in refused)
    disk.make_room()
    last = max((r.result["seq"], n) for n, r in enumerate(replies) if r.error is None)

    def there():
        try:
            return broker.call("memory.get", id=f"m{last[1]}")["version"] == last[0]
        except RpcError as failure:
            assert failure.name == "busy", failure
            return False

    until(there, "the store to catch up")


def test_search_catches_up_when_a_full_disk_has_room_again(disk):
    broker = disk.broker
    broker.call("memory.put", id="first", content="a lighthouse")
    assert [h["id"] for h in broker.call("memory.search", query="lighthouse")["hits"]] == ["first"]
    disk.fill()
    count = len(put_until_full(broker))
    disk.make_room()

    def level():
        try:
            return "behind" not in broker.call("memory.search", query="lighthouse")
        except RpcError as failure:
            assert failure.name == "busy", failure  # the store is behind itself
            return False

    until(level, "an index that is level")
    for wanted in ("first", f"m{count - 1}"):
        hits = broker.call("memory.search", query=f'"{wanted}"')["hits"]
        assert [h["id"] for h in hits] == [wanted]
