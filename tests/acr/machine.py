"""A stand-in for the Instance Metadata Service of a machine that has managed identities."""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tokens


class Machine:
    """Plain HTTP at a loopback address, up between with and its end; `stand` knows its identities as applications.

    identities  {client id: resource id}: those that are assigned to the machine
    ill         HTTP statuses of the next answers, whatever is asked
    """

    def __init__(self, stand, identities):
        self.stand, self.identities, self.ill, self.asked = stand, identities, [], []

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.machine = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def client_of(self, query):
        """As the real one: by either name, or without one if there is a single identity."""
        for client, resource in self.identities.items():
            if client == query.get("client_id") or resource == query.get("msi_res_id"):
                return client
        named = {"client_id", "msi_res_id", "object_id"} & set(query)
        return next(iter(self.identities)) if not named and len(self.identities) == 1 else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        machine = self.server.machine
        place = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(place.query))
        machine.asked.append(query)
        if machine.ill:
            return self.send(machine.ill.pop(0), {"error": "updating"})
        if place.path != "/metadata/identity/oauth2/token" or self.headers.get("Metadata") != "true" or query.get("api-version") != "2018-02-01":
            return self.send(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
        client = machine.client_of(query)
        if client is None or query.get("resource") != tokens.AUDIENCE:
            return self.send(400, {"error": "invalid_request", "error_description": "Identity not found"})
        life = machine.stand.entra_lifetime
        token = machine.stand.signer.sign(life, aud=tokens.AUDIENCE, appid=client)
        # Numbers as text, as there.
        return self.send(200, {"access_token": token, "client_id": client, "expires_in": str(life), "expires_on": str(int(time.time()) + life),
                               "resource": tokens.AUDIENCE, "token_type": "Bearer"})

    def send(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
