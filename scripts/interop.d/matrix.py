"""Signs on and off with real identity providers, in every way they can sign and encrypt, and prints what came of it.

    matrix.py BINARY WORK TOOLS [--only NAME...] [--write DOCUMENT]

Separate from the script that installs what it needs. Exit code 1 if a cell does not work that is not expected to
fail: what is known to be impossible is listed below with its reason, and nothing else.
"""

import argparse
import base64
import pathlib
import sys
import time
import traceback
import xml.etree.ElementTree

from browser import Browser, Failed
from providers import PySaml2, SamlIdp, SimpleSamlPhp
from service import Anteroom

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
DSIG = "{http://www.w3.org/2000/09/xmldsig#}"
XENC = "{http://www.w3.org/2001/04/xmlenc#}"
SIGNED = ("response", "assertion", "both")
MARKS = ("<!-- interop: begin -->", "<!-- interop: end -->")
COLUMNS = [f"{signed} signed" for signed in SIGNED] + ["our logout", "their logout"]


class Row:
    """One provider with one encryption."""

    def __init__(self, provider, encryption):
        self.provider, self.encryption = provider, encryption
        self.cells, self.messages = [], set()

    def run(self, service):
        for signed in SIGNED:
            self.cells.append(attempt(lambda: self.sign_on(service, signed)))
        # How it signs makes no difference to a logout; what it encrypts does: the subject must have been read.
        self.cells.append(attempt(lambda: self.our_logout(service)))
        self.cells.append(attempt(lambda: self.their_logout(service)))

    def sign_on(self, service, signed):
        self.provider.configure(signed, self.encryption)
        browser = Browser()
        service.sign_on(browser, self.provider, f"/deep?signed={signed}")
        self.check_sent(browser, signed)
        return "yes"

    def check_sent(self, browser, signed):
        """That the provider did what it was told to: what is not encrypted would be accepted just as well."""
        sent = [base64.b64decode(value) for field, _, value, _ in browser.messages if field == "SAMLResponse"]
        response = xml.etree.ElementTree.fromstring(sent[-1])
        found = response.iterfind(f".//{XENC}EncryptedData/{XENC}EncryptionMethod")
        methods = [method.get("Algorithm") for method in found]
        if self.encryption and not (methods and methods[0].endswith("#" + self.encryption)):
            raise Failed(f"it sent {methods or 'nothing'} encrypted")
        places = {"response": f"{DSIG}Signature"}
        if not self.encryption:
            places["assertion"] = f"{SAML}Assertion/{DSIG}Signature"
        for place, path in places.items():
            if (response.find(path) is not None) != (signed in (place, "both")):
                raise Failed(f"the {place} is not signed as it was told")

    def our_logout(self, service):
        """The local session ends, and that of the provider: it asks for the login again."""
        browser = Browser()
        service.sign_on(browser, self.provider, "/first")
        browser.messages.clear()
        page = service.sign_out(browser, self.provider)
        if service.is_signed_on(browser):
            raise Failed("the session goes on")
        sent = [f"{field} by {binding}" for field, binding, _, _ in browser.messages]
        if not any(field == "SAMLRequest" for field, *_ in browser.messages):
            raise Failed("the provider was not told")
        if page.status != 200:
            raise Failed(f"{page.status} {page.title} after {', '.join(sent)}")
        if not any(field == "SAMLResponse" for field, *_ in browser.messages):
            raise Failed(f"the provider did not answer: {page.title}")
        time.sleep(1.1)
        if not service.sign_on(browser, self.provider, "/second"):
            raise Failed("the session at the provider goes on")
        return "yes"

    def their_logout(self, service):
        """By each binding that the provider can: our session ends, and the provider is told so."""
        urls = self.provider.logout_urls()
        for binding, url in urls.items():
            # Providers count whole seconds: who signs on within that of a logout may have done so before it.
            time.sleep(1.1)
            browser = Browser()
            service.sign_on(browser, self.provider, "/first")
            browser.messages.clear()
            page, _ = browser.settle(browser.visit(url), self.provider)
            kinds = [(field, how) for field, how, *_ in browser.messages]
            if ("SAMLRequest", binding) not in kinds:
                raise Failed(f"{binding}: no request was sent: {page.status} {page.title}")
            if service.is_signed_on(browser):
                raise Failed(f"{binding}: the session goes on: {page.status} {page.title}")
            if not any(field == "SAMLResponse" for field, _ in kinds):
                raise Failed(f"{binding}: no answer: {page.status} {page.title}")
            if page.status != 200 or "incomplete" in page.title:
                raise Failed(f"{binding}: the answer was not accepted: {page.status} {page.title}")
        return "yes, by " + " and ".join(urls)

    def expected(self):
        return [KNOWN.get((self.provider.name, self.encryption, column)) for column in COLUMNS]


def attempt(work):
    try:
        return work()
    except Failed as failed:
        return f"**no**: {failed}"
    except Exception as error:  # a fault of the driver must not hide the other cells
        traceback.print_exc()
        return f"**no**: {error!r}"


# (provider, encryption, column) -> why it cannot work.
KNOWN = {}


def table(rows):
    lines = ["| identity provider | encryption | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for row in rows:
        cells = [reason or cell for cell, reason in zip(row.cells, row.expected())]
        lines.append(f"| {row.provider.label} | {row.encryption or 'none'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(document, text):
    path = pathlib.Path(document)
    before, begin, rest = path.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        sys.exit(f"{document} has no {MARKS[0]} … {MARKS[1]}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", default=[], help="names of identity providers")
    parser.add_argument("--write", help="a document whose table is to be replaced")
    arguments = parser.parse_args()

    kinds = [kind for kind in (SimpleSamlPhp, PySaml2, SamlIdp) if not arguments.only or kind.name in arguments.only]
    providers = [kind(arguments.work, arguments.tools) for kind in kinds]
    service = Anteroom(arguments.binary, arguments.work, providers)
    rows, began = [], time.monotonic()
    try:
        for provider in providers:
            provider.start(service)
        service.start()
        for provider in providers:
            provider.meet(service)
            for encryption in provider.encryptions:
                row = Row(provider, encryption)
                row.run(service)
                rows.append(row)
                print(f"{provider.name} {encryption or 'none'}: {'; '.join(row.cells)}", file=sys.stderr, flush=True)
    finally:
        for part in [service, *providers]:
            part.stop()
    text = table(rows)
    print(f"\n{text}\n\n{time.monotonic() - began:.0f} s")
    if arguments.write:
        write(arguments.write, text)
    wrong = [cell for row in rows for cell, known in zip(row.cells, row.expected())
             if not cell.startswith("yes") and not known]
    sys.exit(1 if wrong else 0)


main()
