#!/usr/bin/python3
"""What callers meet while a service turns to HTTPS and back: pods that speak their language, or nobody."""

import errno
import http.client
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
from pathlib import Path

import end_to_end
from end_to_end import EndToEnd, classifier, wait_until

# A pod that no longer listens, or just ceased to (the kernel resets what it had not handed over), or whose address is gone while
# the node still leads there.
NOBODY = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH}


class Exposure(EndToEnd):
    def make_certificate(self, name):
        """A Secret of this name; a TLS context that trusts nothing else, whatever the address."""
        folder = Path(tempfile.mkdtemp())
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=turning",
                        "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
        self.addCleanup(self.users.kubectl, "delete", "secret", name)
        self.users.kubectl("create", "secret", "tls", name, f"--cert={folder / 'crt'}", f"--key={folder / 'key'}")
        context = ssl.create_default_context(cafile=folder / "crt")
        context.check_hostname = False
        return context

    def answer(self, url, context=None):
        """Status of /healthz, which a server that drains answers too; 0 if nobody is there. Who accepts a connection and then closes it,
        or answers otherwise, speaks another language."""
        address = urllib.parse.urlsplit(url)
        connection = (http.client.HTTPSConnection(address.netloc, timeout=2, context=context) if context
                      else http.client.HTTPConnection(address.netloc, timeout=2))
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except TimeoutError:
            return 0
        except OSError as error:
            if error.errno not in NOBODY:
                raise
            return 0
        finally:
            connection.close()

    def ask_all_along(self, url, context=None):
        """The set of all that is answered from now on until the list's second entry is called."""
        answers, stop = set(), threading.Event()

        def ask():
            while not stop.wait(0.02):
                try:
                    answers.add(self.answer(url, context))
                except Exception as error:  # what is no HTTP at all is what the test is about
                    answers.add(repr(error))

        thread = threading.Thread(target=ask)
        thread.start()

        def end():
            stop.set()
            thread.join()
        self.addCleanup(end)
        return answers, end

    def turn(self, tls, scheme):
        self.users.kubectl("patch", "imageclassifier", "turning", "--type=merge", "--patch", '{"spec": {"service": {"tls": %s}}}' % tls)
        return wait_until(lambda: (url := self.wait_until_ready("turning")).startswith(scheme + "://") and url, 120, f"an address that begins with {scheme}")

    def test_callers_of_either_scheme_reach_pods_that_speak_it_or_nobody(self):
        context = self.make_certificate("turning")
        self.apply_for_this_test(classifier("turning"))
        plain = self.wait_until_ready("turning")
        plain_answers, end_plain = self.ask_all_along(plain)
        wait_until(lambda: 200 in plain_answers, 10, "an answer")
        secure = self.turn('{"secretName": "turning"}', "https")
        end_plain()
        self.assertLessEqual(plain_answers, {0, 200})
        self.assertEqual(self.answer(secure, context), 200)
        secure_answers, end_secure = self.ask_all_along(secure, context)
        wait_until(lambda: 200 in secure_answers, 10, "an answer")
        self.assertEqual(self.turn("null", "http"), plain)
        end_secure()
        self.assertLessEqual(secure_answers, {0, 200})
        self.assert_classifies(plain)


if __name__ == "__main__":
    end_to_end.main()
