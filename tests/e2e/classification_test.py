#!/usr/bin/python3
"""Pictures through the load balancer's address: right answers, and right refusals for what is no picture."""

import json
import socket
import struct
import time
import urllib.parse
import zlib

import end_to_end
from end_to_end import PICTURES, EndToEnd, audit_events, classify, now

MEGABYTE = 1 << 20


def png(width, height):
    """A valid one-bit picture of zeros: small on the wire, large when decoded."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + chunk(b"IDAT", rows)
            + chunk(b"IEND", b""))


class Classification(EndToEnd):
    def setUp(self):
        self.url = self.wait_until_ready("quickstart")

    def refused(self, body, content_type="application/octet-stream"):
        """(status, problem) of an upload; the answer must be a sentence for people as well."""
        status, headers, text = classify.request(self.url, "POST", "/v1/classify", body, {"Content-Type": content_type})
        kind = {name.lower(): value for name, value in headers.items()}["content-type"]
        self.assertTrue(kind.startswith("application/problem+json"), (status, kind, text[:200]))
        problem = json.loads(text)
        self.assertEqual(problem["status"], status)
        self.assertGreater(len(problem["detail"].split()), 3, problem)
        return status, problem["code"]

    def assert_the_server_lives(self):
        self.assert_classifies(self.url)
        pod, = self.users.get("pods", None, "--selector=app.kubernetes.io/instance=quickstart")
        self.assertEqual(pod["status"]["containerStatuses"][0]["restartCount"], 0)

    def test_1_at_least_ninety_percent_of_a_hundred_held_out_pictures_are_right_while_the_operator_lists_nothing(self):
        pictures = classify.held_out(PICTURES)
        self.assertGreaterEqual(len(pictures), 100)
        self.assertGreaterEqual(len({label for label, _ in pictures}), 10)
        begin = now()
        answers = classify.top1(self.url, pictures)
        wrong = [(label, best["label"], path.name) for label, path, best in answers if label != best["label"]]
        self.assertGreaterEqual(classify.accuracy(answers), 0.9, wrong)
        self.assertEqual([event["requestURI"] for event in audit_events(begin) if event["verb"] == "list"], [])

    def test_2_a_form_upload_as_browsers_send_it_is_answered(self):
        label, path = classify.held_out(PICTURES)[0]
        boundary = "----picture"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        status, _, text = classify.request(self.url, "POST", "/v1/classify", body,
                                           {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        self.assertEqual(status, 200, text)
        result, = json.loads(text)["results"]
        self.assertEqual((result["file"], result["predictions"][0]["label"]), ("a.jpg", label))

    def test_3_an_empty_upload_is_a_bad_request(self):
        self.assertEqual(self.refused(b""), (400, "empty_body"))
        self.assert_the_server_lives()

    def test_4_a_truncated_picture_is_named_as_truncated(self):
        whole = classify.held_out(PICTURES)[0][1].read_bytes()
        self.assertEqual(self.refused(whole[:len(whole) // 2], "image/jpeg"), (422, "truncated_image"))
        self.assert_the_server_lives()

    def test_5_what_is_not_a_picture_is_an_unsupported_media_type(self):
        self.assertEqual(self.refused(b"%PDF-1.7 but not a picture" * 50, "image/jpeg"), (415, "unsupported_media_type"))
        self.assert_the_server_lives()

    def test_6_a_small_file_that_decodes_to_400_megapixels_is_refused_before_it_is_decoded(self):
        bomb = png(20000, 20000)
        self.assertLess(len(bomb), 100_000)
        begin = time.monotonic()
        self.assertEqual(self.refused(bomb, "image/png"), (413, "image_too_large"))
        self.assertLess(time.monotonic() - begin, 2)
        self.assert_the_server_lives()

    def test_7_a_body_of_20_megabytes_is_too_large(self):
        self.assertEqual(self.refused(bytes(20 * MEGABYTE)), (413, "body_too_large"))
        self.assert_the_server_lives()

    def test_8_a_client_that_sends_its_header_drop_by_drop_is_cut_off_while_others_are_served(self):
        address = urllib.parse.urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port or 80), timeout=20) as slow:
            begin = time.monotonic()
            slow.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: slow\r\n")
            self.assert_the_server_lives()
            slow.settimeout(1)
            answer, ended = b"", False
            while not ended and time.monotonic() - begin < 30:
                try:
                    slow.sendall(b"X")
                    piece = slow.recv(4096)
                    answer, ended = answer + piece, not piece
                except TimeoutError:
                    continue
                except OSError:
                    ended = True
        self.assertTrue(ended, "the connection was still open after 30 s")
        if answer:
            self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer)
        self.assert_the_server_lives()

    def test_9_page_health_and_metrics_are_public(self):
        for path, kind, words in (("/", "text/html", b"Demo model"), ("/healthz", "", b""), ("/readyz", "application/json", b'"ready"'),
                                  ("/metrics", "text/plain", b"inference_requests_total")):
            status, headers, text = classify.request(self.url, "GET", path)
            self.assertEqual(status, 200, path)
            self.assertTrue({name.lower(): value for name, value in headers.items()}.get("content-type", "").startswith(kind), (path, headers))
            self.assertIn(words, text, path)


if __name__ == "__main__":
    end_to_end.main()
