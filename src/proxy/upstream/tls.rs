//! TLS towards the application: whom we believe, who we are, what we offer.
//!
//! Separate because it is the one place that decides whether the application at the other end is the application.
//! There is no way to turn that off: who has a certificate of an own authority names the authority.

use std::fmt;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::Inside;
use crate::proxy::Failure;

/// Whose certificates are believed.
#[derive(Debug, Clone)]
pub enum Roots {
    /// Those that this machine trusts.
    System,
    /// These authorities, and no other.
    Given(Vec<CertificateDer<'static>>),
}

/// Who we are, for applications that ask (mutual TLS).
pub struct Identity {
    /// Our certificate, then its chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// Which protocols are offered inside (ALPN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 before HTTP/1.1.
    Http2,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An authority, our certificate or its key cannot be used, or the system's authorities cannot be read.
    #[error("TLS to the application cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// How TLS is spoken to the application.
#[derive(Clone)]
pub struct Tls {
    http1: Arc<ClientConfig>,
    http2: Option<Arc<ClientConfig>>,
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// Prepares it. The certificate must be for `server_name`, or else for the host of the upstream's URL.
    pub fn new(
        roots: &Roots,
        identity: Option<Identity>,
        server_name: Option<ServerName<'static>>,
        offer: Offer,
    ) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = match roots {
            Roots::System => builder.with_platform_verifier()?,
            Roots::Given(authorities) => {
                let mut store = RootCertStore::empty();
                for authority in authorities {
                    store.add(authority.clone())?;
                }
                builder.with_root_certificates(store)
            }
        };
        let mut config = match identity {
            Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http2 = (offer == Offer::Http2).then(|| {
            let mut config = config.clone();
            config.alpn_protocols.insert(0, b"h2".to_vec());
            Arc::new(config)
        });
        Ok(Self { http1: Arc::new(config), http2, server_name })
    }

    pub(super) const fn offers_streams(&self) -> bool {
        self.http2.is_some()
    }

    /// Performs the handshake with the application at the other end.
    pub(super) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
        inside: Inside,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|error| Failure::TlsFailed(std::io::Error::other(error)))?,
        };
        let config = self.http2.as_ref().filter(|_| inside == Inside::Any).unwrap_or(&self.http1);
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(Failure::TlsFailed)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .field("offers_streams", &self.offers_streams())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}
