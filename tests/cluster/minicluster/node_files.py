"""The configuration files of the node's components. All paths are those inside the node's mount namespace."""

import json

from .control_plane import POD_CIDR
from .layout import INSIDE, REGISTRY_HOST

PAUSE_IMAGE = "imageclassifier.local/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"


def containerd(snapshotter):
    return f"""version = 2
root = "{INSIDE}/data/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
                    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{INSIDE}/data/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE the score cannot be lowered
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{INSIDE}/config/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{INSIDE}/config/certs.d"
"""


def registry_trust():
    """containerd wants the authority at the top and in the host's table."""
    ca = f"{INSIDE}/pki/ca.crt"
    return f"""server = "https://{REGISTRY_HOST}"
ca = "{ca}"
[host."https://{REGISTRY_HOST}"]
  capabilities = ["pull", "resolve"]
  ca = "{ca}"
"""


def cni():
    """ptp, not bridge: every packet between pods is routed, so Services work without the br_netfilter module."""
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "ptp", "ipMasq": True,
         "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": POD_CIDR}]],
                  "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}}]}, indent=1)


def kubelet(layout):
    return f"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {INSIDE}/pki/ca.crt}}
authorization: {{mode: Webhook}}
tlsCertFile: {INSIDE}/pki/kubelet.crt
tlsPrivateKeyFile: {INSIDE}/pki/kubelet.key
containerRuntimeEndpoint: unix://{CONTAINERD_SOCKET}
volumePluginDir: /var/lib/kubelet/volume-plugins
cgroupDriver: cgroupfs
cgroupRoot: /{layout.cgroup}
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [{layout.node_address}]
resolvConf: {INSIDE}/config/resolv.conf
oomScoreAdj: 0
featureGates: {{KubeletInUserNamespace: true}}
evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
enforceNodeAllocatable: [pods]
maxPods: 60
registerNode: true
"""


def kube_proxy(layout):
    return f"""apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {{kubeconfig: {INSIDE}/data/kube-proxy.kubeconfig}}
mode: iptables
clusterCIDR: {POD_CIDR}
hostnameOverride: {layout.node_name}
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
"""


def address_pool(layout):
    return f"""apiVersion: v1
kind: Namespace
metadata: {{name: metallb-system}}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: pool, namespace: metallb-system}}
spec:
  addresses: [{layout.pool_first}-{layout.pool_last}]
"""
