#!/usr/bin/python3
"""The operator's connections to the API server: how many there are, and that a proxy carries all of them."""

import itertools
import ssl
import unittest
from urllib.parse import urlsplit

from operator_rig import TRANSPORT, OperatorTest, resource, wait_until

from proxies import Proxy
from sockets import Peak, remote_ports

WATCHES = 10
WORKERS = 4
TRANSPORTS = ("cpprest", "curl") if TRANSPORT == "cpprest" else (TRANSPORT,)
USER = ("puller", "p@ss:word")


class Connections(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.port = urlsplit(self.kubectl.state["server"]).port

    def check(self, transport):
        names = [f"{transport}-{number}" for number in range(60)]
        self.apply(*(resource(name) for name in names))
        operator = self.start("--workers", str(WORKERS), transport=transport)
        peak = Peak(operator.process.pid, self.port)
        try:
            wait_until(lambda: len(self.get("services").get("items", [])) == len(names), 60, "the Services")
            wait_until(lambda: all("status" in item for item in self.get("ic")["items"]), 60, "the status of each")
        finally:
            peak.end()
        requests = operator.metric("rest_client_requests_total")
        print(f"{transport}: at most {peak.most} connections for {requests:.0f} requests, {peak.looks} looks", flush=True)
        self.assertGreater(peak.looks, 50)
        self.assertGreater(requests, 3 * len(names))
        self.assertGreater(peak.most, WATCHES)
        self.assertLessEqual(peak.most, WATCHES + WORKERS + 2)

    @unittest.skipIf(TRANSPORT == "curl", "this run is over libcurl alone")
    def test_sixty_resources_at_once_take_no_more_connections_than_workers_and_watches_need(self):
        self.check("cpprest")

    def test_over_libcurl_neither(self):
        self.check("curl")


class Proxies(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.port = urlsplit(self.kubectl.state["server"]).port
        self.number = itertools.count(1)

    def proxy(self, *words, **options):
        proxy = Proxy(*words, **options)
        self.addCleanup(proxy.close)
        return proxy

    def check(self, proxy, scheme, user="", transport="curl"):
        """The server has a name that only the proxy knows."""
        name = "kubernetes.default.svc"
        config = self.kubeconfig_of(self.admin(), server=f"https://{name}:{self.port}",
                                    **{"proxy-url": f"{scheme}://{user}127.0.0.1:{proxy.port}"})
        operator = self.start(kubeconfig=config, transport=transport)
        wait_until(lambda: operator.ask("/readyz")[0] == 200, 20, "the operator to be ready")
        pets = f"pets-{next(self.number)}"
        self.apply(resource(pets))
        self.wait_for_children(pets)
        self.apply(resource(pets, replicas=3))
        wait_until(lambda: self.get("deployment", pets)["spec"]["replicas"] == 3, 20, "the change to come by a watch")
        self.assertEqual(set(proxy.asked), {(name, self.port)})
        self.assertGreater(len(proxy.asked), WATCHES)
        ports = remote_ports(operator.process.pid)
        self.assertIn(proxy.port, ports)
        self.assertNotIn(self.port, ports)
        operator.end()

    def admin(self):
        pki = self.kubectl.folder / "data/pki"
        return {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}

    def under_tls(self):
        """With the certificate of the API server: whom the operator trusts."""
        pki = self.kubectl.folder / "data/pki"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        return context

    def test_an_http_proxy_carries_everything_over_both_transports(self):
        for transport in TRANSPORTS:
            with self.subTest(transport):
                self.check(self.proxy("connect"), "http", transport=transport)

    def test_an_http_proxy_is_told_user_and_password(self):
        proxy = self.proxy("connect", user=USER)
        self.check(proxy, "http", user="puller:p%40ss%3Aword@")

    def test_a_proxy_under_tls_carries_everything(self):
        self.check(self.proxy("connect", tls=self.under_tls()), "https")

    def test_a_socks_proxy_carries_everything_and_finds_the_servers_address_itself(self):
        for scheme in ("socks5", "socks5h"):
            with self.subTest(scheme):
                self.check(self.proxy("socks5"), scheme)

    def test_a_socks_proxy_is_told_user_and_password(self):
        self.check(self.proxy("socks5", user=USER), "socks5h", user="puller:p%40ss%3Aword@")


if __name__ == "__main__":
    unittest.main()
