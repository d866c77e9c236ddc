//! Delivery to a mail server by SMTP (RFC 5321), with STARTTLS or TLS from the first octet.
//!
//! Separate because it is the only part of mail that touches the network.
//!
//! | URL | connection |
//! |---|---|
//! | `smtp://HOST[:25]` | loopback: plain. Elsewhere: STARTTLS, or no mail |
//! | `smtp://USER:PASSWORD@HOST[:587]` | the same, with a password |
//! | `…?tls=required`, `…?tls=opportunistic`, `…?tls=none` | STARTTLS always, where offered, never |
//! | `smtps://[USER:PASSWORD@]HOST[:465]` | TLS from the first octet |
//!
//! Rules: certificates are checked against those that the machine trusts (`SSL_CERT_FILE` for others); a password
//! leaves this machine encrypted or not at all; what the server says after it has taken a mail changes nothing.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;
use url::{Host, Url};

use crate::secret::Secret;

use super::{Failure, FailureKind, Mail, Transport};

/// Why a text is not the URL of a mail server. Never repeats it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No URL, or of something else.
    #[error("is not the URL of a mail server")]
    Form,
    /// A path, a fragment or a parameter that is not ours.
    #[error("has more than user, password, host, port and tls")]
    More,
    /// No value of `tls` that we know.
    #[error("has a tls that is none of required, opportunistic and none")]
    Tls,
    /// `smtps://` with anything else.
    #[error("has a tls, but smtps:// is always encrypted")]
    TlsTwice,
    /// A user without password, or the other way round.
    #[error("has a user without a password, or a password without a user")]
    HalfCredentials,
    /// A password for everybody on the way.
    #[error("would send the password over the network in the clear")]
    ClearPassword,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    None,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// By STARTTLS, or there is no mail.
    Required,
    /// From the first octet.
    Implicit,
}

/// A mail server, as `mail.smtp` names it.
#[derive(Debug, Clone)]
pub struct Server {
    host: Host<String>,
    port: u16,
    encryption: Encryption,
    credentials: Option<(String, Secret<String>)>,
}

impl Server {
    /// Reads the URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|_| Error::Form)?;
        let is_implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(Error::Form),
        };
        // Of a scheme that `url` does not know, the host is read here.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Error::Form)?;
        let host = Host::parse(host).map_err(|_| Error::Form)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() || url.port() == Some(0) {
            return Err(Error::More);
        }
        let typed = typed_encryption(&url)?;
        let encryption = match (is_implicit, typed) {
            (true, Some(_)) => return Err(Error::TlsTwice),
            (true, None) => Encryption::Implicit,
            (false, Some(typed)) => typed,
            // Nobody listens in on loopback, and no certificate is for it.
            (false, None) if is_loopback(&host) => Encryption::None,
            (false, None) => Encryption::Required,
        };
        let credentials = credentials(&url)?;
        if credentials.is_some() && encryption == Encryption::None && !is_loopback(&host) {
            return Err(Error::ClearPassword);
        }
        let port_default = match (is_implicit, &credentials) {
            (true, _) => 465,
            (false, Some(_)) => 587,
            (false, None) => 25,
        };
        Ok(Self { port: url.port().unwrap_or(port_default), host, encryption, credentials })
    }

    /// When connections to it are encrypted.
    #[must_use]
    pub const fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Whether mail may cross a network in the clear.
    #[must_use]
    pub fn may_be_clear(&self) -> bool {
        matches!(self.encryption, Encryption::None | Encryption::Opportunistic) && !is_loopback(&self.host)
    }

    /// The host for a connection or a certificate: an IPv6 address without brackets.
    fn host_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }
}

impl fmt::Display for Server {
    /// Host, port and encryption; neither user nor password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encryption = match self.encryption {
            Encryption::None => "in the clear",
            Encryption::Opportunistic => "STARTTLS where offered",
            Encryption::Required => "STARTTLS",
            Encryption::Implicit => "TLS",
        };
        write!(f, "{}:{} ({encryption})", self.host, self.port)
    }
}

/// What `?tls=` says.
fn typed_encryption(url: &Url) -> Result<Option<Encryption>, Error> {
    let mut typed = None;
    for (key, value) in url.query_pairs() {
        if key != "tls" || typed.is_some() {
            return Err(Error::More);
        }
        typed = Some(match &*value {
            "required" => Encryption::Required,
            "opportunistic" => Encryption::Opportunistic,
            "none" => Encryption::None,
            _ => return Err(Error::Tls),
        });
    }
    Ok(typed)
}

