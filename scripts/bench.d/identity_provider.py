"""An identity provider without a network: writes Federation Metadata, and answers a login like a browser would.

Separate because the benchmark needs a real session and nothing else: the way through the sign-on page, the
signed response, the hand-off, all over HTTP. Messages are written in exclusive canonical form, so that plain
SHA-256 and `openssl` can sign them.

    identity_provider.py metadata DIRECTORY > metadata.xml
    identity_provider.py sign-on DIRECTORY APP_URL ENTITY_ID EMAIL     (prints the value of a Cookie header)
    identity_provider.py sign-on-mellon DIRECTORY URL EMAIL            (the same for mod_auth_mellon)
"""

import base64
import hashlib
import html.parser
import http.client
import ssl
import subprocess
import sys
import time
import urllib.parse
import uuid
import zlib

ISSUER = "https://sts.windows.net/5f0c7a52-3a4e-4d7e-9a51-2b8a3c1d4e6f/"
TENANT = "5f0c7a52-3a4e-4d7e-9a51-2b8a3c1d4e6f"
CLAIMS = "http://schemas.microsoft.com/identity/claims/"
EMAIL_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def certificate(directory):
    """The certificate in base64; key and certificate are made where there are none."""
    key, file = f"{directory}/idp.key", f"{directory}/idp.crt"
    try:
        der = openssl("x509", "-in", file, "-outform", "DER")
    except subprocess.CalledProcessError:
        subject = "/CN=Benchmark identity provider"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", file, "-subj", subject)
        der = openssl("x509", "-in", file, "-outform", "DER")
    return base64.b64encode(der).decode()


def metadata(directory):
    return (
        f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ISSUER}">'
        f'<IDPSSODescriptor protocolSupportEnumeration="{PROTOCOL}"><KeyDescriptor use="signing">'
        f'<KeyInfo xmlns="{DSIG}"><X509Data><X509Certificate>{certificate(directory)}</X509Certificate>'
        "</X509Data></KeyInfo></KeyDescriptor><SingleSignOnService "
        'Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
        'Location="https://login.microsoftonline.com/saml2"></SingleSignOnService>'
        "</IDPSSODescriptor></EntityDescriptor>"
    )


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))


def signed_response(directory, request_id, acs_url, audience, email):
    """A response with a signed assertion, as Entra sends it."""
    response_id, assertion_id = f"_r{uuid.uuid4().hex}", f"_a{uuid.uuid4().hex}"
    claims = [
        (CLAIMS + "tenantid", TENANT),
        (CLAIMS + "objectidentifier", "0b7d6c5e-1f2a-4b3c-8d9e-0a1b2c3d4e5f"),
        (EMAIL_CLAIM, email),
    ]
    attributes = "".join(
        f'<Attribute Name="{name}"><AttributeValue>{value}</AttributeValue></Attribute>' for name, value in claims
    )
    issuer = f"<Issuer>{ISSUER}</Issuer>"
    before = (
        f'<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="{assertion_id}" '
        f'IssueInstant="{moment(0)}" Version="2.0">{issuer}'
    )
    after = (
        '<Subject><NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">'
        f'{email}</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<SubjectConfirmationData InResponseTo="{request_id}" NotOnOrAfter="{moment(3600)}" '
        f'Recipient="{acs_url}"></SubjectConfirmationData></SubjectConfirmation></Subject>'
        f'<Conditions NotBefore="{moment(-300)}" NotOnOrAfter="{moment(3600)}"><AudienceRestriction>'
        f"<Audience>{audience}</Audience></AudienceRestriction></Conditions>"
        f"<AttributeStatement>{attributes}</AttributeStatement>"
        f'<AuthnStatement AuthnInstant="{moment(-60)}" SessionIndex="{assertion_id}"><AuthnContext>'
        "<AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</AuthnContextClassRef>"
        "</AuthnContext></AuthnStatement></Assertion>"
    )
    digest = base64.b64encode(hashlib.sha256((before + after).encode()).digest()).decode()
    signed_info = (
        f'<SignedInfo xmlns="{DSIG}"><CanonicalizationMethod Algorithm="{EXCLUSIVE}"></CanonicalizationMethod>'
        '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
        f'<Reference URI="#{assertion_id}"><Transforms>'
        f'<Transform Algorithm="{DSIG}enveloped-signature"></Transform>'
        f'<Transform Algorithm="{EXCLUSIVE}"></Transform></Transforms>'
        '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>'
        f"<DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
    )
    value = openssl("dgst", "-sha256", "-sign", f"{directory}/idp.key", given=signed_info.encode())
    inner = signed_info.replace(f' xmlns="{DSIG}"', "", 1)
    signature = (
        f'<Signature xmlns="{DSIG}">{inner}<SignatureValue>{base64.b64encode(value).decode()}</SignatureValue>'
        f"<KeyInfo><X509Data><X509Certificate>{certificate(directory)}</X509Certificate></X509Data></KeyInfo>"
        "</Signature>"
    )
    return (
        f'<samlp:Response xmlns:samlp="{PROTOCOL}" Destination="{acs_url}" ID="{response_id}" '
        f'InResponseTo="{request_id}" IssueInstant="{moment(0)}" Version="2.0">'
        f'<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</Issuer><samlp:Status>'
        '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode>'
        f"</samlp:Status>{before}{signature}{after}</samlp:Response>"
    )


