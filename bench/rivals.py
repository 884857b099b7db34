"""Apache and nginx, as they come from Debian, configured to do what the mirror does: for comparison.

One worker each (nginx: one worker process; Apache: the event MPM with one child process), the mirror's certificate, a
client certificate of its issuing CA required, the mirror's ciphers, neither tickets nor a session cache, sendfile and
access log on. The trust anchor is the issuing CA alone, as in the mirror: OpenSSL takes it for one since it is marked
as trusted for clients.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

from bench.measure import ProgramFailed

PACKAGES: Final = {"nginx": "nginx-light", "apache2": "apache2-bin"}
"""Debian's package for each program."""

_CIPHERS = "ECDHE+AESGCM+HIGH:!aNULL:!eNULL"
_START_SECONDS = 15.0

_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  default_type application/octet-stream;
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  sendfile on;
  keepalive_timeout 600; keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    root {www};
    ssl_certificate {folder}/mirror.crt; ssl_certificate_key {folder}/mirror.key;
    ssl_client_certificate {folder}/issuing.crt; ssl_verify_client on; ssl_verify_depth 1;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {ciphers}; ssl_prefer_server_ciphers on;
    ssl_session_tickets off; ssl_session_cache off; ssl_conf_command NumTickets 0;
  }}
}}
"""

_APACHE = """\
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
{user}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 128
MaxConnectionsPerChild 0
AsyncRequestWorkerFactor 255
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
EnableSendfile On
ErrorLog {folder}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {folder}/access.log combined
DocumentRoot {www}
<Directory {www}>
  AllowOverride None
  Require all granted
</Directory>
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCipherSuite {ciphers}
SSLHonorCipherOrder on
SSLCertificateFile {folder}/mirror.crt
SSLCertificateKeyFile {folder}/mirror.key
SSLCACertificateFile {folder}/issuing.crt
SSLVerifyClient require
SSLVerifyDepth 1
SSLSessionCache none
SSLSessionTickets off
SSLOpenSSLConfCmd NumTickets 0
"""


class Rival:
    """A running server, as a context manager: `name` is `nginx` or `apache`."""

    def __init__(self, name: str, folder: Path, www: Path, *, certificate: Path, key: Path, issuing_ca: Path) -> None:
        """Start it in `folder`, which is made, on the files in `www`.

        Raises:
            ProgramFailed: it is not installed, or did not start.
        """
        self.name = name
        self.port = _free_port()
        program = find("apache2" if name == "apache" else "nginx")
        folder.mkdir(mode=0o755)
        shutil.copy(certificate, folder / "mirror.crt")
        shutil.copy(key, folder / "mirror.key")
        _trust(issuing_ca, folder / "issuing.crt")
        config = folder / "server.conf"
        template = _APACHE if name == "apache" else _NGINX
        config.write_text(
            template.format(
                folder=folder,
                www=www,
                port=self.port,
                ciphers=_CIPHERS,
                user=_user(name),
                modules="/usr/lib/apache2/modules",
            )
        )
        error_log = folder / "error.log"
        ending = ["-DFOREGROUND"] if name == "apache" else ["-e", str(error_log), "-p", str(folder)]
        with (folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [program, "-f" if name == "apache" else "-c", str(config), *ending],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._wait(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _wait(self, folder: Path) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is None and time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                self._process.kill()
                self._process.wait()
                logs = (folder / "said", folder / "error.log")
                said = "".join(log.read_text(errors="replace") for log in logs if log.exists())
                raise ProgramFailed(f"{self.name} did not start:\n{said}") from None
            return


def find(program: str) -> str:
    """Where a program is; Debian keeps servers where only root looks.

    Raises:
        ProgramFailed: nowhere.
    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ProgramFailed(f"there is no {program}: 'apt-get install {' '.join(PACKAGES.values())}' brings it.")
    return found


def _user(name: str) -> str:
    """Apache does not serve as root; nginx is to do what it does."""
    if os.geteuid():
        return ""
    return "User www-data\nGroup www-data" if name == "apache" else "user www-data;"


def _trust(issuing_ca: Path, trusted: Path) -> None:
    command = ["openssl", "x509", "-in", str(issuing_ca), "-addtrust", "clientAuth", "-trustout", "-out", str(trusted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProgramFailed(f"openssl does not mark the issuing CA as trusted:\n{done.stderr}")
    # The plain one again: where names of CAs are read for the client, the marked one is passed over.
    trusted.write_bytes(trusted.read_bytes() + issuing_ca.read_bytes())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
