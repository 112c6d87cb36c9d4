#!/usr/bin/python3
"""Serves a folder over TLS on a free loopback port, which it prints: https_server.py CERTIFICATE KEY FOLDER

/slow-way/NAME redirects to /NAME, /leave-tls/NAME to plain HTTP; /half/NAME sends half and then nothing, /cut/NAME half and
the end of the connection, /endless/NAME bytes without end. Every request that is answered is a line on standard output.
"""
import functools
import http.server
import ssl
import sys
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith(("/slow-way/", "/leave-tls/")):
            self.send_response(302)
            self.send_header("Location", f"/{name}" if self.path.startswith("/slow") else f"http://localhost/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith(("/half/", "/cut/", "/endless/")):
            return self.misbehave(name)
        super().do_GET()

    def misbehave(self, name):
        content = (Path(self.directory) / name.split("?")[0]).read_bytes()
        self.send_response(200)
        if not self.path.startswith("/endless/"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content[:len(content) // 2])
            while self.path.startswith("/endless/"):
                self.wfile.write(b"x" * 65536)
            if self.path.startswith("/half/"):
                self.rfile.read(1)  # until the client goes
        except OSError:
            pass
        self.close_connection = True

    def log_request(self, *_):
        print(self.path, flush=True)

    def log_message(self, *_):
        pass


certificate, key, folder = sys.argv[1:]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
