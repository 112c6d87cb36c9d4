#!/usr/bin/python3
"""Answers of the real program are what /openapi.json says. See serving.py."""
import base64
import gzip
import json
import unittest

import jsonschema

from serving import PICTURE, Server, main

FORM = {"Content-Type": "multipart/form-data; boundary=XX"}


def form(field, *bodies):
    parts = [f'--XX\r\nContent-Disposition: form-data; name="{field}"; filename="{i}.jpg"\r\n\r\n'.encode() + body + b"\r\n"
             for i, body in enumerate(bodies)]
    return b"".join(parts) + b"--XX--\r\n"


def images(*pictures, **members):
    return json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [len(pictures)],
                                   "data": [base64.b64encode(picture).decode() for picture in pictures]}], **members})


class Description(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server()).ready()
        cls.document = json.loads(cls.server.get("/openapi.json")[1])

    def resolved(self, value):
        while "$ref" in value:
            target = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            value = target
        return value

    def schema_of(self, template, method, status, content_type):
        responses = self.document["paths"][template][method.lower()]["responses"]
        content = self.resolved(responses.get(str(status), responses["default"]))["content"]
        self.assertIn(content_type, content, f"{method} {template} {status}")
        # References in a schema are into the document.
        return {**content[content_type]["schema"], "components": self.document["components"]}

    def check(self, template, method="GET", body=None, headers=None, status=200, query="", **address):
        given, answer, answer_headers = self.server.request(method, template.format(**address) + query, body, headers)
        self.assertEqual(given, status, answer)
        content_type = answer_headers["Content-Type"].split(";")[0]
        schema = self.schema_of(template, method, status, content_type)
        if not content_type.endswith("json"):
            return answer
        value = json.loads(answer)
        jsonschema.Draft202012Validator(schema).validate(value)
        with self.assertRaises(jsonschema.ValidationError):  # strict enough to tell it from something else
            jsonschema.Draft202012Validator(schema).validate({"something": ["else"]})
        return value

    def test_its_schemas_are_schemas(self):
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_classifying(self):
        for query in ("", "?k=1", "?k=10&labels=none", "?labels=wnid&decode=exact&exif=ignore&alpha=drop"):
            self.check("/v1/classify", "POST", PICTURE, query=query)
        several = self.check("/v1/classify", "POST", form("image", PICTURE, b"%PDF", PICTURE[:300]), FORM)
        self.assertEqual(["predictions" in result for result in several["results"]], [True, False, False])
        for body, headers, query, status in ((b"", {}, "", 400), (PICTURE, {}, "?k=0", 400), (PICTURE, {}, "?k=101", 400),
                                             (b"%PDF", {}, "", 415), (PICTURE[:300], {}, "", 422), (b"x", FORM, "", 400),
                                             (b"x", {"Content-Encoding": "br"}, "", 415), (b"x" * 11_000_000, {}, "", 413)):
            self.check("/v1/classify", "POST", body, headers, status, query)

    def test_the_open_inference_protocol(self):
        for path in ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"):
            self.check(path)
        for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            for what in ("", "/ready", "/stats"):
                self.check(path + what, model="resnet18", version="1")
                self.check(path + what, model="other", version="1", status=404)
            infer = path + "/infer"
            self.check(infer, "POST", images(PICTURE, PICTURE, id="a"), model="resnet18", version="1")
            self.check(infer, "POST", gzip.compress(images(PICTURE).encode()), {"Content-Encoding": "gzip"}, model="resnet18", version="1")
            classes = [{"name": "logits", "parameters": {"classification": 2}}, {"name": "probabilities", "parameters": {"binary_data": True}}]
            self.check(infer, "POST", images(PICTURE, outputs=classes), model="resnet18", version="1")
            self.check(infer, "POST", images(PICTURE, outputs=classes[:1]), model="resnet18", version="1")
            self.check(infer, "POST", images(b"%PDF"), model="resnet18", version="1", status=415)
            self.check(infer, "POST", "{", model="resnet18", version="1", status=400)
            self.check(infer, "POST", "{}", model="other", version="1", status=404)

    def test_torchserves_addresses(self):
        self.check("/ping")
        for method in ("POST", "PUT"):
            for path in ("/predictions/{model}", "/predictions/{model}/{version}"):
                self.check(path, method, PICTURE, model="resnet18", version="1")
                self.check(path, method, form("data", PICTURE, b"%PDF"), FORM, model="resnet18", version="1")
                self.check(path, method, b"", model="resnet18", version="1", status=400)
                self.check(path, method, PICTURE, model="other", version="1", status=404)

    def test_version_1_of_KServe(self):
        self.check("/v1/models")
        self.check("/v1/models/{model}", model="resnet18")
        self.check("/v1/models/{model}", model="other", status=404)
        one = {"image_bytes": {"b64": base64.b64encode(PICTURE).decode()}}
        path = "/v1/models/{model}:predict"
        self.check(path, "POST", json.dumps({"instances": [one, one]}), model="resnet18")
        self.check(path, "POST", json.dumps({"instances": [one, {}]}), model="resnet18", status=400)
        self.check(path, "POST", json.dumps({"instances": [one]}), model="other", status=404)

    def test_the_rest(self):
        for path in ("/healthz", "/readyz", "/metrics", "/", "/app.css", "/app.js", "/docs", "/openapi.json"):
            self.check(path)
        self.check("/v1/classes")
        self.check("/", "OPTIONS")


if __name__ == "__main__":
    main()
