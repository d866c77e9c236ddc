//! Certificates, the choice among them by server name, and the TLS side of the listeners.
//!
//! Separate because certificates change while connections are open: they stand behind one pointer that is
//! swapped whole, and a set that would not work is refused before it takes the place of one that does.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::socket::{self, Socket};
use super::watch::Watch;
use crate::proxy::Handshake;
use crate::secret::Secret;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No pair at all.
    #[error("no certificate is given")]
    Empty,
    /// The certificate file holds no PEM certificate, or a broken one.
    #[error("the file holds no valid PEM certificate")]
    Certificate,
    /// The key file holds no PEM private key, or one of an unknown kind.
    #[error("the file holds no usable PEM private key")]
    Key,
    /// The key is another certificate's.
    #[error("the private key does not belong to the certificate")]
    Mismatch(#[source] rustls::Error),
    /// The TLS library refuses our parameters.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A certificate with its chain, and its private key, both in PEM. One that names no host can still be the first.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The certificate first, then intermediates.
    pub certificate_pem: Vec<u8>,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key_pem: Secret<Vec<u8>>,
}

/// The certificates in use; may be replaced at any time.
pub struct Certificates {
    resolver: Arc<Resolver>,
    config: Arc<ServerConfig>,
}

impl Certificates {
    /// Checks the pairs and prepares TLS; the first pair serves clients that name no host of ours.
    pub fn new(pairs: &[KeyPair]) -> Result<Arc<Self>, Error> {
        let set = Set::parse(pairs)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(set)));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Setup)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&resolver) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(Error::Setup)?;
        Ok(Arc::new(Self { resolver, config: Arc::new(config) }))
    }

    /// Takes new pairs for all connections from now on; on an error the old ones stay.
    pub fn replace(&self, pairs: &[KeyPair]) -> Result<(), Error> {
        self.resolver.0.store(Arc::new(Set::parse(pairs)?));
        Ok(())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("current", &self.resolver).finish_non_exhaustive()
    }
}

/// The TLS side of one core's listeners.
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    /// Whose handshake may be begun.
    turns: Semaphore,
}

impl Acceptor {
    pub(super) fn new(certificates: &Certificates) -> Self {
        Self { acceptor: TlsAcceptor::from(Arc::clone(&certificates.config)), turns: Semaphore::new(1) }
    }

    /// Performs the handshake. To answer its first message takes as long as ten requests do; when hundreds of clients
    /// come at once, as after a restart, those who are connected are served between one of them and the next.
    pub(super) async fn accept(&self, stream: TcpStream, watch: Arc<Watch>) -> io::Result<TlsStream<Socket>> {
        // Who says nothing takes nobody's turn.
        stream.readable().await?;
        let turn = self.turns.acquire().await;
        let mut accepting = self.acceptor.accept(socket::told(stream, watch));
        let begun = poll_fn(|context| Poll::Ready(Pin::new(&mut accepting).poll(context))).await;
        // Until the sockets have been looked at again.
        yield_now().await;
        drop(turn);
        match begun {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => accepting.await,
        }
    }
}

/// What was agreed on in a handshake, and how long that took.
pub(super) fn describe(connection: &ServerConnection, took: Duration) -> Option<Handshake> {
    let cipher = connection.negotiated_cipher_suite()?.suite();
    Some(Handshake { version: connection.protocol_version()?, cipher, took })
}

/// Chooses a certificate by the name that the client asks for.
struct Resolver(ArcSwap<Set>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = self.0.load();
        let named = hello.server_name().and_then(|name| set.find(name));
        Some(Arc::clone(named.unwrap_or(&set.first)))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.load().by_name.keys()).finish()
    }
}

/// Keys by the DNS names of their certificates, in lower case, wildcards as `*.example.com`.
struct Set {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl Set {
    fn parse(pairs: &[KeyPair]) -> Result<Self, Error> {
        let provider = aws_lc_rs::default_provider();
        let mut by_name = HashMap::new();
        let mut first = None;
        for pair in pairs {
            let (key, names) = certify(pair, &provider)?;
            first.get_or_insert_with(|| Arc::clone(&key));
            for name in names {
                by_name.entry(name).or_insert_with(|| Arc::clone(&key));
            }
        }
        Ok(Self { by_name, first: first.ok_or(Error::Empty)? })
    }

    /// The exact name, or the wildcard of its parent (RFC 9525 6.3).
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let parent = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        self.by_name.get(&name).or_else(|| parent().and_then(|wildcard| self.by_name.get(&wildcard)))
    }
}

fn certify(pair: &KeyPair, provider: &CryptoProvider) -> Result<(Arc<CertifiedKey>, Vec<String>), Error> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pair.certificate_pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Certificate)?;
    let names = dns_names(chain.first().ok_or(Error::Certificate)?)?;
    let key = PrivateKeyDer::from_pem_slice(pair.key_pem.expose()).map_err(|_| Error::Key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| Error::Key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(Error::Mismatch)?;
    Ok((Arc::new(certified), names))
}

fn dns_names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::Certificate)?;
    let alternatives = parsed.subject_alternative_name().map_err(|_| Error::Certificate)?;
    let names =
        alternatives.iter().flat_map(|extension| &extension.value.general_names).filter_map(
            |name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            },
        );
    Ok(names.collect())
}
