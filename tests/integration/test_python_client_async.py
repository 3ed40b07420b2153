"""client/python against the real broker: the asyncio client."""
import asyncio
import gc
import os
import sys
import threading

import pytest

import harness
from cutter import Cutter
from harness import SOURCE
from wire import DEADLINE_S

sys.path.insert(0, str(SOURCE / "client" / "python"))

import memferry  # noqa: E402


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("MEMFERRY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(main):
    """With every warning of asyncio an error, and nothing left behind in the loop."""

    async def bounded():
        await asyncio.wait_for(main, DEADLINE_S)
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    threads = threading.active_count()
    asyncio.run(bounded(), debug=True)
    gc.collect()
    assert threading.active_count() == threads


def test_the_verbs_are_those_of_the_plain_client():
    def names(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(memferry.Client) - names(memferry.AsyncClient) == {"pipeline"}
    assert names(memferry.AsyncClient) <= names(memferry.Client)
    for name in ("put", "search", "restore"):
        assert getattr(memferry.AsyncClient, name).__doc__ == getattr(memferry.Client,
                                                                      name).__doc__


def test_memories_come_back_and_errors_have_types(broker, tmp_path):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False) as client:
            receipt = await client.put("one", id="m", props={"n": 1})
            await client.put("two", id="m")
            assert (await client.get("m")).version == receipt.seq + 1
            assert (await client.diff("m")).content
            assert [one.op for one in await client.history("m")] == ["put", "put"]
            with pytest.raises(memferry.NotFound):
                await client.get("nowhere")
            with pytest.raises(memferry.Conflict) as told:
                await client.put("x", id="m", expected_version=0)
            assert told.value.version == receipt.seq + 1
            with pytest.raises(memferry.InvalidArgument):
                await client.put("x" * (5 << 20))
            async with client.session(agent="tester") as session:
                await client.delete("m")
            assert (await client.undo(session_id=session.id)).restored == 1
            assert await client.export_to(tmp_path / "all") == 1
            assert (await client.import_from(tmp_path / "all")).unchanged == 1
            assert [m.id async for m in client.memories(deleted="any")] == ["m"]
            assert (await client.search("two")).hits[0].memory.id == "m"
            assert (await client.observe("DROP TABLE x")).alerts

    run(main())


def test_many_tasks_share_one_connection_and_keep_their_order(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False, window=50) as client:
            before = broker.call("stats")["peers"]["now"]
            receipts = await asyncio.gather(
                *(client.put(str(n), id=f"m{n % 7}") for n in range(2000)))
            assert [one.seq for one in receipts] == list(range(1, 2001))
            assert broker.call("stats")["peers"]["now"] == before + 1
            memories = await asyncio.gather(*(client.get(f"m{n}") for n in range(7)))
            assert [int(m.content) % 7 for m in memories] == list(range(7))
            assert min(int(m.content) for m in memories) >= 1993

    run(main())


def test_large_values_go_both_ways_at_once(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False) as client:
            await client.put("x" * (1 << 20), id="large")
            told = await asyncio.gather(*(
                client.get("large") if n % 2 else client.put("y" * (1 << 20), id=f"m{n}")
                for n in range(60)))
            assert all(len(one.content) == 1 << 20 for one in told[1::2])

    run(main())


def test_a_cancelled_put_leaves_nothing_behind(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False, window=8) as client:
            await client.connect()
            tasks = [asyncio.ensure_future(client.put(str(n), id=f"m{n}")) for n in range(300)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in told[::3])
            rest = [one for n, one in enumerate(told) if n % 3]
            assert [one.id for one in rest] == [f"m{n}" for n in range(300) if n % 3]
            assert [one.seq for one in rest] == sorted(one.seq for one in rest)
            exchange = client._link._exchange  # pylint: disable=protected-access
            await client.hello()
            assert exchange.in_flight == 0
            for n in range(300):
                if n % 3:
                    assert (await client.get(f"m{n}")).content == str(n)

    run(main())


def test_a_put_cancelled_while_it_is_sent_and_again_with_its_event_id_happens_once(broker):
    async def main():
        with Cutter(broker.root / "cut", broker.socket) as cutter:
            cutter.hold.set()
            async with memferry.AsyncClient(cutter.path, start=False) as client:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.put("x", id="m", event_id="e"), 0.2)
                assert b"memory.put" in cutter.requests
            cutter.hold.clear()
            async with memferry.AsyncClient(cutter.path, start=False) as client:
                for _ in range(2):
                    await client.put("x", id="m", event_id="e", retry=True)
                assert len(await client.history("m")) == 1

    run(main())


