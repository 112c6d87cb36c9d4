"""Something that answers in the place of servers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READY = json.dumps({"ready": True, "model": {"architecture": "resnet101", "weights_sha256": "0" * 64, "precision": "float32"}}).encode()


class Answering:
    """Answers HTTP 200 to everything, at a port of all addresses of this machine, until ended."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(READY)))
                self.end_headers()
                self.wfile.write(READY)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
