"""What a disk may hold after a power cut, by the log of record_disk.so.

What was synced is there. Of what was not, each sector of a file may be as any of the writes left it
or as it was before, a new size may be there or not, and a name that was made, changed or removed may
be so or not until its directory was synced. Names that depend on each other change in order. A
shared mapping (SQLite's -shm) may hold anything.
"""
import os
import pathlib
import struct
import zlib

HEAD = struct.Struct("<IIiIQQ")
(OPEN, CLOSE, WRITE, TRUNCATE, RESERVE, SYNC_BEGIN, SYNC_END, RENAME, LINK, UNLINK, MKDIR, ACCEPT, SEND,
 MAPPED, START) = range(1, 16)
MADE, CUT, ZEROS, IS_FOLDER = 1, 2, 4, 8
SECTOR = 512
FOLDER = "a directory"
CHANGES = (WRITE, TRUNCATE, RESERVE, SYNC_END, RENAME, LINK, UNLINK, MKDIR)


class Record:
    __slots__ = ("kind", "marks", "fd", "offset", "length", "data")

    def __init__(self, kind, marks, fd, offset, length, data):
        self.kind, self.marks, self.fd = kind, marks, fd
        self.offset, self.length, self.data = offset, length, data

    def names(self):
        return [n.decode() for n in self.data.split(b"\0") if n]


def read_log(path):
    data = pathlib.Path(path).read_bytes()
    records, at = [], 0
    while at + HEAD.size <= len(data):
        kind, marks, fd, size, offset, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        if at + size > len(data):
            break  # its writer was killed in the middle of it
        records.append(Record(kind, marks, fd, offset, length, data[at:at + size]))
        at += size
    return records


class File:
    """What is surely on the disk, and what may be: (index, kind, offset, bytes or a count of zeros)."""

    def __init__(self, data=b""):
        self.kept = bytearray(data)
        self.pending = []
        self.mapped = False

    def sync(self, before):
        left = []
        for change in self.pending:
            if change[0] < before:
                apply_change(self.kept, change)
            else:
                left.append(change)
        self.pending = left


def apply_change(content, change):
    _, kind, offset, data = change
    if kind == WRITE:
        size = data if isinstance(data, int) else len(data)
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset:offset + size] = bytes(size) if isinstance(data, int) else data
    elif kind == RESERVE:
        content.extend(bytes(max(0, offset - len(content))))
    else:
        if offset < len(content):
            del content[offset:]
        else:
            content.extend(bytes(offset - len(content)))


class Name:
    """A change of names: made (with its file), linked, renamed, removed."""

    def __init__(self, index, kind, path, to=None, node=None):
        self.index, self.kind, self.path, self.to, self.node = index, kind, path, to, node

    def folders(self):
        return {os.path.dirname(p) for p in (self.path, self.to) if p}

    def apply(self, names):
        if self.kind in (OPEN, MKDIR):
            names[self.path] = self.node
        elif self.kind == LINK:
            names[self.to] = self.node
        elif self.kind == RENAME:
            names.pop(self.path, None)
            names[self.to] = self.node
        else:
            names.pop(self.path, None)


