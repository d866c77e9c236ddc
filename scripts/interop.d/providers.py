"""The identity providers of the matrix behind one interface: start, say how to sign and encrypt, stop.

Separate because each is a product of its own with its own way of being configured. None of them is ours; what is
written here is configuration.
"""

import json
import os
import pathlib
import subprocess
import urllib.parse
import urllib.request

from service import ENTITY_ID, await_port, free_port, make_key, stop

HERE = pathlib.Path(__file__).parent
XMLENC = {"cbc": "http://www.w3.org/2001/04/xmlenc#", "gcm": "http://www.w3.org/2009/xmlenc11#"}


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


class Provider:
    """What they have in common. `encryptions` are the algorithms it can encrypt with; None stands for none."""

    name = label = domain = user = email = password = ""
    encryptions = (None,)

    def __init__(self, work, tools):
        self.work, self.tools, self.port = work / self.name, tools, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = work / f"{self.name}.log"
        self.process = None
        make_key(self.work, "idp")

    def run(self, command, **environment):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment
            )
        await_port(self.port, self.process, self.log)

    def stop(self):
        if self.process:
            stop(self.process)

    def asks(self, form):
        return bool(form.password)

    def credentials(self, form):
        return {form.name: self.user, form.password: self.password}

    def logout_urls(self):
        """Where a logout begins at the provider, by binding to the service provider."""
        return {}


class SimpleSamlPhp(Provider):
    """SimpleSAMLphp as Debian packages it."""

    name, label, domain = "simplesamlphp", "SimpleSAMLphp 1.19", "contoso.com"
    user, email, password = "mia", "mia.berg@contoso.com", "mia-password"
    encryptions = (None, "aes128-cbc")

    def start(self, service):
        (self.work / "cert").mkdir()
        for part in ("idp.key", "idp.crt"):
            (self.work / part).rename(self.work / "cert" / part)
        self.configure("both", None)
        script = HERE.parent.parent / "tests" / "peers" / "simplesamlphp.sh"
        self.run([script, self.work, str(self.port)])

    def metadata(self):
        return get(f"{self.base}/simplesaml/saml2/idp/metadata.php")

    def meet(self, service):
        self.sp = self.work / "sp" / "anteroom.xml"
        self.sp.write_bytes(service.metadata())

    def configure(self, sign, encryption):
        (self.work / "sign").write_text(sign)
        (self.work / "encrypt").write_text("yes" if encryption else "no")

    def logout_urls(self):
        back = urllib.parse.quote(f"{self.base}/simplesaml/logout.php")
        return {"redirect": f"{self.base}/simplesaml/saml2/idp/SingleLogoutService.php?ReturnTo={back}"}


class PySaml2(Provider):
    """pysaml2's Server class; `pysaml2_idp.py` is the HTTP around it."""

    name, label, domain = "pysaml2", "pysaml2 7.5", "pysaml2.example"
    user, email, password = "paula", "paula@pysaml2.example", "paula-password"
    encryptions = (None, "aes128-gcm", "aes256-gcm", "aes128-cbc", "aes256-cbc")

    def start(self, service):
        self.configure("both", None)
        self.run([self.tools / "venv/bin/python", HERE / "pysaml2_idp.py", str(self.port), self.work])

    def metadata(self):
        return get(f"{self.base}/metadata")

    def meet(self, service):
        (self.work / "sp.xml").write_bytes(service.metadata())

    def configure(self, sign, encryption):
        (self.work / "options.json").write_text(json.dumps({"sign": sign, "encryption": encryption}))

    def logout_urls(self):
        return {binding: f"{self.base}/logout?binding={binding}" for binding in ("redirect", "post")}


class SamlIdp(Provider):
    """saml-idp of npm, on samlp. It asks for no password: its form shows the user, to be changed at will."""

    name, label, domain = "saml-idp", "saml-idp 1.2 (samlp 8)", "saml-idp.example"
    user, email = "sam@saml-idp.example", "sam@saml-idp.example"
    encryptions = (None, "aes128-gcm", "aes256-gcm", "aes128-cbc", "aes256-cbc")

    def start(self, service):
        public = subprocess.run(["openssl", "x509", "-in", service.work / "sp.crt", "-noout", "-pubkey"],
                                check=True, capture_output=True).stdout
        (self.work / "sp.pub").write_bytes(public)
        self.run([
            "node", "--no-deprecation", self.tools / "npm/node_modules/saml-idp/bin/run.js",
            "--host", "127.0.0.1", "--port", str(self.port), "--cert", self.work / "idp.crt",
            "--key", self.work / "idp.key", "--issuer", f"{self.base}/metadata", "--acsUrl", service.acs_url,
            "--audience", ENTITY_ID, "--sloUrl", service.logout_url, "--encryptAssertion",
            "--encryptionCert", service.work / "sp.crt", "--encryptionPublicKey", self.work / "sp.pub",
        ])

    def metadata(self):
        return get(f"{self.base}/metadata")

    def meet(self, service):
        """It was told at its start."""

    def configure(self, sign, encryption):
        options = {
            "signResponse": str(sign in ("response", "both")).lower(),
            "signAssertion": str(sign in ("assertion", "both")).lower(),
            "encryptAssertion": str(encryption is not None).lower(),
            "disallowEncryptionWithInsecureAlgorithm": "false",
        }
        if encryption:
            options["encryptionAlgorithm"] = XMLENC[encryption.rpartition("-")[2]] + encryption
        body = urllib.parse.urlencode(options).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.base}/settings", body), timeout=30).close()

    def asks(self, form):
        return "_authnRequest" in form.fields

    def credentials(self, form):
        return {"userName": self.user, "email": self.email}

    def logout_urls(self):
        return {"post": f"{self.base}/signout"}
