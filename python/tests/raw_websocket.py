"""A bare WebSocket in a few lines, both ends: tests say and see every frame."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
from typing import Optional, Tuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class RawWebSocket:
    """One connection after its handshake. ``receive`` gives (opcode, payload); an opcode of 0 is the end of the stream."""

    def __init__(self, sock: socket.socket, client: bool) -> None:
        self.sock = sock
        self.client = client
        self._buffer = b""

    @classmethod
    def connect(cls, port: int, path: str, timeout: float = 10) -> RawWebSocket:
        """As a client. ConnectionRefusedError with the status line when the server does not upgrade."""
        ws = cls(socket.create_connection(("127.0.0.1", port), timeout=timeout), client=True)
        key = base64.b64encode(os.urandom(16)).decode()
        ws.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        head = ws._head()
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(head.split(b"\r\n")[0].decode())
        return ws

    @classmethod
    def accept(cls, sock: socket.socket) -> Tuple[RawWebSocket, str]:
        """As a server: the connection and its request line."""
        ws = cls(sock, client=False)
        head = ws._head().decode()
        key = next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        return ws, head.split("\r\n")[0]

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """One whole frame."""
        size = len(payload)
        mask_bit = 0x80 if self.client else 0
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([mask_bit | size])
        elif size < 65536:
            head += bytes([mask_bit | 126]) + struct.pack(">H", size)
        else:
            head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
        # A mask of zeros is a mask.
        self.sock.sendall(head + (b"\0\0\0\0" if self.client else b"") + payload)

    def receive(self, timeout: float = 10) -> Tuple[int, bytes]:
        """The next message or control frame; TimeoutError when none comes."""
        self.sock.settimeout(timeout)
        whole, first = b"", 0
        try:
            while True:
                head = self._exactly(2)
                size = head[1] & 0x7F
                if size == 126:
                    size = struct.unpack(">H", self._exactly(2))[0]
                elif size == 127:
                    size = struct.unpack(">Q", self._exactly(8))[0]
                mask = self._exactly(4) if head[1] & 0x80 else b""
                payload = self._exactly(size)
                if mask:
                    payload = _unmask(payload, mask)
                opcode = head[0] & 0x0F
                if opcode >= CLOSE:
                    return opcode, payload
                first = first or opcode
                whole += payload
                if head[0] & 0x80:
                    return first, whole
        except socket.timeout as error:
            raise TimeoutError("no frame came") from error
        except (EOFError, ConnectionError):
            return 0, b""

    def close(self, code: Optional[int] = None) -> None:
        """A close frame where a code is given, then the end of the stream."""
        try:
            if code is not None:
                self.send(struct.pack(">H", code), CLOSE)
                while self.receive(5)[0] not in (0, CLOSE):
                    pass
        except OSError:
            pass
        self.sock.close()

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self._buffer += piece
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = self.sock.recv(1 << 20)
            if not piece:
                raise EOFError
            self._buffer += piece
        out, self._buffer = self._buffer[:size], self._buffer[size:]
        return out


def _unmask(payload: bytes, mask: bytes) -> bytes:
    if mask == b"\0\0\0\0":
        return payload
    times = -(-len(payload) // 4)
    key = int.from_bytes((mask * times)[:len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
