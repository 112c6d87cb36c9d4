#!/usr/bin/python3
"""The chart by itself: it lints, renders the only copy of the definition, and refuses values that make no sense."""

import ipaddress
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from lab import CHART  # noqa: E402
from lab.kubernetes import run  # noqa: E402

HELM = ROOT / "build/tools/helm"


def render(*words):
    return run(HELM, "template", "release", CHART, "--namespace", "system", "--kube-version", "1.32.0", *words)


def objects(kind=None, *values):
    """Those of the chart that are of this kind."""
    found = yaml.safe_load_all(render(*(word for value in values for word in ("--set", value))))
    return [obj for obj in found if obj and kind in (None, obj["kind"])]


def documented():
    """Names of all metrics that the documents list."""
    pages = [(ROOT / "docs" / page).read_text() for page in ("metrics.md", "http-api.md")]
    return {name for page in pages for line in page.splitlines() if line.startswith("| `") for name in re.findall("`([a-z_]+)`", line)}


def spoken_of(expression):
    """Names of the metrics in an expression, without a histogram's endings."""
    prefixes = "imageclassifier|leader_election|inference|controller_runtime|workqueue|rest_client|process"
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(rf"\b(?:{prefixes})_[a-z_]+\b", expression)}


def alerts(*values):
    return objects("PrometheusRule", "alerts.enabled=true", *values)[0]["spec"]["groups"][0]["rules"]


