#!/usr/bin/python3
"""What a Prometheus reads at `/metrics` of the real program. See serving.py."""
import re
import subprocess

from serving import PICTURE, ProgramTest, Server, main

SAMPLE = re.compile(r"^(\w+)(\{.*\})? (\S+)$")
# Probes are requests too, the model is known and the process has a past.
NOT_ZERO = re.compile(r'process_|inference_model_info|.*route="/(readyz|metrics)"')


def samples(text):
    """(name, labels, value) of every line that is one."""
    found = [SAMPLE.match(line) for line in text.splitlines() if line and not line.startswith("#")]
    assert all(found), text
    return [(match.group(1), match.group(2) or "", float(match.group(3))) for match in found]


def total(text, name, labels=""):
    return sum(value for found, where, value in samples(text) if found == name and labels in where)


class Metrics(ProgramTest):
    def metrics(self, server):
        status, body = server.get("/metrics")
        self.assertEqual(status, 200)
        return body.decode()

    def test_every_series_begins_at_zero_and_promtool_has_no_objection_before_and_after_requests(self):
        with Server() as server:
            server.ready()
            first = self.metrics(server)
            self.assertEqual([sample for sample in samples(first) if sample[2] != 0 and not NOT_ZERO.match(sample[0] + sample[1])], [])
            for name in ("inference_requests_total", "inference_rejected_total", "inference_stage_duration_seconds_count",
                         "inference_batch_size_count", "inference_image_pixels_count", "inference_queue_depth"):
                self.assertIn(name, {found for found, _, _ in samples(first)})
            self.assertEqual([server.classify(body)[0] for body in (PICTURE, PICTURE[:-300], b"no picture", b"")], [200, 422, 415, 400])
            self.assertEqual(server.get("/nowhere")[0], 404)
            later = self.metrics(server)
            # What has happened once has had its series from the beginning.
            self.assertEqual({sample[:2] for sample in samples(later)}, {sample[:2] for sample in samples(first)})
            for page in (first, later):
                checked = subprocess.run(["promtool", "check", "metrics"], input=page, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
                self.assertEqual((checked.returncode, checked.stdout), (0, ""))

    def test_the_stages_of_a_picture_are_what_its_request_takes(self):
        with Server() as server:
            server.ready()
            for _ in range(10):
                self.assertEqual(server.classify(PICTURE)[0], 200)
            page = self.metrics(server)
            stages = ("read", "decode", "resize", "queue", "compute", "encode")
            took = [total(page, "inference_stage_duration_seconds_sum", f'stage="{stage}"') for stage in stages]
            self.assertTrue(all(seconds > 0 for seconds in took), took)
            whole = total(page, "inference_request_duration_seconds_sum", 'route="/v1/classify"')
            # The rest is the way from one thread to the next, which a busy machine makes longer.
            self.assertLess(sum(took), whole)
            self.assertGreater(sum(took), 0.5 * whole)
            self.assertEqual([total(page, "inference_stage_duration_seconds_count", f'stage="{stage}"') for stage in stages], [10] * 6)


if __name__ == "__main__":
    main()
