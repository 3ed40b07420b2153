"""A socket before the broker's that cuts connections: what a client must live with."""
import os
import select
import socket
import threading

from wire import DEADLINE_S


class Cutter:
    """Listens at `path` and passes bytes on to `target`. `cut_replies` (a list) says behind how many
    bytes of replies the next connections are cut, both sides at once; when it is empty nothing is
    cut. `hold` keeps requests back."""

    def __init__(self, path, target):
        self.path, self.target = str(path), str(target)
        self.cut_replies = []
        self.hold = threading.Event()
        self.connections = 0
        self.requests = b""
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(128)
        self.wake_read, self.wake = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.wake)
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.listener.close()
        os.close(self.wake_read)
        os.unlink(self.path)

    def serve(self):
        pairs = {}  # a socket: (the other side, is it the broker's, bytes left before the cut)
        while True:
            ready, _, _ = select.select([self.listener, self.wake_read, *pairs], [], [], DEADLINE_S)
            if self.wake_read in ready:
                break
            for sock in ready:
                if sock is self.listener:
                    self.accept(pairs)
                elif sock in pairs:
                    self.pass_on(sock, pairs)
        for sock in pairs:
            sock.close()

    def accept(self, pairs):
        client, _ = self.listener.accept()
        self.connections += 1
        broker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        broker.connect(self.target)
        left = [self.cut_replies.pop(0) if self.cut_replies else None]
        pairs[client] = (broker, False, left)
        pairs[broker] = (client, True, left)

    def pass_on(self, sock, pairs):
        other, is_broker, left = pairs[sock]
        try:
            data = sock.recv(1 << 16)
            if not is_broker:
                self.requests += data
                if self.hold.is_set():
                    return
            if is_broker and left[0] is not None:
                data, cut = data[:left[0]], len(data) >= left[0]
                left[0] -= len(data)
                other.sendall(data)
                data = b"" if cut else data
            elif data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (sock, other):
                pairs.pop(one, None)
                one.close()
