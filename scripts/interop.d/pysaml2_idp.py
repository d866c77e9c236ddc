"""An identity provider of pysaml2's own Server class, with just enough HTTP around it.

    pysaml2_idp.py PORT WORK

Runs in an environment with pysaml2, and needs the program xmlsec1. WORK has idp.key and idp.crt; WORK/sp.xml is the
service provider's metadata, WORK/options.json says how to answer; both are read again when they change. All SAML in
here is pysaml2's.
"""

import base64
import functools
import html
import http.server
import json
import pathlib
import secrets
import sys
import time
import traceback
import urllib.parse

import saml2.entity
import saml2.sigver
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, server, xmldsig
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID

PORT, WORK = int(sys.argv[1]), pathlib.Path(sys.argv[2])
BASE = f"http://127.0.0.1:{PORT}"
USER, PASSWORD = "paula", "paula-password"
IDENTITY = {"uid": ["paula"], "mail": ["paula@pysaml2.example"], "displayName": ["Paula Pysaml"]}
XMLENC = {"cbc": "http://www.w3.org/2001/04/xmlenc#", "gcm": "http://www.w3.org/2009/xmlenc11#"}


def configuration(service_provider):
    loaded = {"metadata": {"local": [str(service_provider)]}} if service_provider else {}
    sso = [(f"{BASE}/sso/redirect", BINDING_HTTP_REDIRECT), (f"{BASE}/sso/post", BINDING_HTTP_POST)]
    slo = [(f"{BASE}/slo/redirect", BINDING_HTTP_REDIRECT), (f"{BASE}/slo/post", BINDING_HTTP_POST)]
    attributes = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
    return IdPConfig().load({
        "entityid": f"{BASE}/metadata", "xmlsec_binary": "/usr/bin/xmlsec1", "allow_unknown_attributes": True,
        "key_file": f"{WORK}/idp.key", "cert_file": f"{WORK}/idp.crt",
        "service": {"idp": {
            "endpoints": {"single_sign_on_service": sso, "single_logout_service": slo},
            "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": attributes}},
            "name_id_format": [NAMEID_FORMAT_PERSISTENT], "want_authn_requests_signed": False,
        }},
    } | loaded)


class Encryption:
    """pysaml2 encrypts with 3DES and has no option for it; its template and the type of its session key do."""

    def __init__(self):
        self.template = saml2.sigver.pre_encryption_part
        self.encrypt = saml2.sigver.SecurityContext.encrypt_assertion

    def choose(self, algorithm):
        if not algorithm:
            return
        uri = XMLENC[algorithm.rpartition("-")[2]] + algorithm
        saml2.entity.pre_encryption_part = functools.partial(self.template, msg_enc=uri)
        session_key = {"aes128": "aes-128", "aes256": "aes-256"}[algorithm.partition("-")[0]]
        encrypt = self.encrypt

        def chosen(context, statement, key, template, key_type=None, node_xpath=None):
            return encrypt(context, statement, key, template, key_type=session_key, node_xpath=node_xpath)

        saml2.sigver.SecurityContext.encrypt_assertion = chosen


ENCRYPTION = Encryption()


class Provider:
    """pysaml2's Server, made anew when what it depends on has changed."""

    def __init__(self):
        self.made_of, self.server = None, None

    def get(self):
        stamps = tuple((WORK / name).stat().st_mtime_ns for name in ("sp.xml", "options.json"))
        if stamps != self.made_of:
            self.options = json.loads((WORK / "options.json").read_text())
            ENCRYPTION.choose(self.options["encryption"])
            self.server, self.made_of = server.Server(config=configuration(WORK / "sp.xml")), stamps
        return self.server


