# SPDX-License-Identifier: Apache-2.0
"""An nginx of a test's own: the lines of docs/nginx.md in a configuration around them.

    class SiteTest(NginxTestCase):
        def test_x(self):
            self.start_nginx(self.site_lines("www"))      # as `port`
"""

import re
import signal
import socket
import ssl

from provider_case import ProgramTestCase, free_port, wait_until

NGINX = "/usr/sbin/nginx"
AROUND = """
daemon off;
user www-data;
worker_processes %(workers)d;
pid %(dir)s/pid;
error_log %(dir)s/error.log info;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path %(dir)s/body; proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/fastcgi; uwsgi_temp_path %(dir)s/uwsgi; scgi_temp_path %(dir)s/scgi;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
%(sites)s
}
"""


class NginxTestCase(ProgramTestCase):
    workers = 4
    program = NGINX

    def setUp(self):
        super().setUp()
        self.port = free_port()

    def site_lines(self, names=("www",), more="", port=None):
        """The page's site with the pairs of these names; more: lines at its end."""
        text = self.block("nginx", "site", {"443": "127.0.0.1:%d" % (port or self.port)})
        pair = re.search(r"(?m)(^ *ssl_certificate .*\n *ssl_certificate_key .*\n)", text).group(1)
        text = text.replace(pair, "".join(pair.replace("/www.", "/%s." % name) for name in names))
        return text.rstrip().rstrip("}") + more + "}\n"

    def software_site(self, port):
        """Another site, with a key in a file; its certificate is the server authority's."""
        leaf = self.software_certificate("software", ("software.example.com",))
        return ("server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;"
                " location / { return 200 software; } }\n" % (port, leaf.cert, leaf.key))

    def shake_hands_with_other(self, port, timeout=10):
        context = ssl.create_default_context(cafile=self.vault.authority.path)
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as plain:
            with context.wrap_socket(plain, server_hostname="software.example.com") as tls:
                return tls.version()

    def write_nginx(self, *sites):
        text = self.block("nginx", "main") + AROUND % {
            "workers": self.workers, "dir": self.directory.dir, "sites": "\n".join(sites)}
        return self.write("nginx.conf", text)

    def nginx_words(self, *words):
        return (self.program, "-e", self.path("error.log"), "-c", self.path("nginx.conf"), *words)

    def start_nginx(self, *sites, env=None):
        self.write_nginx(*sites)
        self.nginx = self.serve(self.port, *self.nginx_words(),
                                env=env or self.unit_env("nginx"))
        wait_until(lambda: len(self.workers_now()) >= self.workers, "all workers run")
        return self.nginx

    def workers_now(self):
        return self.children(self.nginx.pid)

    def reload_nginx(self):
        """Until no worker is left of those that were."""
        before = set(self.workers_now())
        self.nginx.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & set(self.workers_now()), self.error_log)

    def error_log(self):
        with open(self.path("error.log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]
