"""Frames that nobody should send: a table of malformed ones, and good ones with their parts changed.

Everything is drawn from a random.Random, so that a seed gives the same attack again.
"""
import copy
import json
import struct

import msgpack
from test_hostile_params import good_calls
from wire import JsonClient, MsgpackClient

GIANT_COUNTS = [1 << 14, (1 << 20) - 1, 0x03ffffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]
INTEGERS = [0, -1, 1, 127, 128, 255, 256, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
            1 << 32, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63), -(1 << 31) - 1]
TEXTS = ["", "x", "\0", "a\0b", "x" * 65, "x" * 257, "x" * 65536, "é" * 129, "\u202e\ufeff", "%s%n",
         "'; DROP TABLE memory; --", "../../etc/passwd", "a\r\nb: c", "\ud800", "9" * 400, "NaN"]
PUT = b"\x94\x00\x01\xaamemory.put\x91"


def pack(value):
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")


def deep(rng):
    return rng.choice([30, 31, 32, 33, 64, 1000, 100000])


def msgpack_claims(rng):
    """Headers that promise far more than there is."""
    count = struct.pack(">I", rng.choice(GIANT_COUNTS))
    kind = rng.choice([b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"])
    place = rng.choice([b"", b"\x94", b"\x94\x00", b"\x94\x00\x01", b"\x94\x00\x01\xa5hello",
                        b"\x94\x00\x01\xa5hello\x91", PUT + b"\x81\xa2id", PUT + b"\x81\xa4tags\x91",
                        b"\x94\x00\x01\xadmemory.import\x91\x81\xa8memories"])
    return place + kind + count + rng.randbytes(rng.randrange(64))


def msgpack_requests(rng):
    """Well-formed MessagePack that is no request, or a strange one."""
    ident = rng.choice(INTEGERS + [None, True, 1.5, "1", [1], {}, float("nan"), (1 << 64) - 1])
    method = rng.choice(["hello", "", "x" * 70000, "memory.put", b"hello", 5, None, "memory.put\0"])
    params = rng.choice([[], {}, None, [{}], [{}, {}], [[]], [None], 5, "x", [{1: 2}], [{b"id": 1}],
                         [{"id": float("nan")}], [{"id": "x", "content": float("inf")}],
                         [{None: None}], [{"id": msgpack.ExtType(1, b"x")}]])
    size = rng.randrange(7)
    kind = rng.choice([0, 0, 0, 1, 2, 3, -1, 1 << 32, "0", None])
    return pack(([kind, ident, method, params] + [params] * 3)[:size])


def msgpack_bytes(rng):
    """What no encoder makes: reserved bytes, text that is not UTF-8, keys twice, lengths too long."""
    text = rng.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xe2\x82"])
    bad = bytes([0xd9, len(text)]) + text
    return rng.choice([
        b"\x94\x00\xc1", PUT + b"\xc1", PUT + b"\x81" + bad + b"\x01", PUT + b"\x81\xa2id" + bad,
        b"\x94\x00\x01" + bad + b"\x90", PUT + b"\x82\xa2id\xa1a\xa2id\xa1b",
        PUT + b"\x82\xa2id\xa1a\xa7content\xdb\x00\x10\x00\x01" + b"x" * 1048577,
        b"\xdc\x00\x04\xcc\x00\xce\x00\x00\x00\x01\xdb\x00\x00\x00\x05hello\xdd\x00\x00\x00\x00",
        PUT + b"\x83\xa2id\xa1n\xa7content\xa1x\xa5props\x81\xa1f\xcb\x7f\xf8" + b"\0" * 6,
        PUT + b"\x83\xa2id\xa1n\xa7content\xa1x\xa9embedding\xdc\x03\x00" + b"\xca\x7f\x80\0\0" * 768,
        b"\x94\x00\x01\xa1x\x91" + b"\x91" * deep(rng), b"\x91" * deep(rng),
        b"\x94\x00\x01\xa1x\x91" + b"\x81\xa1a" * deep(rng), rng.randbytes(rng.randrange(3000))])


def json_lines(rng):
    number = rng.choice([b"1e999", b"-1e999", b"1" * 400, b"0x10", b"01", b"-", b"1.", b".5", b"NaN",
                         b"-0", b"18446744073709551616", b"-9223372036854775809", b"1e-400"])
    text = rng.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\\ud800", b"\\udc00\\ud800", b"\\u12",
                       b"\\x41", b"\x01", b"\\u0000", b"a\tb"])
    depth = deep(rng)
    return rng.choice([
        b'{"id":%s,"method":"hello"}' % number, b'{"id":1,"method":"hello","params":%s}' % number,
        b'{"id":1,"method":"memory.put","params":{"id":"j","content":"x","props":{"n":%s}}}' % number,
        b'{"id":1,"method":"memory.put","params":{"id":"j","content":"%s"}}' % text,
        b'{"id":"%s","method":"hello"}' % text, b'{"%s":1}' % text, b'{"id":1,"method":"%s"}' % text,
        b'{"id":"' + b"i" * rng.choice([256, 257, 70000]) + b'","method":"hello"}',
        b'{"id":1,"id":2,"method":"hello","method":"stats"}', b"[" * depth + b"]" * depth,
        b'{"id":1,"method":"x","params":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}",
        b'{"id":1,"method":"x","params":' + b"[" * depth, b'[{"id":1,"method":"hello"}]', b"{", b'{"',
        b'{"id":{},"method":"hello"}', b'{"id":[1],"method":"hello"}', b"nul", b"//", b"{}}", b"\0",
        b'{"id":1,"method":"hello","params":[1,2]}', b'{"jsonrpc":"1.0","id":1,"method":"hello"}',
        b'{"id":1,"method":"hello"}' * 3, b"{" + b" " * rng.choice([10, 70000, 4194304]),
        b'\xef\xbb\xbf{"id":1,"method":"hello"}', b"{" + rng.randbytes(rng.randrange(3000))]) + b"\n"


