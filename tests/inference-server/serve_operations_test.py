#!/usr/bin/python3
"""What those who run it use: configuration, the admin port, tokens, origins, traces. See serving.py."""
import base64
import http.client
import json
import os
import re
import ssl
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from serving import (DEADLINE, FOLDER, LABELS, MODEL, PICTURE, PROGRAM, WRITE_MODEL, MountedSecret, ProgramTest, Server, main,
                     make_certificate, wait_for)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def write(name, text):
    path = FOLDER / name
    path.write_text(text)
    return str(path)


class Configuration(ProgramTest):
    def test_a_printed_configuration_serves_as_it_says(self):
        file = write("first.yaml", f"model: {MODEL}\nlabels: {LABELS}\ntop-k: 2\nqueue-depth: 7\nupload-page: false\n")
        printed = subprocess.run([PROGRAM, "serve", "--print-config", "--config", file, "--queue-depth", "8"],
                                 env={**os.environ, "INFERENCE_TOP_K": "3"}, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        for line in (f"model: {MODEL}  # file, line 1", "top-k: 3  # environment INFERENCE_TOP_K", "queue-depth: 8  # flag",
                     "upload-page: false  # file, line 5", "drain-delay: 5  # default"):
            self.assertIn(line, printed.stdout.splitlines())
        again = write("second.yaml", printed.stdout.replace("0.0.0.0:8080", "127.0.0.1:0"))
        with Server("--config", again) as server:
            server.ready()
            self.assertEqual(len(json.loads(server.classify(PICTURE)[1])["results"][0]["predictions"]), 3)
            self.assertEqual(server.get("/")[0], 404)
            self.assertIn('"queue_depth":8', server.log())

    def test_a_file_that_is_wrong_ends_the_start_with_line_and_hint(self):
        file = write("wrong.yaml", "top-k: 2\nqueue_depth: 7\n")
        message = self.ends_with("ConfigurationInvalid", "--config", file)
        self.assertIn("line 2: there is no option queue_depth; did you mean queue-depth?", message)
        self.assertIn("nowhere.yaml", self.ends_with("ConfigurationInvalid", environment={
            "INFERENCE_CONFIG": str(FOLDER / "nowhere.yaml")}))
        self.assertIn("did you mean --queue-depth?", self.ends_with("ConfigurationInvalid", "--queue-dept", "7"))

    def test_a_misspelt_variable_is_warned_of_and_those_of_a_service_are_not(self):
        environment = {"INFERENCE_QUEUE_DEPHT": "7", "INFERENCE_SERVICE_HOST": "10.0.0.1", "INFERENCE_PORT": "tcp://10.0.0.1:80"}
        with Server(environment=environment) as server:
            server.listening()
            warning, = [json.loads(line) for line in server.log().splitlines() if "environment variable" in line]
            self.assertEqual((warning["level"], warning["variable"], warning["did_you_mean"]),
                             ("warning", "INFERENCE_QUEUE_DEPHT", "INFERENCE_QUEUE_DEPTH"))
            self.assertIn('"queue_depth":64', server.log())

    def test_more_threads_than_cores_are_warned_of(self):
        def warnings(server):
            return [json.loads(line) for line in server.log().splitlines() if "more threads than cores" in line]
        many = str(len(os.sched_getaffinity(0)) + 1)
        with Server("--threads", many, environment={"OMP_NUM_THREADS": "1"}) as server:
            server.listening()
            warning, = warnings(server)
            self.assertEqual((warning["level"], warning["threads"]), ("warning", int(many)))
        with Server("--threads", "1", environment={"OMP_NUM_THREADS": "1"}) as server:
            server.listening()
            self.assertEqual(warnings(server), [])


class AdminServer(Server):
    admin_tls = None  # an ssl.SSLContext: the admin port is asked over HTTPS

    def admin(self, method, path, body=None, headers=None):
        def port():
            found = re.search(r'"admin_port":(\d+)', self.log())
            return int(found.group(1)) if found else None
        found = wait_for("the admin port", port)
        if self.admin_tls:
            connection = http.client.HTTPSConnection("localhost", found, timeout=DEADLINE, context=self.admin_tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", found, timeout=DEADLINE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if "json" in response.headers["Content-Type"] else text.decode()
        finally:
            connection.close()


class AdminPort(ProgramTest):
    def test_reload_answers_with_the_digest_or_the_error_level_and_configuration_follow_and_drain_ends(self):
        served = FOLDER / "administered.safetensors"
        served.write_bytes(MODEL.read_bytes())
        with AdminServer("--model", str(served), "--admin-listen", "127.0.0.1:0", "--drain-delay", "0") as server:
            server.ready()
            for method, path in (("POST", "/admin/reload"), ("POST", "/admin/drain"), ("GET", "/admin/config")):
                self.assertEqual(server.request(method, path)[0], 404)
            first = json.loads(server.get("/readyz")[1])["model"]["weights_sha256"]
            other = FOLDER / "administered-next.safetensors"
            subprocess.run([WRITE_MODEL, "resnet18", "10", "3", str(other), "proven"], check=True)
            good = other.read_bytes()
            other.replace(served)
            status, answer = server.admin("POST", "/admin/reload")
            self.assertEqual(status, 200, answer)
            self.assertNotEqual(answer["model"]["weights_sha256"], first)
            self.assertEqual(json.loads(server.classify(PICTURE)[1])["model"], answer["model"])

            other.write_bytes(good[:-1000])
            other.replace(served)
            status, problem = server.admin("POST", "/admin/reload")
            self.assertEqual((status, problem["code"]), (422, "reload_failed"))
            self.assertIn("administered.safetensors", problem["detail"])
            self.assertEqual(json.loads(server.get("/readyz")[1])["model"]["weights_sha256"], answer["model"]["weights_sha256"])

            self.assertNotIn('"route":"/readyz"', server.log())
            self.assertEqual(server.admin("PUT", "/admin/log-level", '{"level": "debug"}'), (200, {"level": "debug"}))
            server.get("/readyz")
            wait_for("a line of level debug", lambda: '"route":"/readyz"' in server.log())
            self.assertIn(f"model: {served}  # flag\n", server.admin("GET", "/admin/config")[1])

            self.assertEqual(server.admin("POST", "/admin/drain"), (202, {"stage": "draining"}))
            self.assertEqual(server.wait(), 0, server.log())

    def test_beyond_loopback_tokens_are_needed(self):
        self.assertIn("--admin-token-file", self.ends_with("ConfigurationInvalid", "--admin-listen", "0.0.0.0:0"))
        tokens = write("admin-tokens", "an-admins-hidden-token\n")
        with AdminServer("--admin-listen", "0.0.0.0:0", "--admin-token-file", tokens) as server:
            server.listening()
            status, problem = server.admin("GET", "/admin/log-level")
            self.assertEqual((status, problem["code"]), (401, "unauthorized"))
            token = {"Authorization": "Bearer an-admins-hidden-token"}
            self.assertEqual(server.admin("GET", "/admin/log-level", headers=token), (200, {"level": "info"}))
            self.assertNotIn("hidden", server.log())

    def test_of_two_reloads_at_once_the_second_is_a_conflict_at_once(self):
        with AdminServer("--admin-listen", "127.0.0.1:0") as server, ThreadPoolExecutor(2) as both:
            server.ready()

            def meet():
                answers = both.map(lambda _: server.admin("POST", "/admin/reload"), range(2))
                first, second = sorted(answers, key=lambda answer: answer[0])
                self.assertEqual(first[0], 200, first)
                return second[1] if second[0] == 409 else None
            # A starved machine may send the second one when the first is done.
            self.assertEqual(wait_for("two that meet", meet)["code"], "conflict")
            self.assertEqual(server.admin("POST", "/admin/reload")[0], 200)

    def test_beyond_loopback_it_speaks_HTTPS_if_the_server_does_and_its_certificate_follows(self):
        first, second = make_certificate("admin-first"), make_certificate("admin-second")
        secret = MountedSecret("admin-tls", first)
        options = ["--tls-certificate", str(secret.path / "tls.crt"), "--tls-key", str(secret.path / "tls.key"),
                   "--admin-token-file", write("https-admin-tokens", "an-admins-hidden-token\n")]
        token = {"Authorization": "Bearer an-admins-hidden-token"}
        with AdminServer(*options, "--admin-listen", "0.0.0.0:0") as server:
            server.listening()
            self.assertIn("served over HTTPS only", server.admin("GET", "/admin/log-level", headers=token)[1]["detail"])

            def answers(pair):
                server.admin_tls = ssl.create_default_context(cadata=pair["tls.crt"].decode())
                try:
                    return server.admin("GET", "/admin/log-level", headers=token) == (200, {"level": "info"})
                except ssl.SSLCertVerificationError:
                    return False
            self.assertTrue(answers(first))
            secret.change(second)
            wait_for("the new certificate", lambda: answers(second))
            self.assertFalse(answers(first))
        with AdminServer(*options, "--admin-listen", "127.0.0.1:0") as server:
            server.listening()
            self.assertEqual(server.admin("GET", "/admin/log-level", headers=token), (200, {"level": "info"}))


class Access(ProgramTest):
    def test_tokens_are_taken_beside_a_password_and_change_while_it_serves(self):
        secret = MountedSecret("tokens", {"tokens": "first-hidden-token\n"})
        password = write("both", "pets:hidden-word")
        with Server("--auth-bearer-file", str(secret.path / "tokens"), "--auth-basic-file", password) as server:
            server.ready()

            def bearer(token):
                return server.get("/openapi.json", {"Authorization": f"Bearer {token}"})[0]
            connection = server.request("GET", "/openapi.json", headers={"Authorization": "Bearer wrong"})
            self.assertEqual(connection[0], 401)
            self.assertEqual(bearer("first-hidden-token"), 200)
            basic = {"Authorization": "Basic " + base64.b64encode(b"pets:hidden-word").decode()}
            self.assertEqual(server.get("/openapi.json", basic)[0], 200)
            secret.change({"tokens": "second-hidden-token\n"})
            wait_for("the new token", lambda: bearer("second-hidden-token") == 200)
            self.assertEqual(bearer("first-hidden-token"), 401)
            secret.change({"tokens": "# none\n"})
            wait_for("the complaint", lambda: "holds no token" in server.log())
            self.assertEqual(bearer("second-hidden-token"), 200)
            self.assertNotIn("hidden", server.log())

    def test_a_page_of_a_named_origin_may_ask_and_read_and_no_other(self):
        tokens = write("page-tokens", "the-pages-own-token\n")
        with Server("--cors-origin", "https://shop.example", "--auth-bearer-file", tokens) as server:
            server.ready()

            def preflight(origin):
                return server.request("OPTIONS", "/v1/classify", headers={
                    "Origin": origin, "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization"})
            status, _, headers = preflight("https://shop.example")
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://shop.example"))
            self.assertIn("Authorization", headers["Access-Control-Allow-Headers"])
            self.assertNotIn("Access-Control-Allow-Origin", preflight("https://evil.example")[2])
            asks = {"Origin": "https://shop.example", "Authorization": "Bearer the-pages-own-token"}
            status, _, headers = server.classify(PICTURE, headers=asks)
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://shop.example"))
            status, _, headers = server.classify(PICTURE, headers={"Origin": "https://shop.example"})
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (401, "https://shop.example"))
            self.assertEqual(server.request("OPTIONS", "/v1/classify")[0], 401)
        self.assertIn("--cors-origin", self.ends_with("ConfigurationInvalid", "--cors-origin", "shop.example"))


class Requests(ProgramTest):
    def test_a_traceparent_comes_back_and_stands_in_the_log_and_KServe_version_1_is_answered(self):
        with Server() as server:
            server.ready()
            body = json.dumps({"instances": [{"image_bytes": {"b64": base64.b64encode(PICTURE).decode()}}]})
            status, answer, headers = server.request("POST", "/v1/models/resnet18:predict", body, {"traceparent": TRACE})
            self.assertEqual((status, headers["Traceparent"]), (200, TRACE))
            expected = json.loads(server.classify(PICTURE)[1])["results"][0]["predictions"]
            self.assertEqual(json.loads(answer), {"predictions": [{p["label"]: p["probability"] for p in expected}]})
            wait_for("the log line", lambda: f'"traceparent":"{TRACE}"' in server.log())
            self.assertEqual(server.request("GET", "/nowhere", headers={"traceparent": TRACE})[2]["Traceparent"], TRACE)
            headers = server.request("GET", "/healthz", headers={"traceparent": "00-" + "0" * 32 + TRACE[35:]})[2]
            self.assertNotIn("Traceparent", headers)


if __name__ == "__main__":
    main()