fn credentials(url: &Url) -> Result<Option<(String, Secret<String>)>, Error> {
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| Error::Form)?;
        Ok(text.into_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None | Some("")) => Err(Error::HalfCredentials),
        (user, Some(password)) => Ok(Some((decoded(user)?, Secret::new(decoded(password)?)))),
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Delivers to a mail server, one connection a mail.
pub struct Smtp {
    server: Server,
    hello: ClientId,
    tls: Option<TlsParameters>,
}

/// The machine's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("no certificate of a mail server could be checked on this machine")]
pub struct NoTrust(#[source] lettre::transport::smtp::Error);

impl Smtp {
    /// Makes ready to deliver; `application_url` gives the name to introduce ourselves by.
    pub fn new(server: Server, application_url: &Url) -> Result<Self, NoTrust> {
        let tls = match server.encryption {
            Encryption::None => None,
            _ => Some(TlsParameters::new(server.host_name()).map_err(NoTrust)?),
        };
        let hello = match application_url.host() {
            Some(Host::Domain(name)) => ClientId::Domain(name.to_owned()),
            Some(Host::Ipv4(address)) => ClientId::Ipv4(address),
            Some(Host::Ipv6(address)) => ClientId::Ipv6(address),
            None => ClientId::default(),
        };
        Ok(Self { server, hello, tls })
    }

    /// A connection that is as encrypted and as authenticated as it has to be.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let implicit = self.tls.clone().filter(|_| self.server.encryption == Encryption::Implicit);
        let address = (self.server.host_name(), self.server.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, implicit, None);
        let mut connection = connecting.await.map_err(|error| unavailable(&error))?;
        if let (Encryption::Required | Encryption::Opportunistic, Some(tls)) =
            (self.server.encryption, &self.tls)
        {
            if connection.can_starttls() {
                connection.starttls(tls.clone(), &self.hello).await.map_err(|error| unavailable(&error))?;
            } else if self.server.encryption == Encryption::Required {
                let text = "the server offers no STARTTLS; allow mail in the clear with ?tls=none";
                return Err(Failure::new(FailureKind::Unavailable, text));
            }
        }
        let Some((user, password)) = &self.server.credentials else { return Ok(connection) };
        if !connection.is_encrypted() && !is_loopback(&self.server.host) {
            let text = "the server offers no STARTTLS, and the password is not sent in the clear";
            return Err(Failure::new(FailureKind::Unavailable, text));
        }
        let credentials = Credentials::new(user.clone(), password.expose().clone());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| unavailable(&error))?;
        Ok(connection)
    }
}

#[async_trait]
impl Transport for Smtp {
    async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let message =
            mail.to_message().map_err(|error| Failure::new(FailureKind::Rejected, error.to_string()))?;
        let connecting = timeout(CONNECT_TIMEOUT, self.connect()).await;
        let mut connection = connecting.unwrap_or_else(|_| {
            Err(Failure::new(FailureKind::Unavailable, "the server did not answer within 30 s"))
        })?;
        let octets = message.formatted();
        let sending = timeout(SEND_TIMEOUT, connection.send(message.envelope(), &octets)).await;
        match sending {
            Ok(Ok(_)) => {
                // The mail is theirs now. Saying good-bye must not keep anybody from writing that down.
                tokio::spawn(timeout(QUIT_TIMEOUT, async move { connection.quit().await.is_ok() }));
                Ok(())
            }
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => {
                Err(Failure::new(FailureKind::Deferred, "the server did not take the mail within 60 s"))
            }
        }
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({})", self.server)
    }
}

/// Before any mail is named, a refusal concerns the server and all mail alike: a wrong password is not one mail's
/// fault.
fn unavailable(error: &lettre::transport::smtp::Error) -> Failure {
    Failure { kind: FailureKind::Unavailable, code: code(error), text: text(error) }
}

fn refusal(error: &lettre::transport::smtp::Error) -> Failure {
    let kind = if error.is_permanent() { FailureKind::Rejected } else { FailureKind::Deferred };
    Failure { kind, code: code(error), text: text(error) }
}

fn code(error: &lettre::transport::smtp::Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// What went wrong, on one line; servers are talkative.
fn text(error: &lettre::transport::smtp::Error) -> String {
    super::plain::short(&super::plain::line(&error.to_string()), ERROR_CHARS_MAX)
}

/// Connecting, encryption and password.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// From the sender's address to the server's word that it has the mail. Together with the time to connect it is
/// shorter than the courier's lease.
const SEND_TIMEOUT: Duration = Duration::from_mins(1);
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
const ERROR_CHARS_MAX: usize = 500;

#[cfg(test)]
mod tests;
