//! `[saml]`: what identity providers know Anteroom by.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use crate::federation::{Access, Fetcher, Limits, Reach, Roots};
use crate::saml::{KeyPair, KeyPairError, PrivateKeyOctets};

use super::reading::{Fault, Read, Reading, Told};
use super::{address, file, time};

/// Us as a service provider.
#[derive(Debug, Clone)]
pub struct Saml {
    /// Our entity ID, letter by letter as the identity providers have it.
    pub entity_id: String,
    /// Our assertion consumer service.
    pub acs_url: Url,
    /// Our keys, the current one first; without any, nothing is signed and nothing can be decrypted.
    pub keys: Vec<Arc<KeyPair>>,
    /// Those of their files that others than owner and group may read, with their permissions.
    pub open_key_files: Vec<(PathBuf, u32)>,
    /// Who fetches metadata.
    pub fetcher: Arc<Fetcher>,
    /// How often.
    pub metadata_refresh: Duration,
}

pub(super) fn read(typed: &file::Saml, reading: &mut Reading<'_>) -> Read<Saml> {
    let entity_id = reading.required(
        "saml.entity_id",
        typed.entity_id.as_deref(),
        "write the Identifier that the identity providers have, e.g. entity_id = \"https://app.example.com/saml\"",
        entity_id,
    );
    let acs_url = reading.required(
        "saml.acs_url",
        typed.acs_url.as_deref(),
        "write the Reply URL that the identity providers have, e.g. \
         acs_url = \"https://login.example.com/saml2/idpresponse\"",
        address::acs_url,
    );
    let keys = keys(typed, reading);
    let roots = roots(typed.metadata_ca.as_deref(), reading);
    let metadata_refresh =
        reading.defaulted("saml.metadata_refresh", typed.metadata_refresh.as_deref(), |text| {
            time::parse(text, REFRESH_MIN, REFRESH_MAX)
        });
    let (keys, open_key_files) = keys?;
    let access = Access { roots: roots?, reach: reach(typed), limits: Limits::default() };
    Ok(Saml {
        entity_id: entity_id?,
        acs_url: acs_url?,
        keys,
        open_key_files,
        fetcher: Arc::new(Fetcher::new(access)),
        metadata_refresh: metadata_refresh?,
    })
}

/// Where metadata may be fetched from.
pub(super) fn reach(typed: &file::Saml) -> Reach {
    if typed.metadata_allow_private == Some(true) { Reach::Anywhere } else { Reach::Public }
}

/// The authorities that servers of metadata are checked against.
fn roots(typed: Option<&str>, reading: &mut Reading<'_>) -> Read<Roots> {
    let Some(name) = typed else {
        return if reading.findings.is_spoiled(CA) { Err(Told) } else { Ok(Roots::System) };
    };
    let (path, octets) = reading.file(CA, name, CA_OCTETS_MAX)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let mut store = rustls::RootCertStore::empty();
    let good = certificates.ok().filter(|certificates| {
        !certificates.is_empty() && certificates.iter().all(|one| store.add(one.clone()).is_ok())
    });
    let fault = || {
        let message = format!("{} is no list of certificates", path.display());
        Fault::new(message, "name a PEM file with the certificates of the authorities")
    };
    reading.told(CA, good.map(Roots::Given).ok_or_else(fault))
}

/// A file with its octets, and the key that names it.
struct Named {
    at: String,
    path: PathBuf,
    octets: Vec<u8>,
}

type Keys = (Vec<Arc<KeyPair>>, Vec<(PathBuf, u32)>);

/// Keys and certificates that belong together: both or neither, and as many of one as of the other.
fn keys(typed: &file::Saml, reading: &mut Reading<'_>) -> Read<Keys> {
    let keys = files(KEY, typed.signing_key.as_ref(), reading);
    let certificates = files(CERTIFICATE, typed.certificate.as_ref(), reading);
    let (keys, certificates) = (keys?, certificates?);
    let (missing, there) = if keys.is_empty() { (KEY, CERTIFICATE) } else { (CERTIFICATE, KEY) };
    if keys.is_empty() != certificates.is_empty() {
        reading.findings.missing(missing, &format!("{there} needs it: name the file, or remove {there}"));
        return Err(Told);
    }
    if keys.len() != certificates.len() {
        let message = format!("has {} entries, and {KEY} has {}", certificates.len(), keys.len());
        let remedy = "write one certificate for each key, in the same order";
        reading.findings.refuse(CERTIFICATE, message, remedy);
        return Err(Told);
    }
    let open = keys.iter().filter_map(|key| Some((key.path.clone(), open_to_others(&key.path)?))).collect();
    let pairs: Vec<_> =
        keys.iter().zip(&certificates).map(|(key, certificate)| pair(key, certificate, reading)).collect();
    let pairs = pairs.into_iter().collect::<Read<Vec<_>>>()?;
    for (index, pair) in pairs.iter().enumerate() {
        let der = pair.certificate().der();
        if pairs.iter().take(index).any(|earlier| earlier.certificate().der() == der) {
            let at = format!("{CERTIFICATE}[{index}]");
            reading.findings.refuse(&at, "is the same certificate as another in the list", "keep it once");
            return Err(Told);
        }
    }
    Ok((pairs, open))
}

