//! The list of all keys, with their defaults and meanings.
//!
//! Separate because it is a list to look things up in, and the longest part of the schema.

use super::{Absent, Key, Kind, Support};

/// All keys.
pub const KEYS: &[Key] = &[
    text(
        "app.url",
        Absent::Missing,
        "The address under which people open the application (the Sign-on URL): scheme, host and port only.",
    ),
    texts(
        "app.upstreams",
        Absent::Missing,
        "Where the application itself answers, e.g. `http://127.0.0.1:3000`, `https://app.internal` or `h2c://[::1]:50051`; several are balanced.",
    ),
    texts(
        "app.public_paths",
        Absent::Value("[]"),
        "Paths that need no sign-on: exact, or with everything below when they end in `/`.",
    ),
    text("app.name", Absent::Means("the host of `app.url`"), "The application's name on Anteroom's pages."),
    text("app.support_email", Absent::Means("no address is shown"), "Whom people can write to."),
    text(
        "app.upstream_ca",
        Absent::Means("what this machine trusts"),
        "PEM file: the certificate authorities that `https://` upstreams are checked against, and no others.",
    ),
    text(
        "app.upstream_certificate",
        Absent::Means("none is shown"),
        "PEM file: Anteroom's own certificate for `https://` upstreams that ask for one, then its chain.",
    ),
    text("app.upstream_key", Absent::Means("as `app.upstream_certificate`"), "PEM file: its private key."),
    text(
        "app.upstream_server_name",
        Absent::Means("the host of the upstream"),
        "The name that certificates of `https://` upstreams must be for, and that they are asked for (SNI).",
    ),
    switch(
        "app.upstream_http2",
        Absent::Value("false"),
        "Whether `https://` upstreams are offered HTTP/2, e.g. for gRPC. HTTP/1.1 is the faster one for everything else.",
    ),
    number(
        "app.upstream_requests_max",
        Absent::Means("as many as come"),
        "Requests that one upstream has at a time, open streams and WebSockets included; others wait up to a second, then get `503`.",
    ),
    switch(
        "app.sticky",
        Absent::Value("false"),
        "Whether the requests of a session go to the same upstream as long as that is well.",
    ),
    text(
        "app.dns_refresh",
        Absent::Value("\"30s\""),
        "How old the addresses of an upstream's name may be before they are asked for again, up to `1h`.",
    ),
    text(
        "app.health_path",
        Absent::Means("upstreams are judged by the requests that they get"),
        "What upstreams are asked for, on a connection of its own; three times no `2xx` or `3xx`, and an upstream is asked last.",
    ),
    text("app.health_interval", Absent::Value("\"5s\""), "How often they are asked for `app.health_path`."),
    number(
        "app.eject_on_5xx",
        Absent::Value("0"),
        "After how many answers of 502, 503 or 504 in a row an upstream is asked last; `0`: never for its answers.",
    ),
    text(
        "app.upstream_connect_timeout",
        Absent::Value("\"1s\""),
        "How long one attempt to connect to one address may take.",
    ),
    text(
        "app.upstream_response_timeout",
        Absent::Value("\"60s\""),
        "How long the application may take from the end of a request to the beginning of its response.",
    ),
    text(
        "app.upstream_idle_timeout",
        Absent::Value("\"5m\""),
        "How long a response may pause between two bytes.",
    ),
    text("app.stream_idle_timeout", Absent::Value("\"1h\""), "The same for event streams and WebSockets."),
    text(
        "app.upstream_keep_alive",
        Absent::Value("\"4s\""),
        "How long an unused connection is kept; less than the application keeps it.",
    ),
    text(
        "app.upstream_ping",
        Absent::Value("\"30s\""),
        "How often a connection of HTTP/2 that carries requests is asked whether it lives. gRPC servers may want it rarer.",
    ),
    text(
        "app.reuse",
        Absent::Value("\"always\""),
        "Which requests may have a connection that was used before: `always`, `safe` for those alone that can be repeated, or `never`.",
    ),
    number(
        "app.upload_rate_min",
        Absent::Value("240"),
        "Bytes a second that the body of a request must bring on average after 30 seconds of waiting for it; `0`: any number. gRPC is exempt.",
    ),
    text(
        "saml.entity_id",
        Absent::Missing,
        "What the identity providers know Anteroom by (Identifier, Audience URI).",
    ),
    text(
        "saml.acs_url",
        Absent::Missing,
        "Where the identity providers post to (Reply URL, Assertion Consumer Service).",
    ),
    text_or_texts(
        "saml.signing_key",
        Absent::Means("requests are not signed, encrypted assertions are refused"),
        "PEM file with Anteroom's own RSA key: it signs requests and decrypts assertions. Of a list the first signs, all decrypt.",
    ),
    text_or_texts(
        "saml.certificate",
        Absent::Means("as `saml.signing_key`"),
        "PEM file with the certificate of `saml.signing_key`; of lists each has its partner at the same place.",
    ),
    text(
        "saml.metadata_ca",
        Absent::Means("what this machine trusts"),
        "PEM file: the certificate authorities that servers of metadata are checked against.",
    ),
    switch(
        "saml.metadata_allow_private",
        Absent::Value("false"),
        "Whether metadata may be fetched from addresses that are not public, this machine included.",
    ),
    text(
        "saml.metadata_refresh",
        Absent::Value("\"1h\""),
        "How often metadata is fetched again, from `5m` to `1d`.",
    ),
    text(
        "listen.public",
        Absent::Value("\"127.0.0.1:8080\""),
        "IP address and port of the listener for people.",
    ),
    text(
        "listen.ops",
        Absent::Value("\"127.0.0.1:9464\""),
        "IP address and port of `/livez`, `/readyz`, `/startupz` and `/metrics`.",
    ),
    texts(
        "listen.trusted_proxies",
        Absent::Value("[]"),
        "Networks (CIDR) whose `X-Forwarded-*` headers are believed.",
    ),
    switch(
        "listen.proxy_protocol",
        Absent::Value("false"),
        "Whether trusted proxies begin every connection with the PROXY protocol (version 1 or 2).",
    ),
    switch(
        "listen.reuse_port",
        Absent::Value("false"),
        "Whether another Anteroom may listen on the same addresses, to take over without a gap.",
    ),
    switch(
        "listen.http2_websocket",
        Absent::Value("false"),
        "Whether WebSockets can also be opened on connections of HTTP/2 (RFC 8441), up to 100 on each.",
    ),
    number(
        "listen.connections",
        Absent::Value("20000"),
        "How many connections of people there may be at one time.",
    ),
    number(
        "listen.connections_per_address",
        Absent::Value("1000"),
        "How many of them from one address (IPv6: from one /64 network); trusted proxies may have more. `0`: any number.",
    ),
    text(
        "listen.when_full",
        Absent::Value("\"wait\""),
        "What becomes of connections beyond `listen.connections`: `wait` for their turn, or `refuse` with 503.",
    ),
    text(
        "listen.memory_max",
        Absent::Means("the limit of the control group (cgroup v2), if there is one"),
        "The memory that counts as all, e.g. `2GiB`: at 85 % no connections are accepted, at 95 % idle ones are closed.",
    ),
    text(
        "listen.pre_drain",
        Absent::Value("\"5s\""),
        "How long new connections are still accepted after `SIGTERM`, for balancers to notice: at most `10m`.",
    ),
    text(
        "listen.grace",
        Absent::Value("\"30s\""),
        "How long requests may go on after that, before they are cut: at most `1h`.",
    ),
    text(
        "listen.tls.certificate",
        Absent::Means("plain HTTP, for a load balancer that ends TLS"),
        "PEM file: the certificate, then its chain.",
    ),
    text(
        "listen.tls.key",
        Absent::Means("as `listen.tls.certificate`"),
        "PEM file: the private key of the certificate.",
    ),
    text("store.url", Absent::Value("\"sqlite:anteroom.db\""), "The database: `sqlite:` and a file."),
    text(
        "store.secret_file",
        Absent::Value("\"anteroom.secret\""),
        "32 random octets, made at the first start; everything sealed in the store depends on them.",
    ),
    text("session.idle", Absent::Value("\"2h\""), "The longest pause between two requests."),
    text("session.lifetime", Absent::Value("\"12h\""), "The longest time from sign-on to the next sign-on."),
    switch(
        "session.single_logout",
        Absent::Value("true"),
        "Whether signing out goes on to the identity provider, where that offers it; otherwise the page after it has a button for that.",
    ),
    texts(
        "session.polling_paths",
        Absent::Value("[]"),
        "Paths that pages ask for by themselves: they keep nobody signed on. Exact, or with everything below when they end in `/`.",
    ),
    texts(
        "session.repeat_posts",
        Absent::Value("[]"),
        "Paths whose forms are kept, sealed, when the session has timed out, for the same person to send again after signing on; written like `app.public_paths`.",
    ),
    text(
        "forward_auth.proxy",
        Absent::Means("forward-auth is off"),
        "The proxy that asks `/.anteroom/auth` about each request: `nginx`, `haproxy`, `caddy`, `traefik` or `envoy` (`docs/forward-auth.md`).",
    ),
    texts(
        "forward_auth.trusted_peers",
        Absent::Means("required with `forward_auth.proxy`"),
        "Networks (CIDR) of that proxy: nobody else may ask.",
    ),
    text("identity.issuer", Absent::Means("`app.url`"), "The claim `iss`."),
    text("identity.audience", Absent::Means("`app.url`"), "The claim `aud`."),
    text(
        "identity.algorithm",
        Absent::Value("\"ES256\""),
        "How tokens are signed: `ES256`, `RS256` or `EdDSA`.",
    ),
    text("identity.lifetime", Absent::Value("\"60s\""), "How long a token is good, at most `300s`."),
    texts(
        "identity.presets",
        Absent::Value("[]"),
        "Plain headers besides the token: `x-forwarded-user`, `remote-user`.",
    ),
    texts(
        "access.levels",
        Absent::Value("[\"viewer\", \"technician\", \"manager\", \"administrator\"]"),
        "The access levels, lowest first.",
    ),
    texts(
        "access.may_request",
        Absent::Means("`manager` and `administrator`, where `access.levels` has them"),
        "The levels that may file New User requests.",
    ),
    text(
        "access.support_self_level",
        Absent::Means("none: another agent has to do it"),
        "The highest level that support agents may give themselves, in whatever way.",
    ),
    switch(
        "access.second_approval",
        Absent::Value("false"),
        "Whether a second support agent must confirm access to all properties of an organization.",
    ),
    text("audit.keep", Absent::Means("for ever"), "How long the audit log is kept, e.g. `400d`."),
    text(
        "audit.traces_keep",
        Absent::Value("\"14d\""),
        "How long is kept what was wrong with a refused sign-on, check by check: at most `90d`.",
    ),
    text(
        "mail.smtp",
        Absent::Means("messages wait in the outbox"),
        "The mail server: `smtp://HOST:PORT` or `smtps://HOST:PORT`, with `USER:PASSWORD@` where it wants them.",
    ),
    text(
        "mail.from",
        Absent::Means("required with `mail.smtp`"),
        "The sender of all mail: an address, or `Name <address>`.",
    ),
    switch(
        "mail.digest",
        Absent::Value("true"),
        "Whether `app.support_email` is told once a day of requests that are open for more than a day.",
    ),
    text(
        "sign_on.other_url",
        Absent::Means("no link is shown"),
        "The application's own login, for people without single sign-on: a path that is public, or a URL.",
    ),
    text(
        "limits.sign_in_per_address",
        Absent::Value("\"300/m\""),
        "How often the sign-on form may be sent from one address (IPv6: one /64 network); `off`: any number.",
    ),
    text(
        "limits.sign_in_per_email",
        Absent::Value("\"30/m\""),
        "How often for one e-mail address, from wherever; `off`: any number.",
    ),
    text(
        "limits.sign_in_per_organization",
        Absent::Value("\"1200/m\""),
        "How often on to one organization's identity provider; `off`: any number.",
    ),
    text(
        "limits.answers_per_address",
        Absent::Value("\"300/m\""),
        "How often answers of identity providers may be posted from one address; `off`: any number.",
    ),
    text(
        "limits.posts_per_address",
        Absent::Value("\"300/m\""),
        "How often the forms of the Manage page, the console and the Waiting Room from one address; `off`: any number.",
    ),
    text(
        "brand.logo",
        Absent::Means("the name is shown"),
        "SVG, PNG, JPEG or WebP file for Anteroom's pages.",
    ),
    text("brand.accent", Absent::Means("Anteroom's own"), "Colour of buttons and links, e.g. `#0b6e4f`."),
    text(
        "route.path",
        Absent::Missing,
        "The path that the other keys of the route are for: exact, with everything below when it ends in `/`, or `/` for all. The narrowest route of a path holds.",
    ),
    text(
        "route.body_max",
        Absent::Means("any size"),
        "The largest body of a request, e.g. `10MiB`; a larger one is refused with 413 before it is read, one of unknown length when it gets there.",
    ),
    text(
        "route.body_timeout",
        Absent::Means("as long as it keeps coming"),
        "How long the body of a request may take in all: at most `1d`.",
    ),
    text(
        "route.response_timeout",
        Absent::Means("`app.upstream_response_timeout`"),
        "How long the application may take to begin its response: at most `1h`.",
    ),
    text(
        "organization.id",
        Absent::Missing,
        "The customer's short name, for commands and the claim `org`; never change it.",
    ),
    text("organization.name", Absent::Missing, "The customer's name for people."),
    texts("organization.domains", Absent::Missing, "The e-mail domains of the customer's staff."),
    text(
        "organization.metadata",
        Absent::Missing,
        "The Federation Metadata of the customer's identity provider: a file, or an `https://` address.",
    ),
    text(
        "organization.entity_id",
        Absent::Means("the only one"),
        "Which identity provider is meant, where the metadata has several.",
    ),
    switch(
        "organization.force_authn",
        Absent::Value("false"),
        "Whether people must sign on there afresh each time (`ForceAuthn`); an older sign-on is refused.",
    ),
    texts(
        "organization.authn_context",
        Absent::Value("[]"),
        "How people must sign on there (`RequestedAuthnContext`, exact): URIs, any of which will do.",
    ),
    text(
        "organization.name_id_format",
        Absent::Means("as the identity provider is set"),
        "The Name ID to ask for (`NameIDPolicy`): `persistent`, `emailAddress`, `unspecified` or `transient`.",
    ),
    texts(
        "organization.email_attributes",
        Absent::Means("the usual claims, then a Name ID that is an address"),
        "Names of the attributes that hold the e-mail address; the first that is present counts, and no other.",
    ),
    texts(
        "organization.name_attributes",
        Absent::Means("the usual claims"),
        "Names of the attributes that hold the person's name; the first that is present counts, and no other.",
    ),
    switch(
        "organization.accept_expired_certificate",
        Absent::Value("false"),
        "Whether signatures count whose certificate has expired or is not valid yet.",
    ),
];

const fn text(name: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind: Kind::Text, absent, support: Support::Ready, meaning }
}

const fn texts(name: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind: Kind::Texts, absent, support: Support::Ready, meaning }
}

const fn text_or_texts(name: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind: Kind::TextOrTexts, absent, support: Support::Ready, meaning }
}

const fn switch(name: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind: Kind::Switch, absent, support: Support::Ready, meaning }
}

const fn number(name: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind: Kind::Number, absent, support: Support::Ready, meaning }
}
