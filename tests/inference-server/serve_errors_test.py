#!/usr/bin/python3
"""What the real program's errors say, and what it does not have at its public address. See serving.py."""
import re
import unittest
from pathlib import Path

from serving import FOLDER, PICTURE, PICTURES, Server, main


class Errors(unittest.TestCase):
    INTERNAL = re.compile(r"/(home|root|usr|tmp|opt|etc|lib|var|proc|work|build)\b|\.(cpp|hpp|so|safetensors)\b|::|0x[0-9a-f]{6}|"
                          r"(?i:torch\b|onednn|dnnl|boost|beast|asio|nlohmann|libjpeg|libpng|libwebp|giflib|zlib|spdlog|exception)")

    def test_no_error_names_a_path_a_symbol_or_a_library(self):
        with Server() as server:
            server.ready()
            answers = []
            for picture in map(Path.read_bytes, sorted(PICTURES.iterdir())):
                answers += [server.classify(picture[:size]) for size in (3, len(picture) // 2, len(picture) - 3)]
                answers.append(server.classify(picture[:60] + bytes(range(256)) * 4))
            infer = "/v2/models/resnet18/infer"
            wrong = [b"", b"{", b"[]", b'{"inputs": 1}',
                     b'{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["*"]}]}',
                     b'{"inputs": [{"name": "input", "shape": [1, 3, 224, 224], "datatype": "FP32", "data": [1]}]}']
            answers += [server.request("POST", infer, body) for body in wrong]
            answers += [server.request("POST", infer, b"{}", {name: "x"}) for name in ("Inference-Header-Content-Length", "Content-Encoding")]
            answers += [server.classify(PICTURE, "?" + query) for query in ("k=0", "k=x", "decode=x", "exif=x", "alpha=x", "labels=x")]
            answers.append(server.classify(b"--x", headers={"Content-Type": "multipart/form-data; boundary=x"}))
            answers.append(server.classify(b"no gzip", headers={"Content-Encoding": "gzip"}))
            for method in ("GET", "POST", "PUT", "DELETE"):
                answers += [server.request(method, path) for path in ("/nowhere", "/v2/nowhere", "/readyz")]
            refused = [(status, body.decode()) for status, body, _ in answers if status != 200]
            self.assertGreater(len(refused), 60)
            self.assertLess(max(status for status, _ in refused), 500)
            for status, text in refused:
                self.assertNotRegex(text, self.INTERNAL, status)
                self.assertNotIn(str(FOLDER), text)

    def test_nothing_that_manages_a_server_is_at_the_public_address(self):
        paths = ["/admin", "/admin/reload", "/admin/drain", "/admin/log-level", "/admin/config", "/v2/repository/index",
                 "/v2/repository/models/resnet18/load", "/v2/logging", "/v2/trace/setting", "/models", "/models/resnet18",
                 "/v1/config/reload", "/shutdown"]
        with Server() as server:
            server.ready()
            self.assertEqual({(path, server.request(method, path)[0]) for path in paths for method in ("GET", "POST", "PUT")},
                             {(path, 404) for path in paths})


if __name__ == "__main__":
    main()
