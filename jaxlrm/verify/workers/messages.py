"""Messages between a pool and its processes: lengths and JSON, never pickle."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_READ = 1 << 20  # bytes at a time


def send_json(channel: socket.socket, value: Any) -> None:
    """Waits until it is sent."""
    body = json.dumps(value).encode()
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive_json(channel: socket.socket) -> Any:
    """What `send_json` sent; EOFError where the other end has closed."""
    (length,) = _LENGTH.unpack(receive_exactly(channel, _LENGTH.size))
    return json.loads(receive_exactly(channel, length))


def receive_exactly(channel: socket.socket, length: int) -> bytes:
    """EOFError where the other end has closed."""
    data = bytearray()
    while len(data) < length:
        part = channel.recv(min(length - len(data), _READ))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
