//! How an identity provider encrypts an assertion.
//!
//! Separate because it is its own layer around a message; it shares no code with `anteroom::saml` either.
//!
//! Rules: what is written is in exclusive canonical form, so that a signature of the response can cover it; every
//! part can be replaced, before encryption as well as after.

use aws_lc_rs::aead::{self, AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ASSERTION_NS, DSIG_NS, Pair, Prefixes, SigningKey, fill_random};

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

/// How the content is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Aes128Cbc,
    Aes256Cbc,
}

impl Cipher {
    pub(crate) const ALL: [Self; 4] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::Aes128Cbc, Self::Aes256Cbc];

    fn uri(self) -> String {
        match self {
            Self::Aes128Gcm => format!("{XENC11}aes128-gcm"),
            Self::Aes256Gcm => format!("{XENC11}aes256-gcm"),
            Self::Aes128Cbc => format!("{XENC}aes128-cbc"),
            Self::Aes256Cbc => format!("{XENC}aes256-cbc"),
        }
    }

    pub(crate) fn key_octets(self) -> usize {
        if matches!(self, Self::Aes128Gcm | Self::Aes128Cbc) { 16 } else { 32 }
    }

    fn encrypt(self, key: &[u8], plaintext: &[u8]) -> Vec<u8> {
        match self {
            Self::Aes128Gcm => gcm(&AES_128_GCM, key, plaintext),
            Self::Aes256Gcm => gcm(&AES_256_GCM, key, plaintext),
            Self::Aes128Cbc | Self::Aes256Cbc => {
                let mut padded = plaintext.to_vec();
                // The last octet counts, those before it may be anything.
                let padding = 16 - padded.len() % 16;
                padded.resize(padded.len() + padding - 1, 0xa5);
                padded.push(u8::try_from(padding).expect("at most 16"));
                self.encrypt_blocks(key, &padded)
            }
        }
    }

    /// CBC without a padding of its own.
    pub(crate) fn encrypt_blocks(self, key: &[u8], blocks: &[u8]) -> Vec<u8> {
        let algorithm = if self == Self::Aes128Cbc { &AES_128 } else { &AES_256 };
        let key = UnboundCipherKey::new(algorithm, key).expect("a key of that length");
        let key = EncryptingKey::cbc(key).expect("a key for CBC");
        let mut vector = [0_u8; 16];
        fill_random(&mut vector);
        let mut octets = blocks.to_vec();
        key.less_safe_encrypt(&mut octets, EncryptionContext::Iv128(FixedLength::from(vector)))
            .expect("whole blocks can be encrypted");
        [&vector[..], &octets].concat()
    }
}

fn gcm(algorithm: &'static aead::Algorithm, key: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key of that length"));
    let mut nonce = [0_u8; 12];
    fill_random(&mut nonce);
    let mut octets = plaintext.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut octets)
        .expect("it can be sealed");
    [&nonce[..], &octets].concat()
}

/// How the content's key is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// `rsa-oaep-mgf1p` with SHA-1, as Entra and AD FS do.
    Mgf1p,
    /// `rsa-oaep` of XML Encryption 1.1 with SHA-1 for both.
    Oaep,
    /// `rsa-oaep` of XML Encryption 1.1 with SHA-256 for both.
    OaepSha256,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Mgf1p, Self::Oaep, Self::OaepSha256];

    /// The method; canonical form declares a prefix only where nobody around has.
    fn method(self, declares_ds: bool) -> String {
        let declared = if declares_ds { format!(" xmlns:ds=\"{DSIG_NS}\"") } else { String::new() };
        let digest = |uri: &str| format!("<ds:DigestMethod{declared} Algorithm=\"{uri}\"></ds:DigestMethod>");
        let (uri, inner) = match self {
            Self::Mgf1p => {
                (format!("{XENC}rsa-oaep-mgf1p"), digest("http://www.w3.org/2000/09/xmldsig#sha1"))
            }
            Self::Oaep => (format!("{XENC11}rsa-oaep"), String::new()),
            Self::OaepSha256 => {
                let mask = format!(
                    "<xenc11:MGF xmlns:xenc11=\"{XENC11}\" Algorithm=\"{XENC11}mgf1sha256\"></xenc11:MGF>"
                );
                (format!("{XENC11}rsa-oaep"), digest(&format!("{XENC}sha256")) + &mask)
            }
        };
        format!("<xenc:EncryptionMethod Algorithm=\"{uri}\">{inner}</xenc:EncryptionMethod>")
    }

    fn algorithm(self) -> &'static OaepAlgorithm {
        match self {
            Self::Mgf1p | Self::Oaep => &OAEP_SHA1_MGF1SHA1,
            Self::OaepSha256 => &OAEP_SHA256_MGF1SHA256,
        }
    }
}

/// Where the encrypted key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// In the `KeyInfo` of the data.
    Inside,
    /// Beside the data, which refers to it.
    Referred,
    /// Beside the data, which does not.
    Beside,
}

impl KeyPlace {
    pub(crate) const ALL: [Self; 3] = [Self::Inside, Self::Referred, Self::Beside];
}

