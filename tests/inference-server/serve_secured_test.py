#!/usr/bin/python3
"""What is mounted into a pod to protect it, and changes while it serves. See serving.py."""
import base64
import json
import socket
import ssl
import threading
import unittest

from serving import FOLDER, PICTURE, MountedSecret, ProgramTest, Server, main, make_certificate, wait_for


def basic(username, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


class BasicAuthentication(ProgramTest):
    def test_credentials_are_needed_and_change_without_a_failed_request(self):
        secret = MountedSecret("access", {"username": "pets", "password": "first-hidden-word"})
        with Server(environment={"INFERENCE_AUTH_BASIC_FILE": str(secret.path)}) as server:
            server.ready()  # /readyz is open
            self.assertEqual(server.get("/metrics")[0], 200)
            status, body, headers = server.request("GET", "/")
            self.assertEqual((status, json.loads(body)["code"]), (401, "unauthorized"))
            self.assertIn("Basic realm=", headers["WWW-Authenticate"])
            self.assertEqual(server.classify(PICTURE)[0], 401)
            old, new = basic("pets", "first-hidden-word"), basic("pets", "second-hidden-word")
            self.assertEqual(server.classify(PICTURE, headers=old)[0], 200)
            for path in ("/", "/app.js", "/app.css"):
                self.assertEqual(server.get(path, old)[0], 200)

            outcomes, stop = [], threading.Event()

            def client():
                # The old ones or the new ones are right at every moment.
                while not stop.is_set():
                    outcomes.append({server.get("/", old)[0], server.get("/", new)[0]})
            thread = threading.Thread(target=client)
            thread.start()
            secret.change({"username": "pets", "password": "second-hidden-word"})
            wait_for("the new password", lambda: server.get("/", new)[0] == 200)
            stop.set()
            thread.join()
            for pair in outcomes:
                self.assertTrue(200 in pair and pair <= {200, 401}, outcomes)
            self.assertEqual(server.get("/", old)[0], 401)

            secret.change({"username": "pets", "password": ""})
            wait_for("the complaint", lambda: "password is empty" in server.log())
            self.assertEqual(server.get("/", new)[0], 200)
            self.assertNotIn("hidden-word", server.log())
            self.assertNotIn(new["Authorization"].split()[1], server.log())

    def test_credentials_that_cannot_be_used_end_the_start(self):
        message = self.ends_with("ConfigurationInvalid", "--auth-basic-file", str(FOLDER / "nowhere"))
        self.assertIn("nowhere", message)
        empty = MountedSecret("empty", {"username": "pets", "password": ""})
        self.assertIn("password is empty", self.ends_with("ConfigurationInvalid", "--auth-basic-file", str(empty.path)))


def trust(*pairs):
    return ssl.create_default_context(cadata="".join(pair["tls.crt"].decode() for pair in pairs))


def tls_options(secret):
    return ["--tls-certificate", str(secret.path / "tls.crt"), "--tls-key", str(secret.path / "tls.key")]


class Https(ProgramTest):
    def test_a_rotated_certificate_is_shown_without_a_failed_request_and_a_broken_one_is_not(self):
        first, second = make_certificate("first"), make_certificate("second")
        secret = MountedSecret("tls", first)
        with Server(*tls_options(secret)) as server:
            server.tls = trust(first, second)
            server.ready()
            self.assertEqual(server.classify(PICTURE)[0], 200)
            outcomes, stop = set(), threading.Event()

            def client():
                while not stop.is_set():
                    outcomes.add(server.get("/readyz")[0])
            thread = threading.Thread(target=client)
            thread.start()

            def shown():
                with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
                    with server.tls.wrap_socket(connection, server_hostname="localhost") as secured:
                        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True)).strip().encode()
            self.assertEqual(shown(), first["tls.crt"].strip())
            secret.change({"tls.crt": second["tls.crt"], "tls.key": first["tls.key"]})
            wait_for("the complaint", lambda: "does not belong to the certificate" in server.log())
            self.assertEqual(shown(), first["tls.crt"].strip())
            secret.change(second)
            wait_for("the new certificate", lambda: shown() == second["tls.crt"].strip())
            stop.set()
            thread.join()
            self.assertEqual(outcomes, {200})
            self.assertEqual(server.log().count("does not belong to the certificate"), 1)

    def test_slow_and_vanishing_clients_disturb_nobody_and_a_drain_ends(self):
        pair = make_certificate("alone")
        with Server(*tls_options(MountedSecret("alone", pair)), "--drain-delay", "0") as server:
            server.tls = trust(pair)
            server.ready()
            silent = [server.raw() for _ in range(50)]
            half = [server.raw() for _ in range(50)]
            for connection in half:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01")
            for _ in range(50):
                with server.tls.wrap_socket(server.raw(), server_hostname="localhost") as gone:
                    gone.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(PICTURE)
                                 + PICTURE)
            # What they have left behind may take a moment to be dropped, for which others are told to come back.
            wait_for("an answer", lambda: server.classify(PICTURE)[0] == 200)
            for connection in silent + half:
                self.assertEqual(connection.recv(1000), b"")  # the time limit of the handshake
                connection.close()
            with server.raw() as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"served over HTTPS only", plain.makefile("rb").read())
            server.process.terminate()
            self.assertEqual(server.wait(), 0, server.log())
            self.assertIn('"finished_all":true', server.log())

    def test_a_certificate_that_cannot_be_used_ends_the_start(self):
        first, second = make_certificate("one"), make_certificate("other")
        mixed = MountedSecret("mixed", {"tls.crt": first["tls.crt"], "tls.key": second["tls.key"]})
        self.assertIn("does not belong", self.ends_with("ConfigurationInvalid", *tls_options(mixed)))
        missing = tls_options(mixed)[:3] + [str(FOLDER / "nowhere.key")]
        self.assertIn("nowhere.key", self.ends_with("ConfigurationInvalid", *missing))
        self.assertIn("together", self.ends_with("ConfigurationInvalid", *missing[:2]))
        self.assertIn("together", self.ends_with("ConfigurationInvalid", *missing[2:]))


if __name__ == "__main__":
    main()
