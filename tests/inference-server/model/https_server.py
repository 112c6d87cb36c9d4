#!/usr/bin/python3
"""Serves a folder over TLS on a free loopback port, which it prints: https_server.py CERTIFICATE KEY FOLDER

/slow-way/NAME redirects to /NAME, /leave-tls/NAME to plain HTTP; /half/NAME sends half and then nothing, /cut/NAME half and
the end of the connection, /endless/NAME bytes without end. /thirds/NAME has an entity tag and goes on where it is asked to, but
every connection ends after a third of the file; /changing/NAME does so with another tag each time, and gives all the second
time; /busy/NAME is 503 at first. Every request that is answered is a line on standard output.
"""
import functools
import http.server
import ssl
import sys
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    asked = {}  # path -> how often

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
        if self.path.startswith(("/thirds/", "/changing/", "/busy/")):
            return self.recover(name)
        super().do_GET()

    def recover(self, name):
        asked = Handler.asked[self.path] = Handler.asked.get(self.path, 0) + 1
        content = (Path(self.directory) / name.split("?")[0]).read_bytes()
        tag = f'"{asked}"' if self.path.startswith("/changing/") else '"fixed"'
        self.close_connection = True
        if self.path.startswith("/busy/") and asked == 1:
            return self.send_error(503)
        begin, range_ = 0, self.headers.get("Range")
        if range_ and self.headers.get("If-Range") == tag:
            begin = int(range_.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        whole = self.path.startswith("/busy/") or (self.path.startswith("/changing/") and asked > 1)
        self.wfile.write(content[begin:] if whole else content[begin:begin + len(content) // 3 + 1])

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
