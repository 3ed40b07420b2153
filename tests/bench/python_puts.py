#!/usr/bin/env python3
"""Puts a second by client/python, and what each costs this process, beside a bare loop on the socket in
the same run. Every put is fsynced. Usage: python_puts.py [COUNT]; MEMFERRY_BUILD names the build directory.
"""
import asyncio
import pathlib
import socket
import sys
import time

import msgpack

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/integration"), str(ROOT / "client/python")]

import harness  # noqa: E402
import memferry  # noqa: E402

CONTENT = "a memory of some hundred bytes, as an agent would write it down after a step " * 2


def bare_loop(path, count):
    """The least that Python can do: one packed request, one read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        for n in range(count):
            sock.sendall(msgpack.packb([0, n, "memory.put", [
                {"id": f"b{n}", "event_id": f"b{n}", "content": CONTENT}]]))
            assert msgpack.unpackb(sock.recv(4096))[2] is None


def bare_pipelined(path, count, window=256):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        unpacker, done = msgpack.Unpacker(), 0
        for at in range(0, count, window):
            size = min(window, count - at)
            sock.sendall(b"".join(msgpack.packb([0, n, "memory.put", [
                {"id": f"p{n}", "event_id": f"p{n}", "content": CONTENT}]])
                for n in range(at, at + size)))
            done += size
            while done > 0:
                unpacker.feed(sock.recv(1 << 16))
                for reply in unpacker:
                    assert reply[2] is None, reply
                    done -= 1


def plain(path, count):
    with memferry.Client(path, session_file="") as client:
        for n in range(count):
            client.put(CONTENT, id=f"c{n}")


def pipelined(path, count):
    with memferry.Client(path, session_file="") as client, client.pipeline() as pipe:
        for n in range(count):
            pipe.put(CONTENT, id=f"d{n}")


def awaited(path, count):
    async def main():
        async with memferry.AsyncClient(path, session_file="") as client:
            for n in range(count):
                await client.put(CONTENT, id=f"e{n}")

    asyncio.run(main())


def gathered(path, count):
    async def main():
        async with memferry.AsyncClient(path, session_file="") as client:
            for at in range(0, count, 1000):
                await asyncio.gather(*(client.put(CONTENT, id=f"f{n}")
                                       for n in range(at, min(at + 1000, count))))

    asyncio.run(main())


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    ways = [("bare loop on the socket", bare_loop), ("Client, one by one", plain),
            ("AsyncClient, one by one", awaited), ("bare, 256 at a time", bare_pipelined),
            ("Client, pipeline", pipelined), ("AsyncClient, 1,000 tasks", gathered)]
    with harness.running() as broker:
        for _, way in ways:
            way(broker.socket, 50)
        for name, way in ways:
            began, cpu = time.perf_counter(), time.process_time()
            way(broker.socket, count)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(f"{name:28} {count / took:10,.0f} puts/s {cpu / count * 1e6:8.1f} us of CPU each")


main()