class Forms(html.parser.HTMLParser):
    """The forms of a page: their actions and hidden or filled fields."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            self.found.append((attributes.get("action", ""), {}))
        elif tag == "input" and self.found and "name" in attributes:
            self.found[-1][1][attributes["name"]] = attributes.get("value") or ""


class Browser:
    """Follows nothing by itself, keeps cookies, and connects to loopback whatever the host."""

    def __init__(self, app_url):
        self.app = urllib.parse.urlsplit(app_url)
        self.cookies = {}

    def ask(self, method, path, fields=None, origin=None):
        if self.app.scheme == "https":
            # Its certificate was made a moment ago, by us.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", self.app.port, timeout=20, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=20)
        headers = {"Host": self.app.netloc, "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        headers["Sec-Fetch-Dest"] = "document"
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = origin or f"{self.app.scheme}://{self.app.netloc}"
        connection.request(method, path, fields and urllib.parse.urlencode(fields), headers)
        response = connection.getresponse()
        for line in response.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name.strip()] = value
        return response.status, response.headers.get("Location", ""), response.read().decode()

    def submit(self, page, action, **filled):
        fields = next(fields for target, fields in Forms(page).found if target.endswith(action))
        return self.ask("POST", action, fields | filled)


def answer(directory, location, acs_url, entity_id, email):
    """What the identity provider has the browser post, after it was sent to a location with a request."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
    request = zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15).decode()
    request_id = request.split(' ID="')[1].split('"')[0]
    response = signed_response(directory, request_id, acs_url, entity_id, email)
    fields = {"SAMLResponse": base64.b64encode(response.encode()).decode()}
    if "RelayState" in query:
        fields["RelayState"] = query["RelayState"][0]
    return fields


def sign_on_mellon(directory, url, email):
    browser = Browser(url)
    step = "/"
    for _ in range(3):
        status, location, page = browser.ask("GET", step)
        if "SAMLRequest" in location:
            break
        assert status in (302, 303), f"no way to the identity provider: {status}\n{page}"
        target = urllib.parse.urlsplit(location)
        step = f"{target.path}?{target.query}"
    fields = answer(directory, location, f"{url}/mellon/postResponse", f"{url}/mellon/metadata", email)
    status, location, page = browser.ask("POST", "/mellon/postResponse", fields, "https://login.microsoftonline.com")
    assert status in (302, 303), f"the response was refused: {status}\n{page}"
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items() if value)


def sign_on(directory, app_url, entity_id, email):
    browser = Browser(app_url)
    _, _, page = browser.ask("GET", "/.anteroom/sign-in?return_to=/")
    _, _, page = browser.submit(page, "/.anteroom/sign-in", email=email)
    status, location, page = browser.submit(page, "/.anteroom/sign-in/start")
    assert status == 303, f"no way to the identity provider: {status}\n{page}"
    fields = answer(directory, location, f"{app_url}/saml2/idpresponse", entity_id, email)
    status, location, page = browser.ask("POST", "/saml2/idpresponse", fields, "https://login.microsoftonline.com")
    assert status == 303, f"the response was refused: {status}\n{page}"
    step = urllib.parse.urlsplit(location)
    status, location, page = browser.ask("GET", f"{step.path}?{step.query}")
    assert status == 303, f"the sign-on was not completed: {status}\n{page}"
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items() if value)


if __name__ == "__main__":
    if sys.argv[1] == "metadata":
        print(metadata(sys.argv[2]))
    elif sys.argv[1] == "sign-on-mellon":
        print(sign_on_mellon(*sys.argv[2:]))
    else:
        print(sign_on(*sys.argv[2:]))