class Disk:
    """The files below one directory, as a log changes them record by record."""

    def __init__(self, root, base=None):
        self.root = str(root)
        self.now = {self.root: FOLDER}  # as the program sees it
        for path in sorted(pathlib.Path(base).rglob("*")) if base else ():
            name = os.path.join(self.root, os.path.relpath(path, base))
            if path.is_dir():
                self.now[name] = FOLDER
            elif path.is_file() and not path.is_symlink():
                self.now[name] = File(path.read_bytes())
        self.kept = dict(self.now)
        self.pending = []
        self.fds = {}
        self.tickets = {}
        self.index = 0

    def step(self, record):
        """Takes one record; returns the name of the file that it is about, or None."""
        self.index += 1
        kind = record.kind
        if kind == START:
            self.fds, self.tickets = {}, {}
        elif kind == OPEN:
            return self.open(record)
        elif kind == CLOSE:
            self.fds.pop(record.fd, None)
        elif kind in (RENAME, LINK, UNLINK, MKDIR):
            return self.name(record)
        elif kind == SYNC_END:
            return self.sync(record)
        elif record.fd in self.fds and kind not in (ACCEPT, SEND):
            path, node = self.fds[record.fd]
            self.change(record, node)
            return path
        return None

    def change_names(self, change):
        change.apply(self.now)
        self.pending.append(change)

    def open(self, record):
        path = record.data.decode()
        if record.marks & IS_FOLDER:
            self.fds[record.fd] = path, path
            return None
        node = self.now.get(path)
        if node is None:
            assert record.marks & MADE, f"{path} is there, but was never made"
            node = File()
            self.change_names(Name(self.index, OPEN, path, node=node))
        elif record.marks & CUT:
            node.pending.append((self.index, TRUNCATE, 0, None))
        self.fds[record.fd] = path, node
        return path

    def name(self, record):
        path, *to = record.names()
        to = to[0] if to else None
        node = FOLDER if record.kind == MKDIR else self.now[path]
        self.change_names(Name(self.index, record.kind, path, to, node))
        return to or path

    def change(self, record, node):
        if record.kind == SYNC_BEGIN:
            self.tickets[record.length] = self.index, record.fd, node
        elif record.kind == MAPPED:
            node.mapped = True
        elif record.kind == WRITE:
            data = record.length if record.marks & ZEROS else record.data
            node.pending.append((self.index, WRITE, record.offset, data))
        elif record.kind in (TRUNCATE, RESERVE):
            node.pending.append((self.index, record.kind, record.length, None))

    def sync(self, record):
        before, fd, node = self.tickets.pop(record.length)
        if isinstance(node, File):
            node.sync(before)
            return self.fds.get(fd, (None,))[0]
        left = []
        for change in self.pending:
            if change.index < before and node in change.folders():
                change.apply(self.kept)
            else:
                left.append(change)
        self.pending = left
        return node

    # ---- after the cut ----

    def cut(self, way, rng):
        """{path: content, or FOLDER} as a disk may hold it, chosen in this way."""
        last = self.last_write() if way == "torn" else None
        until = rng.randint(0, self.index) if way == "prefix" else None
        names = dict(self.kept)
        for change in self.names_kept(way, until, rng):
            change.apply(names)
        names = {p: n for p, n in names.items() if self.is_reachable(p, names)}
        contents = {}
        for path, node in names.items():
            if node is FOLDER:
                contents[path] = FOLDER
                continue
            if id(node) not in contents:
                contents[id(node)] = self.content(node, way, until, last, rng)
            contents[path] = contents[id(node)]
        return {p: c for p, c in contents.items() if isinstance(p, str) and p != self.root}

    def is_reachable(self, path, names):
        above = os.path.dirname(path)
        return path == self.root or above == self.root or (
            names.get(above) is FOLDER and self.is_reachable(above, names))

    def last_write(self):
        writes = [c[0] for n in self.now.values() if isinstance(n, File) for c in n.pending
                  if c[1] == WRITE]
        return max(writes, default=None)

    def names_kept(self, way, until, rng):
        if way == "nothing":
            return []
        if way in ("all", "torn"):
            return self.pending
        if way == "prefix":
            return [c for c in self.pending if c.index <= until]
        kept = []
        for group in self.name_groups():
            kept += group[:rng.randint(0, len(group))]
        return sorted(kept, key=lambda c: c.index)

    def name_groups(self):
        """Changes that have a name in common follow each other; others may overtake."""
        groups = []
        for change in self.pending:
            own = {change.path, change.to} - {None}
            joined, others = [change], []
            for names, changes in groups:
                if names & own:
                    own |= names
                    joined = changes + joined
                else:
                    others.append((names, changes))
            groups = others + [(own, sorted(joined, key=lambda c: c.index))]
        return [changes for _, changes in groups]

    def content(self, node, way, until, last, rng):
        if node.mapped:
            return rng.choice([b"", bytes(32768), rng.randbytes(32768)])
        content = bytearray(node.kept)
        if way == "nothing":
            return content
        if way in ("all", "torn"):
            for change in node.pending:
                apply_change(content, torn(change, rng) if change[0] == last else change)
            return content
        if way == "prefix":
            for change in node.pending:
                if change[0] <= until:
                    apply_change(content, change)
            return content
        return scatter(content, node.pending, rng, way == "stale")


def torn(change, rng):
    index, kind, offset, data = change
    if isinstance(data, int):
        return index, kind, offset, rng.randrange(0, data + 1) // SECTOR * SECTOR
    return index, kind, offset, data[:rng.randrange(0, len(data) + 1) // SECTOR * SECTOR]


def scatter(content, changes, rng, stale):
    """Any sectors of any writes; with stale, what a new size uncovers is what lay there before."""
    chance = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0])
    for change in changes:
        index, kind, offset, data = change
        if kind != WRITE:
            if rng.random() < chance:
                apply_change(content, change)
            continue
        size = data if isinstance(data, int) else len(data)
        if offset + size > len(content):
            if rng.random() >= max(chance, 0.5):
                continue  # the size did not grow: nothing of it is there
            grown = offset + size - len(content)
            content.extend(rng.randbytes(grown) if stale and rng.random() < 0.5 else bytes(grown))
        if chance in (0.0, 1.0):
            if chance:
                apply_change(content, change)
            continue
        for at in range(offset // SECTOR * SECTOR, offset + size, SECTOR):
            if rng.random() < chance:
                begin, end = max(at, offset), min(at + SECTOR, offset + size)
                piece = bytes(end - begin) if isinstance(data, int) else data[
                    begin - offset:end - offset]
                content[begin:end] = piece
    return content


def digest(state):
    total = 0
    for path in sorted(state):
        total = zlib.crc32(path.encode(), total)
        if state[path] is not FOLDER:
            total = zlib.crc32(state[path], total)
    return total


def write_out(state, root, target):
    for path in sorted(state):
        place = os.path.join(target, os.path.relpath(path, root))
        if state[path] is FOLDER:
            os.makedirs(place, mode=0o700, exist_ok=True)
        else:
            fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(fd, "wb") as file:
                file.write(state[path])
