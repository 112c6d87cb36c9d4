"""The command lines of etcd, API server, controller manager and scheduler: one place for both users,
the whole cluster (cluster.py) and the control plane without privileges (loopback.py)."""

import json
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
POD_CIDR = "10.244.0.0/24"

# Metadata of every request, once a response has started: "watches, no periodic LIST" is proved from this file.
AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


@dataclass
class ControlPlane:
    """tools: folder per module (tools.py). pki: certificates ca, apiserver, admin, controller-manager, scheduler.

    folder holds etcd's data, the audit log and the kubeconfigs; its path is used as given, so it must be absolute.
    bind is the address that the API server listens at; advertise is None when no pod will ever ask for it.
    """

    tools: dict
    pki: "Pki"
    folder: Path
    bind: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    advertise: str = None
    with_node: bool = False

    @property
    def server(self):
        host = "127.0.0.1" if self.bind == "0.0.0.0" else self.bind
        return f"https://{host}:{self.port}"

    @property
    def audit_log(self):
        return self.folder / "audit.log"

    def issue_certificates(self, more_names=()):
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
                 "localhost"]
        self.pki.issue("apiserver", "/CN=kube-apiserver",
                       [f"DNS:{name}" for name in names] + ["IP:127.0.0.1", f"IP:{API_SERVICE_ADDRESS}", *more_names])
        self.pki.issue("admin", "/O=system:masters/CN=admin")
        self.pki.issue("controller-manager", "/CN=system:kube-controller-manager")
        self.pki.issue("scheduler", "/CN=system:kube-scheduler")

    def kubeconfig(self, user, server=None):
        path = self.folder / f"{user}.kubeconfig"
        self.pki.kubeconfig(path, server or self.server, user)
        return path

    def etcd(self):
        client = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.etcd_peer_port}"
        return [self.tools["etcd"] / "etcd", "--data-dir", self.folder / "etcd", "--log-level", "warn",
                "--unsafe-no-fsync",  # throw-away data
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", f"default={peer}"]

    def kube_apiserver(self):
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(AUDIT_POLICY)
        pki = self.pki
        command = [
            self.tools["kubernetes"] / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={self.bind}", f"--secure-port={self.port}",
            f"--tls-cert-file={pki.certificate('apiserver')}", f"--tls-private-key-file={pki.key('apiserver')}",
            f"--client-ca-file={pki.certificate('ca')}",
            f"--service-account-key-file={pki.folder / 'service-account.pub'}",
            f"--service-account-signing-key-file={pki.key('service-account')}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            f"--cert-dir={self.folder}",
            f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=2000",  # MB: rotation would hide requests from the tests that read it
            "--allow-privileged=true",
        ]
        if self.with_node:
            command += [
                "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
                f"--kubelet-client-certificate={pki.certificate('apiserver-kubelet')}",
                f"--kubelet-client-key={pki.key('apiserver-kubelet')}",
                f"--kubelet-certificate-authority={pki.certificate('ca')}",
                "--kubelet-preferred-address-types=InternalIP",
                # For other API servers behind this one (metrics.k8s.io), which are told so who asks.
                f"--requestheader-client-ca-file={pki.certificate('ca')}", "--requestheader-allowed-names=front-proxy",
                "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                f"--proxy-client-cert-file={pki.certificate('front-proxy')}", f"--proxy-client-key-file={pki.key('front-proxy')}",
            ]
        else:
            command += ["--authorization-mode=RBAC"]
        if self.advertise:
            command += [f"--advertise-address={self.advertise}", "--endpoint-reconciler-type=lease"]
        else:
            command += ["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]
        return command

    def kube_controller_manager(self):
        kubeconfig = self.kubeconfig("controller-manager")
        return [self.tools["kubernetes"] / "kube-controller-manager", f"--kubeconfig={kubeconfig}",
                f"--service-account-private-key-file={self.pki.key('service-account')}",
                f"--root-ca-file={self.pki.certificate('ca')}",
                f"--cluster-signing-cert-file={self.pki.certificate('ca')}",
                f"--cluster-signing-key-file={self.pki.key('ca')}",
                "--use-service-account-credentials", "--leader-elect=false", "--allocate-node-cidrs=false",
                f"--flex-volume-plugin-dir={self.folder / 'volume-plugins'}",  # the default is created in /usr
                "--kube-api-qps=300", "--kube-api-burst=600",  # the default of 20 makes its start take 4 s longer
                "--secure-port=0"]

    def kube_scheduler(self):
        kubeconfig = self.kubeconfig("scheduler")
        return [self.tools["kubernetes"] / "kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false",
                "--secure-port=0"]


class ApiClient:
    """Just enough of a client for readiness questions: GET as the admin, JSON back."""

    def __init__(self, server, pki, user="admin"):
        self.server = server
        self.context = ssl.create_default_context(cafile=str(pki.certificate("ca")))
        self.context.load_cert_chain(pki.certificate(user), pki.key(user))

    def open(self, path, timeout=5):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.context))
        return opener.open(self.server + path, timeout=timeout)

    def get(self, path):
        """None when the server does not answer, or not with 200."""
        try:
            with self.open(path) as response:
                return json.load(response)
        except (OSError, ValueError):
            return None

    def ready(self):
        try:
            with self.open("/readyz") as response:
                return response.read() == b"ok"
        except OSError:
            return False
