"""Load from several connections that notes every receipt, and the check of receipts afterwards."""
import random
import threading

from wire import Closed, until

STOPPING = -32005
BROKEN = (Closed, ConnectionError, BrokenPipeError, OSError)
KEEP = "[journal]\nkeep_segments = true\n"


def remove_store(broker):
    removed = list(broker.state.glob("memferry.db*"))
    assert removed, list(broker.state.iterdir())
    for path in removed:
        path.unlink()


class Load:
    """Writers on several connections that note every receipt the moment it has come."""

    def __init__(self, broker, seed, writers=6, depth=16):
        self.broker, self.seed, self.depth = broker, seed, depth
        self.lock = threading.Lock()
        self.receipts = []  # (seq, id, method, content or None, duplicate, writer, number sent)
        self.failures = []
        self.threads = [threading.Thread(target=self.guard, args=(n,), daemon=True)
                        for n in range(writers)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        assert not self.failures, self.failures

    def guard(self, writer):
        try:
            self.write(writer)
        except BROKEN:
            pass  # the kill
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))

    def request(self, rng, number, count):
        """Mostly new memories, some changes of old ones of this writer, some deletes."""
        fresh = f"{self.seed}-{number}-{count}"
        dice = rng.random()
        if count > 20 and dice < 0.15:
            ident = f"{self.seed}-{number}-{rng.randrange(20)}"
            return "memory.put", {"id": ident, "content": f"again {fresh}"}
        if count > 20 and dice < 0.2:
            return "memory.delete", {"id": f"{self.seed}-{number}-{rng.randrange(20)}"}
        size = rng.choice([10, 600, 600, 4096, 60000] if dice < 0.9 else [200])
        return "memory.put", {"id": fresh, "content": fresh + "." * size}

    def write(self, writer):
        rng = random.Random(f"{self.seed}/{writer}")
        encoding = "json" if writer % 3 == 0 else "msgpack"
        with self.broker.client(encoding) as client:
            pending, count = {}, 0
            while True:
                try:
                    while len(pending) < self.depth:
                        call = self.request(rng, writer, count)
                        pending[client.send(*call)] = (*call, writer, count)
                        count += 1
                except BROKEN:
                    self.depth = 0  # it takes no more, but may have answered: read to the end
                reply = client.receive()
                self.note(*pending.pop(reply.id), reply)

    def note(self, method, params, writer, number, reply):
        if reply.error is not None:
            if reply.error["code"] == STOPPING:
                return
            raise AssertionError(f"{method} {params['id']}: {reply.error}")
        told = reply.result
        assert told["durable"] is True and told["id"] == params["id"], told
        with self.lock:
            self.receipts.append((told["seq"], told["id"], method, params.get("content"),
                                  told["duplicate"], writer, number))

    def wait_receipts(self, count):
        until(lambda: len(self.receipts) >= count or self.failures, f"{count} receipts")


def check_receipts(broker, receipts):
    """Each receipt's version is there, and says what was put."""
    changed = [r for r in receipts if not r[4]]
    seqs = [r[0] for r in changed]
    assert len(seqs) == len(set(seqs)), "two receipts with one seq"
    with broker.client() as client:
        replies = client.many([("memory.get", {"id": r[1], "version": r[0]}) for r in changed])
        newest = {}
        for (seq, ident, method, content, *_), reply in zip(changed, replies):
            memory = reply.get()
            assert memory["id"] == ident and memory["version"] == seq
            if method == "memory.delete":
                assert memory["deleted_ms"], (ident, seq)
            else:
                assert memory["content"] == content and not memory.get("deleted_ms"), (ident, seq)
            newest[ident] = max(newest.get(ident, 0), seq)
        idents = list(newest)
        for ident, reply in zip(idents, client.many(
                [("memory.get", {"id": i}) for i in idents])):
            assert reply.get()["version"] >= newest[ident], ident


def check_order(receipts):
    """Writes of one connection commit in the order sent, whenever their answers come."""
    last = {}
    for seq, ident, _, _, duplicate, writer, number in sorted(receipts, key=lambda r: r[5:]):
        if not duplicate:
            assert seq > last.get(writer, 0), (writer, number, ident, seq)
            last[writer] = seq