def test_connections_cut_in_the_middle_lose_and_double_nothing(broker):
    async def main():
        with Cutter(broker.root / "cut", broker.socket) as cutter:
            for behind in (0, 9, 3000, 25001):
                cutter.cut_replies[:] = [behind]
                async with memferry.AsyncClient(cutter.path, start=False) as client:
                    receipts = await asyncio.gather(
                        *(client.put(str(n), id=f"{behind}-{n % 10}") for n in range(500)))
                    assert [one.seq for one in receipts] == sorted(one.seq for one in receipts)
                    for n in range(10):
                        assert len(await client.history(f"{behind}-{n}")) == 50
                        assert (await client.get(f"{behind}-{n}")).content == str(490 + n)
            async with memferry.AsyncClient(cutter.path, start=False) as client:
                cutter.cut_replies[:] = [3, 3]
                with pytest.raises(memferry.UncertainError):
                    await client.put("x", id="uncertain")
                assert (await client.hello())["server"] == "memferryd"

    run(main())


def test_a_broker_that_restarts_is_waited_for(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False) as client:
            await client.put("x", id="m")
            broker.restart()  # the loop stands still meanwhile
            assert (await client.get("m")).content == "x"
            pending = [asyncio.ensure_future(client.put("x", id=f"n{n}")) for n in range(100)]
            await asyncio.sleep(0)
            broker.kill()
            broker.start()
            await asyncio.gather(*pending)
            for n in range(100):
                assert len(await client.history(f"n{n}")) == 1

    run(main())


def test_no_broker_is_told_to_everyone_who_asked(tmp_path):
    async def main():
        async with memferry.AsyncClient(str(tmp_path / "none"), start=False) as client:
            told = await asyncio.gather(*(client.put("x") for _ in range(50)),
                                        return_exceptions=True)
            assert all(isinstance(one, memferry.ConnectError) for one in told)

    run(main())


def test_a_time_out_leaves_the_connection_as_it_is(broker):
    async def main():
        broker.process.send_signal(19)
        try:
            async with memferry.AsyncClient(broker.socket, start=False, timeout_s=0.2) as client:
                with pytest.raises(memferry.DeadlineError):
                    await client.put("x", id="slow")
                broker.process.send_signal(18)
                assert (await client.put("y", id="after")).seq == 2
        finally:
            broker.process.send_signal(18)

    run(main())


def test_a_client_closed_in_the_middle_fails_what_is_on_its_way(broker):
    async def main():
        broker.process.send_signal(19)
        try:
            client = memferry.AsyncClient(broker.socket, start=False)
            tasks = [asyncio.ensure_future(client.put("x")) for _ in range(600)]
            await client.connect()
            await asyncio.sleep(0)
            await client.close()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, memferry.MemferryError) for one in told)
        finally:
            broker.process.send_signal(18)
        assert (await client.hello())["server"] == "memferryd"
        await client.close()

    run(main())


def test_one_client_serves_one_loop_after_the_other(broker):
    client = memferry.AsyncClient(broker.socket, start=False)

    async def put(ident):
        return await client.put("x", id=ident)

    assert asyncio.run(put("a")).seq == 1
    assert asyncio.run(put("b")).seq == 2
    asyncio.run(client.close())


def test_a_subscription_misses_nothing_over_a_restart_and_for_a_slow_reader(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False) as client:
            async with client.subscribe(["put"], from_seq=1) as events:
                await asyncio.gather(*(client.put("x", id=f"a{n}") for n in range(1500)))
                taken = [(await events.__anext__()).id for _ in range(100)]
                assert len(events._events) <= 2 * 1000  # pylint: disable=protected-access
                broker.restart()
                await asyncio.gather(*(client.put("x", id=f"b{n}") for n in range(100)))
                while len(taken) < 1600:
                    taken.append((await events.__anext__()).id)
            assert taken == [f"a{n}" for n in range(1500)] + [f"b{n}" for n in range(100)]

    run(main())


def test_an_alert_comes_to_whoever_waits_for_it(broker):
    async def main():
        async with memferry.AsyncClient(broker.socket, start=False) as client:
            async with client.subscribe(["alert"]) as events:
                waiting = asyncio.ensure_future(events.__anext__())
                await asyncio.sleep(0)
                await client.observe("DROP TABLE users")
                assert (await waiting).alert["rule"] == "schema-change"
                cancelled = asyncio.ensure_future(events.__anext__())
                await asyncio.sleep(0)
                cancelled.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await cancelled

    run(main())


def test_a_broker_is_started_without_holding_up_the_loop(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir(mode=0o700)
    for name, place in (("RUNTIME_DIR", "run"), ("STATE_HOME", "state"), ("CONFIG_HOME", "conf")):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / place))
    monkeypatch.setenv("PATH", f"{harness.MEMFERRY.parent}:{harness.MEMFERRYD.parent}:"
                       + os.environ["PATH"])

    async def main():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.ensure_future(count())
        async with memferry.AsyncClient() as client:
            pid = (await client.hello())["pid"]
        counting.cancel()
        os.kill(pid, 15)
        assert turns > 10

    run(main())
