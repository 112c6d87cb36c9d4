"""A TCP way whose end can be changed: clients behind it move from one server to another, or find nobody."""

import socket
import threading


class Switch:
    """Listens on a port of its own. target: a port of 127.0.0.1, or None: connections are refused by closing them."""

    def __init__(self, target):
        self.target = target
        self.lock = threading.Lock()
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def to(self, target):
        """From now on; what is connected is cut."""
        self.target = target
        with self.lock:
            for one in self.open:
                _shut(one)

    def close(self):
        _shut(self.listener)
        self.acceptor.join()
        self.listener.close()
        self.to(None)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target)) if self.target else None
            except OSError:
                server = None
            if server is None:
                client.close()
                continue
            with self.lock:
                self.open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            _shut(one)
        with self.lock:
            self.open.discard(source)
            source.close()


def _shut(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
