#!/usr/bin/python3
"""What is mounted into a pod to protect it, and changes while it serves. See serving.py."""
import base64
import json
import threading
import unittest

from serving import FOLDER, PICTURE, MountedSecret, ProgramTest, Server, main, wait_for


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


if __name__ == "__main__":
    main()
