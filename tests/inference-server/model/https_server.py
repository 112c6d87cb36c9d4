#!/usr/bin/python3
"""Serves a folder over TLS on a free loopback port, which it prints: https_server.py CERTIFICATE KEY FOLDER

/slow-way/NAME redirects to /NAME, /leave-tls/NAME to plain HTTP.
"""
import functools
import http.server
import ssl
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith(("/slow-way/", "/leave-tls/")):
            self.send_response(302)
            self.send_header("Location", f"/{name}" if self.path.startswith("/slow") else f"http://localhost/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_):
        pass


certificate, key, folder = sys.argv[1:]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