class Chart(unittest.TestCase):
    def test_it_passes_helm_lint_strict(self):
        run(HELM, "lint", "--strict", CHART)

    def test_the_definition_comes_from_the_only_copy_through_a_link_and_is_kept_on_uninstall(self):
        self.assertEqual((CHART / "files/crds").resolve(), ROOT / "crds")
        rendered = render("--show-only", "templates/crds.yaml")
        self.assertEqual(rendered.count("kind: CustomResourceDefinition\n"), len(list((ROOT / "crds").glob("*.yaml"))))
        self.assertIn("helm.sh/resource-policy: keep", rendered)
        self.assertNotIn("kind: ImageClassifier\n    metadata", rendered)

    def test_the_definition_can_be_left_out(self):
        self.assertNotIn("CustomResourceDefinition", render("--set", "crds.install=false"))

    def test_the_role_has_no_wildcard_and_no_way_to_list_or_watch_secrets(self):
        rendered = render("--show-only", "templates/rbac.yaml")
        self.assertNotIn("*", rendered)
        rules = rendered.split("resources: ")
        secrets, = [rule for rule in rules if rule.startswith("[secrets]")]
        self.assertNotRegex(secrets.split("verbs: ")[1].splitlines()[0], "list|watch")

    def test_the_registry_settings_reach_the_operator_whose_pods_are_exchanged_when_they_change(self):
        self.assertNotIn("registry-config", render())
        rendered = [render("--set", f"registry.servers={{{server}}}") for server in ("a.io", "b.io")]
        self.assertIn("--registry-config=/etc/imageclassifier/registry.yaml", rendered[0])
        checksums = [line for text in rendered for line in text.splitlines() if "registry-checksum" in line]
        self.assertEqual(len(set(checksums)), 2)

    def test_one_namespace_gets_a_role_of_its_own_and_the_operator_no_right_in_any_other(self):
        kinds = [obj["kind"] for obj in objects(None, "watchNamespace=zoo", "admissionPolicies.enabled=false")]
        self.assertEqual([kind for kind in kinds if kind.startswith("Cluster")], [])
        self.assertEqual({obj["metadata"]["namespace"] for obj in objects("Role", "watchNamespace=zoo")}, {"zoo", "system"})
        self.assertEqual(len({(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in objects("Role", "watchNamespace=system")}), 2)
        self.assertNotIn("nodes", str(objects("Role", "watchNamespace=zoo")))

    def test_one_of_several_pods_outlives_the_drain_of_a_node(self):
        budget, = objects("PodDisruptionBudget")
        self.assertEqual((budget["spec"]["maxUnavailable"], budget["spec"]["selector"]), (1, objects("Deployment")[0]["spec"]["selector"]))
        self.assertEqual(objects("PodDisruptionBudget", "replicaCount=1") + objects("PodDisruptionBudget", "podDisruptionBudget.enabled=false"), [])

    def test_another_registry_takes_the_place_of_the_one_in_the_images_name(self):
        def image(repository):
            values = f"image.repository={repository}", "image.tag=v1", "global.imageRegistry=mirror.example.com:5000/copies"
            return objects("Deployment", *values)[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        self.assertEqual(image("contoso.azurecr.io/team/operator"), "mirror.example.com:5000/copies/team/operator:v1")
        self.assertEqual(image("localhost:5000/operator"), "mirror.example.com:5000/copies/operator:v1")
        self.assertEqual(image("team/operator"), "mirror.example.com:5000/copies/team/operator:v1")

    def test_what_needs_kinds_that_not_every_cluster_has_is_left_out_unless_it_is_asked_for(self):
        kinds = {obj["kind"] for obj in objects()}
        self.assertEqual(kinds & {"PrometheusRule", "PodMonitor", "NetworkPolicy", "ConfigMap"}, set())
        monitor = objects("PodMonitor", "podMonitor.enabled=true")[0]
        self.assertEqual(monitor["spec"]["selector"]["matchLabels"], objects("Deployment")[0]["spec"]["selector"]["matchLabels"])

    def test_the_operators_network_policy_keeps_it_from_the_machines_own_addresses_unless_it_is_to_use_an_identity_of_theirs(self):
        def rules(*values):
            return objects("NetworkPolicy", "networkPolicy.enabled=true", *values)[0]["spec"]

        def reaches(spec, address):
            address = ipaddress.ip_address(address)
            blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule.get("to", []) if "ipBlock" in to]
            return any(address in ipaddress.ip_network(block["cidr"]) and
                       not any(address in ipaddress.ip_network(part) for part in block.get("except", [])) for block in blocks)

        plain = rules()
        for address in ("20.50.1.2", "10.0.0.1", "fd12::1"):
            self.assertTrue(reaches(plain, address), address)
        for address in ("169.254.169.254", "168.63.129.16", "fe80::1", "fd00:ec2::254"):
            self.assertFalse(reaches(plain, address), address)
        self.assertIn({"ports": [{"protocol": kind, "port": 53} for kind in ("UDP", "TCP")]}, plain["egress"])
        self.assertIn({"namespaceSelector": {}}, [to for rule in plain["egress"] for to in rule.get("to", [])])
        self.assertEqual(plain["ingress"], [{"ports": [{"protocol": "TCP", "port": "http"}]}])
        self.assertTrue(reaches(rules("registry.identities[0].namespace=zoo"), "169.254.169.254"))
        peer = {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}
        restricted = rules("networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring")
        self.assertEqual(restricted["ingress"][0]["from"], [peer])

    def test_alerts_speak_of_metrics_that_there_are(self):
        names = {name for rule in alerts() for name in spoken_of(rule["expr"])}
        self.assertGreaterEqual(len(names), 6)
        self.assertEqual(names - documented(), set())
        reasons = set(re.findall(r"EventPattern\{.*\"(\w+)\"\}", (ROOT / "operator/diagnosis/load_balancer.cpp").read_text())) | {"LoadBalancerPending"}
        pattern, = [re.search('type="EndpointReady", reason=~"(.*)"', rule["expr"]).group(1) for rule in alerts() if "EndpointReady" in rule["expr"]]
        self.assertEqual([reason for reason in sorted(reasons) if not re.fullmatch(pattern, reason)], [])
        self.assertNotIn("ImageClassifierOperatorDown", [rule["alert"] for rule in alerts("replicaCount=0")])

    def test_each_alert_links_to_its_runbook_when_their_address_is_known(self):
        self.assertEqual([rule for rule in alerts() if "runbook_url" in rule["annotations"]], [])
        chapters = {heading.lower() for heading in re.findall("^## (.*)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)}
        linked = alerts("alerts.runbooks=https://wiki.example.com/runbooks")
        self.assertEqual({rule["annotations"]["runbook_url"].removeprefix("https://wiki.example.com/runbooks#") for rule in linked},
                         {rule["alert"].lower() for rule in linked})
        self.assertEqual({rule["alert"].lower() for rule in linked}, chapters)

    def test_the_dashboard_shows_metrics_that_there_are_in_expressions_that_prometheus_understands(self):
        config, = objects("ConfigMap", "dashboard.enabled=true")
        self.assertEqual(config["metadata"]["labels"]["grafana_dashboard"], "1")
        board = json.loads(config["data"]["imageclassifier.json"])
        expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 12)
        self.assertEqual({name for expression in expressions for name in spoken_of(expression)} - documented(), set())
        self.assertEqual(len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}), len(board["panels"]))
        with tempfile.TemporaryDirectory() as place:
            rules = [{"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$namespace", ".*")}
                     for number, expression in enumerate(expressions)]
            (Path(place) / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
            run("promtool", "check", "rules", Path(place) / "rules.yaml")

    def test_alerts_fire_when_they_should_and_only_then(self):
        leader = 'leader_election_master_status{name="release-imageclassifier-operator",pod="%s"}'
        expiry = 'imageclassifier_registry_token_expiry_timestamp_seconds{namespace="zoo",name="%s",server="a.azurecr.io"}'
        condition = 'imageclassifier_conditions{type="EndpointReady",reason="%s"}'
        refused = 'inference_rejected_total{namespace="zoo",job="%s",reason="queue_full"}'
        asked = 'inference_requests_total{namespace="zoo",job="%s",route="/v1/classify",code="%d"}'
        series = {
            leader % "a": "1x20 0x40", leader % "b": "0x60",
            expiry % "pets": "3600x60", expiry % "dogs": "36000x60",
            'imageclassifier_credential_state{state="stale"}': "0x5 1x55",
            refused % "full": "0x20 0+60x40", refused % "quiet": "0x20 0+1x40", asked % ("full", 429): "0x20 0+120x40",
            asked % ("quiet", 200): "0x20 0+6000x40", asked % ("quiet", 503): "0+60x60", asked % ("broken", 500): "0x40 0+1x20",
            condition % "LoadBalancerPending": "1x5 0x55", condition % "SubnetFull": "0x20 1x40", condition % "Answering": "3x60"}
        firing = {"18m": ["ImageClassifierRotationFailing"], "24m": ["ImageClassifierRotationFailing"],
                  "35m": ["ImageClassifierLoadBalancerPending", "ImageClassifierOperatorDown", "ImageClassifierRefuses",
                          "ImageClassifierRotationFailing"],
                  "48m": ["ImageClassifierCredentialExpires", "ImageClassifierFails", "ImageClassifierLoadBalancerPending",
                          "ImageClassifierOperatorDown", "ImageClassifierRefuses", "ImageClassifierRotationFailing"]}
        served = {"ImageClassifierRefuses": "full", "ImageClassifierFails": "broken"}
        rules = alerts()

        def expected(rule, at):
            if rule["alert"] not in firing.get(at, []):
                return []
            value = lambda text: text.replace("{{ $value }}", "1")  # noqa: E731
            of = {"namespace": "zoo", "name": "pets", "server": "a.azurecr.io"} if "expiry" in rule["expr"] else {}
            if job := served.get(rule["alert"]):
                of = {"namespace": "zoo", "job": job}
            told = {key: re.sub(r"{{ .* }}/{{ .* }}", f"zoo/{job or 'pets'}", value(text)) for key, text in rule["annotations"].items()}
            return [{"exp_labels": rule["labels"] | of, "exp_annotations": told}]

        with tempfile.TemporaryDirectory() as place:
            (Path(place) / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "alerts", "rules": rules}]}))
            test = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [{
                "interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": at, "alertname": rule["alert"], "exp_alerts": expected(rule, at)}
                                    for rule in rules for at in ("3m", *firing)]}]}
            (Path(place) / "test.yaml").write_text(yaml.safe_dump(test))
            run("promtool", "check", "rules", Path(place) / "rules.yaml")
            run("promtool", "test", "rules", Path(place) / "test.yaml")

    def test_values_that_make_no_sense_are_refused(self):
        for words in (["--set", "replicaCount=-1"], ["--set", "logLevel=loud"], ["--set", "image.digest=sha256:12"], ["--set", "imgae.tag=1"]):
            result = subprocess.run([HELM, "template", "release", CHART, "--kube-version", "1.32.0", *words], capture_output=True, text=True)
            self.assertNotEqual(result.returncode, 0, words)
            self.assertIn("values don't meet the specifications of the schema", result.stderr)


if __name__ == "__main__":
    unittest.main()
