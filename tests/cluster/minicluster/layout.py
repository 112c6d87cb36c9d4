"""Names, addresses and folders of one cluster: everything that must differ between two clusters on one machine
follows from the instance number."""

from pathlib import Path

# Inside the node's mount namespace the state folder, the programs and these sources have short fixed paths,
# so that neither a long nor a strange path of the clone matters (a socket's path may have 107 characters).
INSIDE = Path("/run/cluster")
INSIDE_TOOLS = Path("/run/tools")
INSIDE_SOURCE = Path("/run/source")

REGISTRY_HOST = "contoso.azurecr.io"
STORAGE_HOST = "contoso.eastus.data.azurecr.io"  # where the registry has its layers fetched from
NODE_INTERFACE = "node0"
FIRST_FREE_INSTANCE = 2  # 1 is the demo's
LAST_INSTANCE = 99


class Layout:
    def __init__(self, instance, addresses=10):
        """addresses: how many the load balancer may give away."""
        self.instance = instance
        self.host_interface = f"imgcls-{instance}"
        self.cgroup = f"imageclassifier-{instance}"
        self.node_name = f"imageclassifier-{instance}"
        self.node_subnet = f"10.97.{2 * instance}.0/24"
        self.host_address = f"10.97.{2 * instance}.1"
        self.node_address = f"10.97.{2 * instance}.2"
        self.pool_subnet = f"10.98.{instance}.0/24"
        self.addresses = addresses
        self.pool_first = f"10.98.{instance}.10"
        self.pool_last = f"10.98.{instance}.{10 + addresses - 1}"

    @property
    def routes(self):
        """As `ip route` spells them. The unreachable ones hold when the node is gone: traffic for these addresses must
        never leave by the machine's default route."""
        return [f"{self.pool_subnet} via {self.node_address} metric 50",
                f"unreachable {self.pool_subnet} metric 1000",
                f"unreachable {self.node_subnet} metric 1000"]
