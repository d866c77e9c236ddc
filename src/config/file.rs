//! The configuration file as it was typed: the TOML of `config/anteroom.example.toml`, one struct a table.
//!
//! Separate from what is valid: here everything may be absent and every value is still text. Keys whose
//! feature comes later (`schema::Support::Later`) never get this far and have no field.

use std::fmt;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) app: App,
    pub(super) saml: Saml,
    pub(super) listen: Listen,
    pub(super) store: Store,
    pub(super) session: Session,
    pub(super) forward_auth: ForwardAuth,
    pub(super) identity: Identity,
    pub(super) access: Access,
    pub(super) audit: Audit,
    pub(super) mail: Mail,
    pub(super) sign_on: SignOn,
    pub(super) limits: Limits,
    pub(super) brand: Brand,
    pub(super) route: Vec<Route>,
    pub(super) organization: Vec<Organization>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct App {
    pub(super) url: Option<String>,
    pub(super) upstreams: Option<Vec<String>>,
    pub(super) public_paths: Option<Vec<String>>,
    pub(super) name: Option<String>,
    pub(super) support_email: Option<String>,
    pub(super) upstream_ca: Option<String>,
    pub(super) upstream_certificate: Option<String>,
    pub(super) upstream_key: Option<String>,
    pub(super) upstream_server_name: Option<String>,
    pub(super) upstream_http2: Option<bool>,
    pub(super) upstream_requests_max: Option<u64>,
    pub(super) sticky: Option<bool>,
    pub(super) dns_refresh: Option<String>,
    pub(super) health_path: Option<String>,
    pub(super) health_interval: Option<String>,
    pub(super) eject_on_5xx: Option<u64>,
    pub(super) upstream_connect_timeout: Option<String>,
    pub(super) upstream_response_timeout: Option<String>,
    pub(super) upstream_idle_timeout: Option<String>,
    pub(super) stream_idle_timeout: Option<String>,
    pub(super) upstream_keep_alive: Option<String>,
    pub(super) upstream_ping: Option<String>,
    pub(super) reuse: Option<String>,
    pub(super) upload_rate_min: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Route {
    pub(super) path: Option<String>,
    pub(super) body_max: Option<String>,
    pub(super) body_timeout: Option<String>,
    pub(super) response_timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Saml {
    pub(super) entity_id: Option<String>,
    pub(super) acs_url: Option<String>,
    pub(super) signing_key: Option<Names>,
    pub(super) certificate: Option<Names>,
    pub(super) metadata_ca: Option<String>,
    pub(super) metadata_allow_private: Option<bool>,
    pub(super) metadata_refresh: Option<String>,
}

/// One name of a file, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    /// Each with where it stands: the key itself, or its place in the list.
    pub(super) fn placed(&self, key: &str) -> Vec<(String, &str)> {
        match self {
            Self::One(name) => vec![(key.to_owned(), name.as_str())],
            Self::Several(names) => {
                (0..).zip(names).map(|(index, name)| (format!("{key}[{index}]"), name.as_str())).collect()
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Listen {
    pub(super) public: Option<String>,
    pub(super) ops: Option<String>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) proxy_protocol: Option<bool>,
    pub(super) reuse_port: Option<bool>,
    pub(super) http2_websocket: Option<bool>,
    pub(super) connections: Option<u64>,
    pub(super) connections_per_address: Option<u64>,
    pub(super) when_full: Option<String>,
    pub(super) memory_max: Option<String>,
    pub(super) pre_drain: Option<String>,
    pub(super) grace: Option<String>,
    pub(super) tls: Option<Tls>,
}

/// `[listen.tls]` or several `[[listen.tls]]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Tls {
    One(TlsPair),
    Several(Vec<TlsPair>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsPair {
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) url: Option<String>,
    pub(super) secret_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Session {
    pub(super) idle: Option<String>,
    pub(super) lifetime: Option<String>,
    pub(super) single_logout: Option<bool>,
    pub(super) polling_paths: Option<Vec<String>>,
    pub(super) repeat_posts: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ForwardAuth {
    pub(super) proxy: Option<String>,
    pub(super) trusted_peers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Identity {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) lifetime: Option<String>,
    pub(super) presets: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub(super) levels: Option<Vec<String>>,
    pub(super) may_request: Option<Vec<String>>,
    pub(super) support_self_level: Option<String>,
    pub(super) second_approval: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub(super) keep: Option<String>,
    pub(super) traces_keep: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Mail {
    pub(super) smtp: Option<String>,
    pub(super) from: Option<String>,
    pub(super) digest: Option<bool>,
}

/// The URL of the mail server may hold a password.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(…)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SignOn {
    pub(super) other_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) sign_in_per_address: Option<String>,
    pub(super) sign_in_per_email: Option<String>,
    pub(super) sign_in_per_organization: Option<String>,
    pub(super) answers_per_address: Option<String>,
    pub(super) posts_per_address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Brand {
    pub(super) logo: Option<String>,
    pub(super) accent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Organization {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) domains: Option<Vec<String>>,
    pub(super) metadata: Option<String>,
    pub(super) entity_id: Option<String>,
    pub(super) force_authn: Option<bool>,
    pub(super) authn_context: Option<Vec<String>>,
    pub(super) name_id_format: Option<String>,
    pub(super) email_attributes: Option<Vec<String>>,
    pub(super) name_attributes: Option<Vec<String>>,
    pub(super) accept_expired_certificate: Option<bool>,
}
