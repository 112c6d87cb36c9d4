#!/usr/bin/python3
"""Unit tests of the cluster scripts: what can be told without starting anything."""

import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from minicluster import cgroups, dns, go_toolchain, layout, pki, processes, registry, tools  # noqa: E402
from minicluster.progress import Failure, wait_until  # noqa: E402


class LayoutTest(unittest.TestCase):
    def test_no_two_instances_share_a_name_or_an_address(self):
        seen = set()
        for instance in range(1, layout.LAST_INSTANCE + 1):
            one = layout.Layout(instance)
            marks = {one.host_interface, one.cgroup, one.node_subnet, one.pool_subnet, one.node_address, one.host_address}
            self.assertFalse(seen & marks)
            self.assertLessEqual(len(one.host_interface), 15)  # IFNAMSIZ
            seen |= marks

    def test_the_pool_has_as_many_addresses_as_asked_for(self):
        one = layout.Layout(3, addresses=1)
        self.assertEqual(one.pool_first, one.pool_last)
        self.assertEqual(layout.Layout(3, addresses=200).pool_last, "10.98.3.209")


class ToolsTest(unittest.TestCase):
    def test_the_folder_follows_the_sources_and_the_flags(self):
        before = tools.folder("etcd")
        self.assertEqual(before, tools.folder("etcd"))
        with mock.patch.dict(tools.MODULES, {"etcd": tools.Module({"etcd": "go.etcd.io/etcd/server/v3"}, ldflags="")}):
            self.assertNotEqual(before, tools.folder("etcd"))

    def test_the_cache_is_where_the_environment_says(self):
        with mock.patch.dict(os.environ, {"IC_CACHE": "/elsewhere"}):
            self.assertEqual(Path("/elsewhere"), tools.cache_folder())

    def test_go_versions_compare_as_numbers(self):
        self.assertGreater(go_toolchain.version_numbers("go1.24.13"), (1, 24, 0))
        self.assertLess(go_toolchain.version_numbers("go1.19.8"), (1, 24, 0))
        self.assertEqual((0, 0), go_toolchain.version_numbers(""))

    def test_without_any_go_one_sentence_says_what_to_install(self):
        with mock.patch.object(go_toolchain, "_present", return_value=[]), self.assertRaisesRegex(Failure, "golang-go"):
            go_toolchain.find(Path("/nowhere"), (1, 24, 0))


class PkiTest(unittest.TestCase):
    def test_issued_certificates_verify_and_keys_are_private(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = pki.Pki(Path(folder) / "pki")
            authority.create("test")
            authority.issue("server", "/CN=server", ["DNS:localhost", "IP:127.0.0.1"])
            verified = subprocess.run(["openssl", "verify", "-CAfile", authority.certificate("ca"), "-verify_ip", "127.0.0.1",
                                       authority.certificate("server")], capture_output=True, text=True, check=False)
            self.assertEqual(0, verified.returncode, verified.stderr)
            for name in ("ca", "server", "service-account"):
                self.assertEqual(0o600, stat.S_IMODE(authority.key(name).stat().st_mode))


class ProcessesTest(unittest.TestCase):
    def test_an_ended_process_is_not_alive_even_as_a_zombie(self):
        child = subprocess.Popen(["sleep", "60"])
        known = processes.identity("sleep", child.pid)
        self.assertTrue(processes.alive(known))
        child.kill()
        wait_until(lambda: not processes.alive(known), 10, "the child to end")
        child.wait()

    def test_a_reused_pid_is_not_taken_for_the_old_process(self):
        mine = processes.identity("test", os.getpid())
        self.assertFalse(processes.alive(mine | {"startTime": mine["startTime"] - 1}))

    def test_components_die_with_their_supervisor(self):
        with tempfile.TemporaryDirectory() as folder:
            code = ("import sys,time; sys.path.insert(0, sys.argv[1]); from minicluster.processes import Supervisor\n"
                    "s = Supervisor(sys.argv[2]); s.start('sleep', 'sleep', '60'); print(s.running['sleep'], flush=True)\n"
                    "time.sleep(60)")
            supervisor = subprocess.Popen([sys.executable, "-c", code, Path(__file__).parent, folder], stdout=subprocess.PIPE,
                                          text=True)
            component = processes.identity("sleep", int(supervisor.stdout.readline()))
            self.assertTrue(processes.alive(component))
            supervisor.kill()
            supervisor.wait()
            supervisor.stdout.close()
            wait_until(lambda: not processes.alive(component), 10, "the component to end")

    def test_a_component_that_ends_is_started_again(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(processes.Supervisor, "RESTART_PAUSE", 0):
            supervisor = processes.Supervisor(folder)
            supervisor.start("once", "sh", "-c", f"echo x >> {folder}/runs; test $(wc -l < {folder}/runs) -lt 3 || exec sleep 60")
            runs = Path(folder) / "runs"
            supervisor.wait_until(lambda: runs.exists() and len(runs.read_text().split()) == 3, 20, "three runs")
            supervisor.end_all()
            self.assertEqual({}, supervisor.running)

    def test_waiting_gives_up_with_a_sentence(self):
        begin = time.monotonic()
        with self.assertRaisesRegex(Failure, "gave up waiting for the moon"):
            wait_until(lambda: False, 0.1, "the moon")
        self.assertLess(time.monotonic() - begin, 5)


class DnsTest(unittest.TestCase):
    def test_records_follow_the_services(self):
        services = {}

        def event(kind, name, address):
            dns._apply(services, {"type": kind, "object": {"metadata": {"namespace": "default", "name": name},
                                                           "spec": {"clusterIP": address}}})
        event("ADDED", "web", "10.96.0.7")
        event("ADDED", "headless", "None")
        self.assertEqual("10.96.0.7 web.default.svc.cluster.local\n", dns.records(services))
        event("MODIFIED", "web", "10.96.0.8")
        self.assertEqual("10.96.0.8 web.default.svc.cluster.local\n", dns.records(services))
        event("DELETED", "web", "10.96.0.8")
        self.assertEqual("", dns.records(services))


class RegistryTest(unittest.TestCase):
    def test_users_are_private(self):
        with tempfile.TemporaryDirectory() as folder:
            registry.create_users(folder)
            before = registry.users(folder)
            registry.set_password(folder, "puller")
            self.assertNotEqual(before["puller"], registry.users(folder)["puller"])
            self.assertEqual(before["spare"], registry.users(folder)["spare"])
            registry.remove_user(folder, "spare")
            self.assertEqual({"publisher", "puller"}, set(registry.users(folder)))
            registry.configure(folder, skew=60)
            for name in ("users.json", "stand.json"):
                self.assertEqual(0o600, stat.S_IMODE((Path(folder) / "registry" / name).stat().st_mode))

    def test_a_user_name_cannot_smuggle_in_a_line(self):
        with tempfile.TemporaryDirectory() as folder:
            registry.create_users(folder)
            with self.assertRaises(Failure):
                registry.set_password(folder, "a\nb")


class CgroupsTest(unittest.TestCase):
    def test_this_machine_has_hierarchies(self):
        self.assertTrue(all(root.is_dir() and version in (1, 2) for root, version in cgroups.hierarchies()))


if __name__ == "__main__":
    unittest.main()