/// The encryption of an assertion.
pub(crate) struct Encryption {
    pub(crate) recipient: &'static SigningKey,
    pub(crate) cipher: Cipher,
    pub(crate) transport: Transport,
    pub(crate) key_place: KeyPlace,
    /// The length of the content key, if it is not what the cipher asks for.
    pub(crate) key_octets: Option<usize>,
    /// Rewrites the signed assertion before it is encrypted.
    pub(crate) rewrite_plaintext: Option<Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>>,
    /// Pads and encrypts by itself; gets the plaintext, for CBC only.
    pub(crate) pad: Option<fn(&[u8]) -> Vec<u8>>,
    /// Rewrites the encrypted data.
    pub(crate) rewrite_data: Option<fn(&mut Vec<u8>)>,
    /// Rewrites the encrypted key.
    pub(crate) rewrite_key: Option<fn(&mut Vec<u8>)>,
    /// Rewrites the whole element, before the response is signed.
    pub(crate) rewrite: Option<Box<dyn Fn(&str) -> String + Send + Sync>>,
}

impl Encryption {
    /// As Entra encrypts.
    pub(crate) fn to(recipient: &'static SigningKey) -> Self {
        Self {
            recipient,
            cipher: Cipher::Aes256Cbc,
            transport: Transport::Mgf1p,
            key_place: KeyPlace::Inside,
            key_octets: None,
            rewrite_plaintext: None,
            pad: None,
            rewrite_data: None,
            rewrite_key: None,
            rewrite: None,
        }
    }

    /// The `EncryptedAssertion` around an assertion.
    pub(super) fn wrap(&self, assertion: &str, prefixes: Prefixes) -> String {
        let plaintext = match &self.rewrite_plaintext {
            Some(rewrite) => rewrite(assertion),
            None => assertion.as_bytes().to_vec(),
        };
        let mut content_key = vec![0; self.cipher.key_octets()];
        fill_random(&mut content_key);
        let mut data = match self.pad {
            Some(pad) => self.cipher.encrypt_blocks(&content_key, &pad(&plaintext)),
            None => self.cipher.encrypt(&content_key, &plaintext),
        };
        if let Some(rewrite) = self.rewrite_data {
            rewrite(&mut data);
        }
        content_key.resize(self.key_octets.unwrap_or(content_key.len()), 0);
        let mut key = self.recipient.encrypt_to(self.transport.algorithm(), &content_key);
        if let Some(rewrite) = self.rewrite_key {
            rewrite(&mut key);
        }
        let text = self.element(&data, &key, prefixes);
        match &self.rewrite {
            Some(rewrite) => rewrite(&text),
            None => text,
        }
    }

    fn element(&self, data: &[u8], key: &[u8], prefixes: Prefixes) -> String {
        let beside = self.key_place != KeyPlace::Inside;
        let declared = if beside { format!(" xmlns:xenc=\"{XENC}\"") } else { String::new() };
        let key = format!(
            "<xenc:EncryptedKey{declared} Id=\"_k1\">{}<xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue>\
             </xenc:CipherData></xenc:EncryptedKey>",
            self.transport.method(beside),
            STANDARD.encode(key),
        );
        let (in_key_info, after) = match self.key_place {
            KeyPlace::Inside => (key.as_str(), ""),
            KeyPlace::Referred => (
                "<ds:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" URI=\"#_k1\">\
                 </ds:RetrievalMethod>",
                key.as_str(),
            ),
            KeyPlace::Beside => ("", key.as_str()),
        };
        let key_info = if in_key_info.is_empty() {
            String::new()
        } else {
            format!("<ds:KeyInfo xmlns:ds=\"{DSIG_NS}\">{in_key_info}</ds:KeyInfo>")
        };
        let (open, close) = match prefixes {
            Prefixes::Entra => (format!("EncryptedAssertion xmlns=\"{ASSERTION_NS}\""), "EncryptedAssertion"),
            Prefixes::Prefixed => {
                (format!("saml:EncryptedAssertion xmlns:saml=\"{ASSERTION_NS}\""), "saml:EncryptedAssertion")
            }
        };
        format!(
            "<{open}><xenc:EncryptedData xmlns:xenc=\"{XENC}\" Id=\"_d1\" Type=\"{XENC}Element\">\
             <xenc:EncryptionMethod Algorithm=\"{}\"></xenc:EncryptionMethod>{key_info}<xenc:CipherData>\
             <xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{after}</{close}>",
            self.cipher.uri(),
            STANDARD.encode(data),
        )
    }
}

impl SigningKey {
    /// Encrypts something that only the holder of this key can read.
    fn encrypt_to(&self, algorithm: &'static OaepAlgorithm, octets: &[u8]) -> Vec<u8> {
        let Pair::Rsa(pair) = &self.pair else { panic!("only RSA encrypts") };
        let public = pair.public_key().as_der().expect("a public key has this form");
        let public = PublicEncryptingKey::from_der(public.as_ref()).expect("and can be read in it");
        let public = OaepPublicEncryptingKey::new(public).expect("an RSA key encrypts");
        let mut encrypted = vec![0; public.ciphertext_size()];
        public.encrypt(algorithm, octets, &mut encrypted, None).expect("a short key fits").to_vec()
    }
}
