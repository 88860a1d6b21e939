"""A TCP proxy between the pipeline and a server, which stops relaying when told to, and closes nothing."""

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Literal, Self

Direction = Literal["to server", "to client"]
BLOCK_BYTES = 4096


class StallingProxy:
    """Relays to host:port from a port of its own. Use it as a context manager.

    After `stall` it relays only so many bytes more in that direction, over all connections, and new ones count too.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._left: dict[Direction, int | None] = {"to server": None, "to client": None}
        self._lock, self._over = Lock(), Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def stall(self, direction: Direction, after_bytes: int = 0) -> None:
        """Relay only so many bytes more in one direction."""
        with self._lock:
            self._left[direction] = after_bytes

    def lead_to(self, host: str, port: int) -> None:
        """Relay new connections to another server."""
        self._target = host, port

    def relay(self) -> None:
        """Relay new connections again."""
        with self._lock:
            self._left = {"to server": None, "to client": None}

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:  # nobody is there
                client.close()
                continue
            self._sockets += [client, server]
            Thread(target=self._pump, args=(client, server, "to server"), daemon=True).start()
            Thread(target=self._pump, args=(server, client, "to client"), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        with suppress(OSError):
            while block := source.recv(BLOCK_BYTES):
                allowed = self._take(direction, len(block))
                target.sendall(block[:allowed])
                if allowed < len(block):
                    self._over.wait()
            target.shutdown(socket.SHUT_WR)

    def _take(self, direction: Direction, wanted: int) -> int:
        with self._lock:
            left = self._left[direction]
            if left is None:
                return wanted
            self._left[direction] = max(left - wanted, 0)
            return min(left, wanted)