fn files(key: &str, names: Option<&file::Names>, reading: &mut Reading<'_>) -> Read<Vec<Named>> {
    let Some(names) = names else {
        return if reading.findings.is_spoiled(key) { Err(Told) } else { Ok(Vec::new()) };
    };
    let names = names.placed(key);
    if names.len() > KEYS_MAX {
        let message = format!("has {} entries, and {KEYS_MAX} are the most", names.len());
        reading.findings.refuse(key, message, "keep the current one and the one before or after it");
        return Err(Told);
    }
    let read: Vec<_> = names
        .into_iter()
        .map(|(at, name)| {
            let (path, octets) = reading.file(&at, name, PEM_OCTETS_MAX)?;
            Ok(Named { at, path, octets })
        })
        .collect();
    read.into_iter().collect()
}

fn pair(key: &Named, certificate: &Named, reading: &mut Reading<'_>) -> Read<Arc<KeyPair>> {
    let private = reading.told(&key.at, private_key(&key.octets));
    let der = reading.told(&certificate.at, first_certificate(&certificate.octets));
    let (private, der) = (private?, der?);
    let octets = reading.told(&key.at, octets_of(&private))?;
    let made = KeyPair::new(octets, der.as_ref()).map(Arc::new);
    made.map_err(|error| {
        let certificate_path = certificate.path.display();
        let (at, remedy) = match &error {
            KeyPairError::Key => {
                (&key.at, "make one: openssl req -x509 -newkey rsa:3072 -nodes …".to_owned())
            }
            KeyPairError::Mismatch => (&key.at, format!("name the key that {certificate_path} was made for")),
            KeyPairError::Certificate(_) | KeyPairError::CertificateType { .. } => (
                &certificate.at,
                "make one with its key: openssl req -x509 -newkey rsa:3072 -nodes …".to_owned(),
            ),
        };
        reading.findings.refuse(at, error.to_string(), remedy);
        Told
    })
}

fn private_key(octets: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(octets).map_err(|error| {
        Fault::new(
            format!("the file has no private key in it ({error})"),
            "name a PEM file with an unencrypted private key",
        )
    })
}

fn octets_of<'k>(key: &'k PrivateKeyDer<'static>) -> Result<PrivateKeyOctets<'k>, Fault> {
    match key {
        PrivateKeyDer::Pkcs8(octets) => Ok(PrivateKeyOctets::Pkcs8(octets.secret_pkcs8_der())),
        PrivateKeyDer::Pkcs1(octets) => Ok(PrivateKeyOctets::Pkcs1(octets.secret_pkcs1_der())),
        _ => Err(Fault::new("the key is not an RSA key", "use an RSA key of 2048 bits or more")),
    }
}

fn first_certificate(octets: &[u8]) -> Result<CertificateDer<'static>, Fault> {
    CertificateDer::from_pem_slice(octets).map_err(|error| {
        Fault::new(
            format!("the file has no certificate in it ({error})"),
            "name a PEM file with a certificate",
        )
    })
}

/// The permissions of a file that others than its owner and group may read or change.
fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o007 != 0).then_some(mode)
}

const CA: &str = "saml.metadata_ca";
/// As many as a system has.
const CA_OCTETS_MAX: u64 = 1024 * 1024;
/// What is asked more often is a burden on the server.
const REFRESH_MIN: Duration = Duration::from_mins(5);
/// What is asked less often finds a new certificate too late.
const REFRESH_MAX: Duration = Duration::from_hours(24);
const KEY: &str = "saml.signing_key";
const CERTIFICATE: &str = "saml.certificate";
/// One in use, one before, one after, and one more; each costs a try when a message cannot be decrypted.
const KEYS_MAX: usize = 4;
const PEM_OCTETS_MAX: u64 = 64 * 1024;

/// A URI of at most 1024 characters (SAML Core 8.3.6).
fn entity_id(text: &str) -> Result<String, Fault> {
    let fits = (1..=1024).contains(&text.len())
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
        && text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    if fits {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} is not a URI of 1 to 1024 characters without spaces"),
        "write it as the identity providers have it, e.g. \"urn:example:app\"",
    ))
}
