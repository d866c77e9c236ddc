"""Anteroom as the service provider of the matrix, and the application behind it.

Separate because it knows Anteroom's configuration and pages, and nothing of the identity providers.
"""

import base64
import http.server
import json
import pathlib
import socket
import subprocess
import threading
import time

from browser import Browser, Failed

ENTITY_ID = "urn:example:anteroom:interop"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(port, process, log):
    """Until something listens there; at most half a minute."""
    for _ in range(300):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens at {port}:\n{pathlib.Path(log).read_text()[-3000:]}")


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_key(directory, name):
    """A new RSA key and a certificate that it signed itself: NAME.key and NAME.crt."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
         "-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.crt"],
        check=True, capture_output=True,
    )


class Application(http.server.BaseHTTPRequestHandler):
    """Shows the path and the identity that reached it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        token = self.headers.get("X-Anteroom-Jwt-Assertion")
        claims = None
        if token:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        body = json.dumps({"path": self.path, "claims": claims}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Anteroom:
    def __init__(self, binary, work, providers):
        self.binary, self.work, self.providers = binary, work, providers
        self.port, self.ops = free_port(), free_port()
        self.url = f"http://app.localhost:{self.port}"
        self.acs_url = f"{self.url}/saml2/idpresponse"
        self.logout_url = f"{self.url}/saml2/logout"
        self.config = work / "anteroom.toml"
        self.log = work / "anteroom.log"
        self.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        threading.Thread(target=self.application.serve_forever, daemon=True).start()
        make_key(work, "sp")

    def start(self):
        organizations = "".join(
            f'[[organization]]\nid = "{p.name}"\nname = "{p.name}"\ndomains = ["{p.domain}"]\n'
            f'metadata = "{p.name}.xml"\n\n'
            for p in self.providers
        )
        for provider in self.providers:
            (self.work / f"{provider.name}.xml").write_bytes(provider.metadata())
        self.config.write_text(f"""\
[app]
url = "{self.url}"
upstreams = ["http://127.0.0.1:{self.application.server_port}"]

[saml]
entity_id = "{ENTITY_ID}"
acs_url = "{self.acs_url}"
signing_key = "sp.key"
certificate = "sp.crt"

[listen]
public = "127.0.0.1:{self.port}"
ops = "127.0.0.1:{self.ops}"

[session]
single_logout = true

[store]
url = "sqlite:anteroom.db"
secret_file = "anteroom.secret"

{organizations}""")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--config", self.config], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        await_port(self.port, self.process, self.log)
        for provider in self.providers:
            self.command("user", "add", provider.email, "--organization", provider.name, "--level", "viewer",
                         "--property", "*")

    def metadata(self):
        page = Browser().visit(f"{self.url}/saml2/metadata")
        if page.status != 200:
            raise SystemExit(f"{page.url}: {page.status}")
        return page.text.encode()

    def command(self, *words):
        done = subprocess.run([self.binary, *words, "--config", self.config], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"anteroom {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def why(self):
        """The machine code of the newest refusal, from the audit."""
        events = json.loads(self.command("audit", "list", "--json"))
        return next((event["reason"] for event in events if event.get("reason")), "no reason in the audit")

    def stop(self):
        stop(self.process)
        self.application.shutdown()

    def sign_on(self, browser, provider, path):
        """From asking for a page of the application to seeing it; gives whether a password was asked."""
        page = browser.visit(self.url + path)
        if page.path == path:
            raise Failed("signed on already")
        # A browser that has signed on before is offered the button at once.
        if not page.has_form("/.anteroom/sign-in/start"):
            page = browser.submit(page, page.form("/.anteroom/sign-in"), email=provider.email)
        page = browser.submit(page, page.form("/.anteroom/sign-in/start"))
        page, asked = browser.settle(page, provider)
        if page.status != 200 or page.path != path.partition("?")[0]:
            at = "refused: " + self.why() if page.url.startswith(self.url) else f"{page.path} says {page.title}"
            raise Failed(f"{page.status} {at}")
        claims = json.loads(page.text)["claims"]
        if not claims or claims["email"] != provider.email:
            raise Failed(f"the application saw {claims}")
        return asked

    def is_signed_on(self, browser):
        return browser.visit(self.url + "/again").path == "/again"

    def sign_out(self, browser, provider):
        page = browser.visit(self.url + "/.anteroom/sign-out")
        page = browser.submit(page, page.form("/.anteroom/sign-out"))
        page, _ = browser.settle(page, provider)
        return page