PROVIDER = Provider()
SESSIONS = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        self.answer(parts.path, dict(urllib.parse.parse_qsl(parts.query)), BINDING_HTTP_REDIRECT)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(self.path, dict(urllib.parse.parse_qsl(body)), BINDING_HTTP_POST)

    def answer(self, path, fields, binding):
        try:
            if path == "/metadata":
                return self.page(str(entity_descriptor(configuration(None))), kind="application/samlmetadata+xml")
            if path.startswith("/sso/"):
                return self.asked(fields, binding)
            if path == "/login":
                return self.login(fields)
            if path == "/logout":
                return self.start_logout(fields.get("binding", "redirect"))
            if path.startswith("/slo/"):
                return self.logout(fields, binding)
            return self.page("not found", 404)
        except Exception as error:  # whatever pysaml2 says is what the matrix shows
            traceback.print_exc()
            return self.page(f"<title>{html.escape(repr(error))}</title>", 400)

    def asked(self, fields, binding):
        signature = {name: fields[key] for key, name in (("SigAlg", "sigalg"), ("Signature", "signature"))
                     if key in fields}
        if signature:
            signature["relay_state"] = fields.get("RelayState")
        request = PROVIDER.get().parse_authn_request(fields["SAMLRequest"], binding, **signature).message
        destination = PROVIDER.server.response_args(request, [BINDING_HTTP_POST])["destination"]
        pending = {"id": request.id, "sp": request.issuer.text.strip(), "to": destination,
                   "relay": fields.get("RelayState", "")}
        if self.session():
            return self.respond(pending)
        context = html.escape(json.dumps(pending))
        return self.page(
            f'<form method="post" action="/login"><input type="hidden" name="context" value="{context}">'
            '<input type="text" name="user"><input type="password" name="password"><button>Log in</button></form>'
        )

    def login(self, fields):
        if (fields["user"], fields["password"]) != (USER, PASSWORD):
            return self.page("wrong password", 403)
        name = secrets.token_hex(16)
        SESSIONS[name] = {}
        return self.respond(json.loads(fields["context"]), name)

    def respond(self, pending, new_session=None):
        idp, signed = PROVIDER.get(), PROVIDER.options["sign"]
        name_id = NameID(format=NAMEID_FORMAT_PERSISTENT, text="p-paula", name_qualifier=f"{BASE}/metadata",
                         sp_name_qualifier=pending["sp"])
        session = SESSIONS[new_session or self.session_name()]
        session |= {"sp": pending["sp"], "name_id": name_id}
        encrypted = {}
        if PROVIDER.options["encryption"]:
            encrypted = {"encrypt_assertion": True, "encrypt_assertion_self_contained": True}
        response = idp.create_authn_response(
            dict(IDENTITY), pending["id"], pending["to"], sp_entity_id=pending["sp"], name_id=name_id, userid=USER,
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": BASE, "authn_instant": int(time.time())},
            sign_response=signed in ("response", "both"), sign_assertion=signed in ("assertion", "both"),
            sign_alg=xmldsig.SIG_RSA_SHA256, digest_alg=xmldsig.DIGEST_SHA256, **encrypted,
        )
        cookie = [("Set-Cookie", f"pysaml2={new_session}; Path=/")] if new_session else []
        value = base64.b64encode(str(response).encode()).decode()
        return self.carrier(pending["to"], "SAMLResponse", value, pending["relay"], cookie)

    def start_logout(self, binding):
        """Ends the session here and tells the service provider."""
        idp, session = PROVIDER.get(), SESSIONS.pop(self.session_name())
        binding = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST}[binding]
        to = idp.metadata.single_logout_service(session["sp"], binding, "spsso")
        if not to:
            return self.page("<title>the service provider has no logout by this binding</title>", 400)
        to = to[0]["location"]
        in_xml = binding == BINDING_HTTP_POST
        _, request = idp.create_logout_request(to, session["sp"], name_id=session["name_id"], sign=in_xml,
                                                sign_alg=xmldsig.SIG_RSA_SHA256, digest_alg=xmldsig.DIGEST_SHA256)
        return self.send_on(idp.apply_binding(binding, str(request), to, "state", sign=not in_xml,
                                              sigalg=xmldsig.SIG_RSA_SHA256), binding)

    def logout(self, fields, binding):
        idp = PROVIDER.get()
        if "SAMLResponse" in fields:
            done = idp.parse_logout_request_response(fields["SAMLResponse"], binding).status_ok()
            return self.page(f"<title>logout {'complete' if done else 'incomplete'}</title>")
        signature = {}
        if binding == BINDING_HTTP_REDIRECT:
            signature = {"relay_state": fields.get("RelayState"), "sigalg": fields.get("SigAlg"),
                         "signature": fields.get("Signature")}
        request = idp.parse_logout_request(fields["SAMLRequest"], binding, **signature).message
        SESSIONS.pop(self.session_name(), None)
        response = idp.create_logout_response(request, [BINDING_HTTP_REDIRECT])
        bound, to = idp.pick_binding("single_logout_service", [BINDING_HTTP_REDIRECT], "spsso",
                                     entity_id=request.issuer.text.strip())
        return self.send_on(idp.apply_binding(bound, str(response), to, fields.get("RelayState", ""), response=True,
                                              sign=True, sigalg=xmldsig.SIG_RSA_SHA256), bound)

    def send_on(self, applied, binding):
        if binding == BINDING_HTTP_POST:
            return self.page("".join(applied["data"]))
        return self.page("", 302, headers=applied["headers"])

    def carrier(self, to, field, value, relay, headers):
        hidden = {field: value} | ({"RelayState": relay} if relay else {})
        inputs = "".join(f'<input type="hidden" name="{k}" value="{html.escape(v)}">' for k, v in hidden.items())
        return self.page(f'<form method="post" action="{html.escape(to)}">{inputs}</form>', headers=headers)

    def session_name(self):
        pairs = dict(pair.split("=", 1) for pair in self.headers.get("Cookie", "").split("; ") if "=" in pair)
        return pairs.get("pysaml2")

    def session(self):
        return self.session_name() in SESSIONS

    def page(self, text, status=200, kind="text/html; charset=utf-8", headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
