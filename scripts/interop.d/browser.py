"""A browser without a window: follows redirects, keeps cookies as a browser would, fills in forms.

Separate because it knows nothing of SAML products: it does what the pages say, and writes down which SAML
messages passed by. Everything it asks must be on loopback.
"""

import dataclasses
import html.parser
import http.client
import urllib.parse

SAML_FIELDS = ("SAMLRequest", "SAMLResponse")
STEPS_MAX = 25


@dataclasses.dataclass
class Form:
    action: str
    method: str
    fields: dict
    buttons: list
    password: str = ""
    name: str = ""

    @property
    def is_saml(self):
        return any(field in self.fields for field in SAML_FIELDS)


class Forms(html.parser.HTMLParser):
    """The forms of a page, with what a user agent would send of them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name, value = given.get("name"), given.get("value") or ""
        if tag == "form":
            action, method = given.get("action") or "", (given.get("method") or "get").upper()
            self.found.append(Form(action, method, {}, []))
        elif not self.found:
            return
        elif tag == "button" or (tag == "input" and given.get("type") in ("submit", "image")):
            if name:
                self.found[-1].buttons.append((name, value))
        elif tag in ("input", "textarea") and name:
            kind = given.get("type") or "text"
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            self.found[-1].fields[name] = value
            if kind == "password":
                self.found[-1].password = name
            elif kind in ("text", "email") and not self.found[-1].name:
                self.found[-1].name = name


@dataclasses.dataclass
class Page:
    url: str
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    @property
    def title(self):
        _, _, rest = self.text.partition("<title>")
        return rest.partition("</title>")[0].strip()

    def has_form(self, ending):
        return any(urllib.parse.urlsplit(form.action).path.endswith(ending) for form in Forms(self.text).found)

    def form(self, ending):
        """The form whose action ends so."""
        for form in Forms(self.text).found:
            if urllib.parse.urlsplit(form.action).path.endswith(ending):
                return form
        raise Failed(f"no form for {ending} at {self.url}: {self.status} {self.title}")


class Failed(Exception):
    """A step that did not lead where it should have; the text says which."""


class Browser:
    def __init__(self):
        self.cookies = {}
        self.messages = []

    def visit(self, url):
        return self._follow(self._ask("GET", url))

    def submit(self, page, form, button=None, **filled):
        fields = form.fields | filled
        pressed = button or next(iter(form.buttons), None)
        if pressed:
            fields |= dict([pressed])
        url = urllib.parse.urljoin(page.url, form.action or page.url)
        if form.method == "GET":
            url += ("&" if "?" in url else "?") + urllib.parse.urlencode(fields)
            return self._follow(self._ask("GET", url))
        return self._follow(self._ask("POST", url, fields, page.url))

    def settle(self, page, provider):
        """Logs in where the provider asks for it, posts on what posts itself; gives the page at the end and
        whether a login was asked for."""
        asked = False
        for _ in range(STEPS_MAX):
            forms = Forms(page.text).found
            login = next((form for form in forms if provider.asks(form)), None)
            carrier = next((form for form in forms if form.is_saml), None)
            if login and asked:
                raise Failed(f"{page.url} asks for the login again")
            if login:
                asked = True
                page = self.submit(page, login, **provider.credentials(login))
            elif carrier:
                page = self.submit(page, carrier)
            else:
                return page, asked
        raise Failed(f"no end of forms at {page.url}")

    def _follow(self, page):
        for _ in range(STEPS_MAX):
            if page.status not in (301, 302, 303, 307, 308):
                return page
            page = self._ask("GET", urllib.parse.urljoin(page.url, page.headers["Location"]))
        raise Failed(f"no end of redirects at {page.url}")

    def _ask(self, method, url, fields=None, from_url=None):
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        if host != "127.0.0.1" and host != "localhost" and not host.endswith(".localhost"):
            raise Failed(f"{url} is not on loopback")
        self._note(parts, fields)
        headers = {
            "Host": parts.netloc, "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
        }
        body = None
        foreign = False
        if fields is not None:
            origin = urllib.parse.urlsplit(from_url)
            foreign = origin.hostname != host
            headers["Origin"] = f"{origin.scheme}://{origin.netloc}"
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fields)
        headers["Cookie"] = self._cookies_for(parts.netloc, foreign)
        if not headers["Cookie"]:
            del headers["Cookie"]
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        connection.close()
        for line in response.headers.get_all("Set-Cookie", []):
            self._keep(parts.netloc, line)
        return Page(url, response.status, response.headers, text)

    def _keep(self, place, line):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        lower = [attribute.lower() for attribute in attributes]
        kept = self.cookies.setdefault(place, {})
        if not value or "max-age=0" in lower or value == "deleted":
            kept.pop(name, None)
        else:
            kept[name] = (value, "samesite=lax" in lower or "samesite=strict" in lower)

    def _cookies_for(self, place, foreign_post):
        """What another site makes the browser post goes without the cookies that are kept from it."""
        kept = self.cookies.get(place, {})
        return "; ".join(f"{name}={value}" for name, (value, own) in kept.items() if not (own and foreign_post))

    def _note(self, parts, fields):
        query = dict(urllib.parse.parse_qsl(parts.query))
        for field in SAML_FIELDS:
            if field in query:
                self.messages.append((field, "redirect", query[field], "Signature" in query))
            if fields and field in fields:
                self.messages.append((field, "post", fields[field], False))
