"""A stand-in for Azure Container Registry and Entra: one TLS origin in front of Debian's docker-registry, whose token
authentication it feeds. What it answers follows Microsoft's documentation and what was seen of real clients; it never was compared
with Azure itself."""

import base64
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cluster"))

from minicluster.pki import Pki  # noqa: E402
from minicluster.processes import die_with_parent  # noqa: E402

import tokens  # noqa: E402
from relay import Body, asked, own_headers, pieces_of  # noqa: E402

NOBODY = "00000000-0000-0000-0000-000000000000"
STORAGE = "/storage/"
ROUTES = (("entra", r"/[^/]+/oauth2/v2\.0/token$"), ("discovery", r"/[^/]+/v2\.0/\.well-known/"), ("exchange", r"/oauth2/exchange$"),
          ("token", r"/oauth2/token$"), ("challenge", r"/v2/$"), ("manifest", r"/v2/.+/manifests/"), ("blob", r"/v2/.+/blobs/"),
          ("storage", STORAGE), ("registry", r"/v2/"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ended(pki, name):
    """File of a certificate that is another one in its dates alone."""
    own, authority = (x509.load_pem_x509_certificate(pki.certificate(each).read_bytes()) for each in (name, "ca"))
    signer = serialization.load_pem_private_key(pki.key("ca").read_bytes(), None)
    days = [datetime.now(timezone.utc) - timedelta(days=ago) for ago in (2, 1)]
    made = x509.CertificateBuilder(authority.subject, own.subject, own.public_key(), own.serial_number, *days, list(own.extensions))
    file = pki.folder / f"{name}-ended.crt"
    file.write_bytes(made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


class Fault:
    """What happens to the next `times` requests of a route instead of, or after, what they ask for."""

    def __init__(self, status=None, delay=0.0, truncate=None, headers=None, body=b"", times=1):
        self.status, self.delay, self.truncate, self.times = status, delay, truncate, times
        self.headers, self.body = headers or {}, body


class Stand:
    """Up from start() to stop(); all may be changed meanwhile.

    users        {name: (password, {repository: [action]})}: the admin user, scope-map tokens; "*" is every repository
    applications {client id: {"tenant", "secret" or "subject" (of a service account), "repositories"}}
    pki          an authority that there is already; else it makes one of its own
    storage      another name of `address`, to which layers are redirected as with the real one: clients take no credential there
    """

    def __init__(self, folder, name="localhost", address="127.0.0.1", port=0, service_account_keys=(), issuer=None, pki=None, storage=None):
        self.folder, self.address, self.port = Path(folder), address, port or free_port()
        self.host = name if self.port == 443 else f"{name}:{self.port}"
        self.storage = storage
        self.keys, self.issuer = list(service_account_keys), issuer
        self.users, self.applications = {}, {}
        self.access_lifetime, self.refresh_lifetime, self.entra_lifetime, self.skew = 4500, 3 * 3600, 3599, 0
        self.redirect_blobs = True
        self.clock_ahead_at = None  # the address of a client for which the certificate has ended, as for one whose clock is ahead
        self.contexts = {}
        self.choose = None  # (route, form) -> the Fault that a request meets for which none waits, or None
        self.faults, self.log, self.lock = {}, [], threading.Lock()
        if pki is None:
            pki = Pki(self.folder / "pki")
            pki.create("acr stand-in")
        pki.issue("origin", f"/CN={name}", [*(f"DNS:{one}" for one in (name, storage) if one), f"IP:{address}"])
        pki.issue("signer", "/CN=token signer")
        self.authority = pki.certificate("ca")
        self.signer = tokens.Signer(pki.certificate("signer"), pki.key("signer"))
        self.pki = pki

    def start(self):
        self.registry_port = free_port()
        (self.folder / "registry.yaml").write_text(f"""version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {self.folder}/data}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{self.registry_port}", host: "https://{self.host}", relativeurls: true}}
auth:
  token: {{realm: "https://{self.host}/oauth2/token", service: "{self.host}", issuer: "{tokens.ISSUER}", rootcertbundle: {self.authority}}}
""")
        with open(self.folder / "registry.log", "wb") as sink:
            self.registry = subprocess.Popen(["docker-registry", "serve", self.folder / "registry.yaml"], stdout=sink, stderr=sink,
                                             preexec_fn=die_with_parent)
        for name, shown in (("origin", self.pki.certificate("origin")), ("ended", ended(self.pki, "origin"))):
            self.contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[name].load_cert_chain(shown, self.pki.key("origin"))
        self.server = Server((self.address, self.port), Handler)
        self.server.stand = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.registry_port), timeout=1):
                return self
            if time.monotonic() > end or self.registry.poll() is not None:
                raise RuntimeError(f"docker-registry did not come up: see {self.folder}/registry.log")
            time.sleep(0.05)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.registry.terminate()
        self.registry.wait()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def before_request(self):
        """For those that are told of changes otherwise than by this object."""

    def fault(self, route, **how):
        with self.lock:
            self.faults.setdefault(route, []).append(Fault(**how))

    def take_fault(self, route):
        with self.lock:
            waiting = self.faults.get(route)
            if not waiting:
                return None
            waiting[0].times -= 1
            return waiting.pop(0) if waiting[0].times <= 0 else waiting[0]

    def record(self, **entry):
        with self.lock:
            self.log.append(entry)

    def requests(self, route=None):
        with self.lock:
            return [entry for entry in self.log if route in (None, entry["route"])]

    # ---- what is granted ----

    def granted(self, repositories, scopes):
        """Of the scopes asked for those that somebody with these repositories has: never an error, as with the real ones."""
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            if kind != "repository":
                continue
            allowed = repositories.get(name, repositories.get("*", []))
            access.append({"type": kind, "name": name, "actions": [action for action in actions.split(",") if action in allowed]})
        return [entry for entry in access if entry["actions"]]

    def access_token(self, repositories, scopes, subject):
        return self.signer.sign(self.access_lifetime, self.skew, iss=tokens.ISSUER, aud=self.host, sub=subject,
                                access=self.granted(repositories, scopes), grant_type="access_token", version=1)

    def repositories_of(self, token):
        """(repositories, subject) or None."""
        claims = self.signer.check(token, self.host)
        if claims and claims.get("grant_type") == "access_token":  # documented as a password as well, for what it opens itself
            return {entry["name"]: entry["actions"] for entry in claims["access"]}, claims["sub"]
        if not claims or claims.get("grant_type") != "refresh_token" or claims["sub"] not in self.applications:
            return None
        return self.applications[claims["sub"]]["repositories"], claims["sub"]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        connection, client = self.socket.accept()
        self.stand.before_request()
        context = self.stand.contexts["ended" if client[0] == self.stand.clock_ahead_at else "origin"]
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), client

    def handle_error(self, *_):
        """A client that goes away, or trusts nobody, is no fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: each answer would wait 40 ms
    timeout = 30

    def log_message(self, *_):
        pass

    def handle_any(self):
        stand = self.server.stand
        stand.before_request()
        place = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(place.path)  # Microsoft's clients escape the slashes of a repository
        self.query = urllib.parse.parse_qs(place.query)
        route = next((name for name, pattern in ROUTES if re.match(pattern, path)), "none")
        body = Body(self.rfile, self.headers)
        self.form = urllib.parse.parse_qs(body.whole().decode(errors="replace")) if route in ("entra", "exchange", "token") else {}
        fault = stand.take_fault(route) or (stand.choose and stand.choose(route, self.form))
        self.entry = {"route": route, "method": self.command, "path": path, "fault": bool(fault), "time": time.time(),
                      "shown": self.headers.get("Authorization", "").partition(" ")[0], "grant": self.form.get("grant_type", [""])[0],
                      "agent": self.headers.get("User-Agent", ""), "subject": self.subject()}
        self.truncate = fault.truncate if fault else None
        if fault:
            time.sleep(fault.delay)
        if fault and fault.status:
            self.send(fault.status, fault.body, fault.headers)
        else:
            own = route if route in ("entra", "discovery", "exchange", "token", "storage", "none") else "registry"
            getattr(self, "on_" + own)(path, body)
        body.drop()  # of what was not read the next request would begin with the rest

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def send(self, status, body=b"", headers=None):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Ms-Correlation-Request-Id": str(uuid.uuid4()), **(headers or {})}
        self.send_head(status, {**headers, "Content-Length": str(len(body))})
        if self.command == "HEAD":
            return
        if self.truncate is not None:
            self.wfile.write(body[:self.truncate])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        """For the header Date: its clock is as wrong as its tokens."""
        return super().date_time_string(timestamp or time.time() + self.server.stand.skew)

    def send_head(self, status, headers):
        self.server.stand.record(**self.entry, status=status)  # before anybody can see the answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def relay(self, answer, headers):
        """An answer of the registry behind, with these headers in place of its own."""
        length = answer.getheader("Content-Length")
        if self.truncate is not None or (length is None and self.command != "HEAD"):
            return self.send(answer.status, answer.read(), headers)
        self.send_head(answer.status, {**headers, "Content-Length": length or "0"})
        for piece in pieces_of(answer):
            self.wfile.write(piece)

    def origin(self):
        """As the client calls it: it may have come by an address."""
        return f"https://{self.headers.get('Host') or self.server.stand.host}"

    def subject(self):
        """Whom the credential shown is of, if it is a right one."""
        kind, _, shown = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return (self.server.stand.signer.check(shown, self.server.stand.host) or {}).get("sub", "")
        return (self.known_by_basic() or ("", ""))[1]

    def form_value(self, name):
        return self.form.get(name, [""])[0]

    def scopes(self):
        found = self.query.get("scope", []) + self.form.get("scope", [])
        return [scope for text in found for scope in text.split(" ") if scope]

    def refuse(self, status, code, message):
        message += f". CorrelationId: {uuid.uuid4()}" if status in (401, 403) else ""
        self.send(status, {"errors": [{"code": code, "message": message}]})

    # ---- Entra ----

    def on_discovery(self, path, _):
        base = f"https://{self.server.stand.host}/{path.split('/')[1]}"
        self.send(200, {"token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                        "issuer": f"{base}/v2.0", "jwks_uri": f"{base}/discovery/v2.0/keys"})

    def on_entra(self, path, _):
        stand = self.server.stand
        try:
            tenant, client = path.split("/")[1], self.form_value("client_id")
            self.check_client(tenant, client)
            if self.form_value("scope").removesuffix("/.default") != tokens.AUDIENCE:
                raise tokens.Refused(500011, "The resource principal was not found in the tenant.", "invalid_resource")
        except tokens.Refused as refused:
            trace, now = uuid.uuid4(), datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
            self.send(401 if refused.code in (7000215, 7000222) else 400, {
                "error": refused.error, "error_codes": [refused.code], "timestamp": now, "trace_id": str(trace),
                "error_description": f"AADSTS{refused.code}: {refused} Trace ID: {trace} Correlation ID: {uuid.uuid4()} Timestamp: {now}"})
            return
        token = stand.signer.sign(stand.entra_lifetime, aud=tokens.AUDIENCE, appid=client, tid=tenant)
        self.send(200, {"token_type": "Bearer", "expires_in": stand.entra_lifetime, "ext_expires_in": stand.entra_lifetime, "access_token": token})

    def check_client(self, tenant, client):
        application = self.server.stand.applications.get(client)
        if not application:
            raise tokens.Refused(700016, f"Application with identifier '{client}' was not found in the directory.", "unauthorized_client")
        if application["tenant"] != tenant:
            raise tokens.Refused(90002, f"Tenant '{tenant}' not found.", "invalid_request")
        if self.form_value("client_assertion"):
            tokens.check_assertion(self.form_value("client_assertion"), self.server.stand.keys, application.get("subject"),
                                   self.server.stand.issuer)
        elif not application.get("secret") or self.form_value("client_secret") != application["secret"]:
            raise tokens.Refused(7000215, "Invalid client secret provided.")

    # ---- the registry's own endpoints ----

    def on_exchange(self, *_):
        stand = self.server.stand
        claims = stand.signer.check(self.form_value("access_token"), tokens.AUDIENCE)
        application = stand.applications.get((claims or {}).get("appid"))
        if self.form_value("grant_type") != "access_token" or self.form_value("service") != stand.host:
            self.refuse(400, "BAD_REQUEST", "the request is not valid")
        elif not application or not application["repositories"]:
            self.refuse(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information")
        else:
            self.send(200, {"refresh_token": stand.signer.sign(stand.refresh_lifetime, stand.skew, iss=tokens.ISSUER, aud=stand.host,
                                                               sub=claims["appid"], grant_type="refresh_token", version=1)})

    def on_token(self, *_):
        stand = self.server.stand
        if self.command == "POST":
            # As containerd has it since 2022: no grant by password.
            if self.form_value("grant_type") != "refresh_token":
                return self.refuse(400, "BAD_REQUEST", "the grant type is not supported")
            known = stand.repositories_of(self.form_value("refresh_token"))
        else:
            known = self.known_by_basic()
        if not known:
            return self.refuse(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information")
        # Without expires_in: the token's own exp counts.
        return self.send(200, {"access_token": stand.access_token(known[0], self.scopes(), known[1])})

    def known_by_basic(self):
        kind, _, text = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return None
        name, _, password = base64.b64decode(text).decode(errors="replace").partition(":")
        if name == NOBODY:
            return self.server.stand.repositories_of(password)
        user = self.server.stand.users.get(name)
        return (user[1], name) if user and user[0] == password else None

    def on_registry(self, path, body):
        stand = self.server.stand
        with asked(stand.registry_port, self.command, self.path, self.headers, body) as answer:
            headers = {name: value.replace(f"https://{stand.host}/", f"{self.origin()}/") for name, value in own_headers(answer).items()}
            if "/blobs/sha256:" in path and self.command == "GET" and answer.status in (200, 206) and stand.redirect_blobs:
                origin = f"https://{stand.storage}" if stand.storage else self.origin()
                place = f"{origin}{STORAGE}{path.removeprefix('/v2/')}?sig={uuid.uuid4().hex}"
                return self.send(307, b"", {**headers, "Location": place})
            return self.relay(answer, headers)

    def on_storage(self, path, _):
        """Azure's storage refuses a second kind of authorization beside the signature in the URL."""
        stand = self.server.stand
        if "Authorization" in self.headers:
            return self.send(400, b"InvalidAuthenticationInfo", {"Content-Type": "application/xml"})
        repository = path.removeprefix(STORAGE).partition("/blobs/")[0]
        self.headers["Authorization"] = "Bearer " + stand.access_token({"*": ["pull"]}, [f"repository:{repository}:pull"], "storage")
        with asked(stand.registry_port, self.command, "/v2/" + path.removeprefix(STORAGE), self.headers) as answer:
            kept = {name: value for name, value in answer.getheaders() if name == "Content-Range"}
            return self.relay(answer, {"Content-Type": "application/octet-stream", **kept})

    def on_none(self, *_):
        self.send(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
