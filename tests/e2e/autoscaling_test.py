#!/usr/bin/python3
"""An autoscaler that has no metrics says so; with the real metrics-server and real load it brings more pods."""

import signal
import subprocess
import threading

import end_to_end
from end_to_end import OPERATOR_NAMESPACE, PICTURES, STATE, EndToEnd, classifier, classify, cluster_state, wait_until

from minicluster import tools
from minicluster.layout import Layout

PORT = 4443
SERVICE = {"name": "metrics-server", "namespace": OPERATOR_NAMESPACE}
GROUP = "v1beta1.metrics.k8s.io"


class Autoscaling(EndToEnd):
    def start_metrics_server(self):
        """As a process of this machine, beside the node: a Service without a selector leads to it."""
        state, address = cluster_state(), Layout(cluster_state()["instance"]).host_address
        folder = STATE / "data/metrics-server"
        folder.mkdir(parents=True, exist_ok=True)
        config = STATE / "kubeconfig"
        command = [tools.ensure(("metrics-server",))["metrics-server"] / "metrics-server", f"--bind-address={address}", f"--secure-port={PORT}",
                   f"--cert-dir={folder}", f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
                   f"--kubelet-certificate-authority={state['ca']}", "--kubelet-preferred-address-types=InternalIP",
                   "--metric-resolution=10s", "--kubelet-request-timeout=5s"]
        with open(STATE / "log/metrics-server.log", "w") as log:
            self.server = subprocess.Popen(command, stdout=log, stderr=log)
        self.addCleanup(self.stop_metrics_server)
        self.system.apply([
            {"apiVersion": "v1", "kind": "Service", "metadata": SERVICE, "spec": {"ports": [{"port": 443, "targetPort": PORT}]}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {**SERVICE, "labels": {"kubernetes.io/service-name": SERVICE["name"]}},
             "ports": [{"port": PORT}], "endpoints": [{"addresses": [address]}]},
            {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": GROUP},
             "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                      "insecureSkipTLSVerify": True, "service": SERVICE}}])

    def stop_metrics_server(self):
        """Whole: a group that does not answer would hold up the deletion of every namespace."""
        self.system.kubectl("delete", f"apiservice/{GROUP}", "--ignore-not-found")
        self.system.kubectl("delete", f"service/{SERVICE['name']}", f"endpointslice/{SERVICE['name']}", "--ignore-not-found")
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(timeout=20)

    def load(self, url):
        """Uploads pictures until the test ends."""
        stop = threading.Event()
        picture = classify.held_out(PICTURES)[0][1]

        def upload():
            while not stop.is_set():
                try:
                    classify.classify(url, picture)
                except Exception:  # noqa: BLE001 - a pod that comes or goes; what counts is the load
                    stop.wait(0.1)

        thread = threading.Thread(target=upload)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)

    def test_the_missing_metrics_are_named_and_with_them_load_brings_another_pod(self):
        self.apply_for_this_test(classifier("busy", autoscaling={"maxReplicas": 2}))
        url = self.wait_until_ready("busy")
        entry = self.wait_for_condition("busy", "AutoscalerActive", "False", "MetricsMissing", timeout=40)
        self.assert_named_with_remedy(entry, "HorizontalPodAutoscaler busy", "Install metrics-server")
        self.load(url)
        self.start_metrics_server()
        wait_until(lambda: self.users.get("deployment", "busy")["spec"]["replicas"] == 2, 120, "the autoscaler to want two pods")
        self.wait_for_condition("busy", "AutoscalerActive", "True", timeout=40)
        wait_until(lambda: self.users.get("imageclassifier", "busy")["status"].get("readyReplicas") == 2, 60, "the second pod to be ready")


if __name__ == "__main__":
    end_to_end.main()
