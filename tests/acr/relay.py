"""Bodies of any size between a client and the registry behind the stand-in, piece by piece: layers do not fit into memory twice."""

import contextlib
import http.client

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server", "expect"}
PIECE = 1 << 20


class Body:
    """What a request carries, once: its pieces, as they come. Nothing if it carries none."""

    def __init__(self, stream, headers):
        self.stream = stream
        self.length = headers.get("Content-Length")
        self.chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self.pieces = self._chunks() if self.chunked else self._read(int(self.length or 0))

    def __iter__(self):
        return self.pieces

    def whole(self):
        return b"".join(self.pieces)

    def drop(self):
        for _ in self.pieces:
            pass

    def _read(self, left):
        while left:
            piece = self.stream.read(min(left, PIECE))
            if not piece:
                raise ConnectionResetError("the client went away in the middle of a body")
            left -= len(piece)
            yield piece

    def _chunks(self):
        while size := int(self.stream.readline(100).partition(b";")[0], 16):
            yield from self._read(size)
            self.stream.readline(3)
        while self.stream.readline(1000).strip():
            pass


@contextlib.contextmanager
def asked(port, method, path, headers, body=None):
    """The registry's answer, of which nothing has been read yet. headers: the client's own; of a name that comes several times,
    such as Accept, all values."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        kept = {name: ", ".join(headers.get_all(name)) for name in headers if name.lower() not in HOP_BY_HOP}
        if body is not None and body.length:
            kept["Content-Length"] = body.length
        carried = body if body is not None and (body.chunked or body.length not in (None, "0")) else None
        connection.request(method, path, carried, {**kept, "X-Forwarded-Proto": "https"})
        yield connection.getresponse()
    finally:
        connection.close()


def own_headers(answer):
    return {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}


def pieces_of(answer):
    while piece := answer.read(PIECE):
        yield piece