def malformed(rng):
    """(kind of client, bytes)"""
    if rng.randrange(3) == 0:
        return JsonClient, rng.choice([b"", b"", b"", b" \n", b"\t"]) + json_lines(rng)
    return MsgpackClient, rng.choice([msgpack_claims, msgpack_requests, msgpack_bytes])(rng)


# ---- good calls, changed ----


def leaf(rng, binary):
    values = INTEGERS + TEXTS + [None, True, False, 0.5, -0.0, 1e300, [], {}, [[]], [{}], [None],
                                 ["x"] * 3000, {"": 1}, {"a": {"b": {"c": []}}},
                                 {str(n): n for n in range(2000)}]
    if binary:
        values += [float("nan"), float("inf"), b"", b"\xff\xfe", b"\0" * 3072, (1 << 64) - 1]
    return copy.copy(rng.choice(values))


def change(rng, value, binary):
    """One place of the tree becomes something else, goes, comes, or is wrapped."""
    if isinstance(value, (dict, list)) and value and rng.randrange(4):
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        dice = rng.randrange(6)
        if dice == 0:
            del value[key]
        elif dice == 1 and isinstance(value, dict):
            value[rng.choice(TEXTS)] = value.pop(key)
        elif dice == 2 and isinstance(value, list):
            value.extend([value[key]] * rng.choice([1, 100]))
        else:
            value[key] = change(rng, value[key], binary)
        return value
    if rng.randrange(8) == 0:
        for _ in range(rng.choice([1, 5, 25, 40])):
            value = [value]
        return value
    return leaf(rng, binary)


def changed_call(rng, kind, calls):
    """A call of the table with some of its parts changed, as bytes."""
    method = rng.choice(sorted(calls))
    params = copy.deepcopy(rng.choice(calls[method]))
    for _ in range(rng.randrange(4)):
        params = change(rng, params, kind is MsgpackClient)
    return kind.encode(rng.randrange(1 << 32), method, params)


def table():
    calls = good_calls()
    calls.pop("store.backup")  # a path that was changed could be one that may be written
    return calls


def bent(rng, data):
    """Bytes changed, cut, doubled, put in."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        dice = rng.randrange(5)
        if dice == 0:
            data[at:at + 1] = rng.randbytes(1)
        elif dice == 1:
            del data[at:at + rng.randrange(1, 9)]
        elif dice == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif dice == 3:
            data[at:at] = data[at:at + rng.randrange(1, 40)]
        elif data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
    return bytes(data)


def statement(rng):
    """What is hard on a tokenizer: long, deep, unbalanced, of three languages at once."""
    part = rng.choice(["(", ")", "'", '"', "`", "--", "/*", "*/", "$$", "$(", "{", "}", "[", "\\", ";",
                       "DELETE FROM t ", "MATCH (n) DETACH DELETE n ", "rm -rf / ", "sudo ", "|", "\n",
                       "CASE WHEN ", "bash -c '", "é", "\u202e", "eval ", "DROP TABLE x;", "<<EOF\n"])
    count = rng.choice([1, 5, 63, 64, 65, 1000, 65535 // len(part.encode())])
    text = (part * count)[:rng.choice([100, 65536])]
    return rng.choice(["", "BEGIN; ", "sh -c \"", "-- x\n"]) + text


def json_of(value):
    return json.dumps(value).encode()
