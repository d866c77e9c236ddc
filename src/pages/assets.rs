//! The static files of our pages, embedded and named by their content.
//!
//! Separate because they are served without a session and cached for ever: a name holds the fingerprint of
//! the content, so a new version is a new name.

use bytes::Bytes;

use crate::pages::brand::{Accent, Logo, LogoKind};
use crate::pages::palette;
use crate::secret::sha256;

/// Where the files are served.
pub const PATH_PREFIX: &str = "/.anteroom/assets/";

/// One static file.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The whole path, with the fingerprint in the file name.
    pub path: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub octets: Bytes,
    /// The value of `ETag`, with its quotes.
    pub etag: String,
    stem: &'static str,
}

/// An asset that was asked for, and how long the answer may be kept.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The file.
    pub asset: &'a Asset,
    /// The value of `Cache-Control`.
    pub cache_control: &'static str,
}

/// All static files of one configuration.
#[derive(Debug, Clone)]
pub struct Assets {
    stylesheet: Asset,
    desk: Asset,
    waiting_room: Asset,
    copy: Asset,
    onward: Asset,
    logo: Option<Asset>,
}

impl Assets {
    pub(super) fn new(accent: Accent, logo: Option<Logo>) -> Self {
        let stylesheet = palette::custom_properties(accent.rgb()) + STYLESHEET;
        Self {
            stylesheet: Asset::new("anteroom", "css", CSS, stylesheet.into()),
            desk: Asset::new("desk", "css", CSS, Bytes::from_static(DESK.as_bytes())),
            waiting_room: Asset::new(
                "waiting-room",
                "js",
                SCRIPT,
                Bytes::from_static(WAITING_ROOM.as_bytes()),
            ),
            copy: Asset::new("copy", "js", SCRIPT, Bytes::from_static(COPY.as_bytes())),
            onward: Asset::new("onward", "js", SCRIPT, Bytes::from_static(ONWARD.as_bytes())),
            logo: logo.map(|logo| {
                let (extension, content_type) = logo.kind.names();
                Asset::new("logo", extension, content_type, logo.octets)
            }),
        }
    }

    /// Every file, for a table of paths.
    pub fn iter(&self) -> impl Iterator<Item = &Asset> {
        let ours = [&self.stylesheet, &self.desk, &self.waiting_room, &self.copy, &self.onward];
        ours.into_iter().chain(&self.logo)
    }

    /// The file at a path. One with another fingerprint is a page made by another version or configuration,
    /// perhaps by another node during an update: it gets the present file, which must not be kept.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Found<'_>> {
        if let Some(asset) = self.iter().find(|asset| asset.path == path) {
            return Some(Found { asset, cache_control: "public, max-age=31536000, immutable" });
        }
        let stem = stem_of(path.strip_prefix(PATH_PREFIX)?)?;
        let asset = self.iter().find(|asset| asset.stem == stem)?;
        Some(Found { asset, cache_control: "no-store" })
    }

    pub(super) fn stylesheet(&self) -> &str {
        &self.stylesheet.path
    }

    /// What pages to work on need besides.
    pub(super) fn desk(&self) -> &str {
        &self.desk.path
    }

    /// Adds buttons that copy a value.
    pub(super) fn copy(&self) -> &str {
        &self.copy.path
    }

    /// Sends the form of a page that leaves by itself.
    pub(super) fn onward(&self) -> &str {
        &self.onward.path
    }

    pub(super) fn waiting_room(&self) -> &str {
        &self.waiting_room.path
    }

    pub(super) fn logo(&self) -> Option<&str> {
        self.logo.as_ref().map(|asset| asset.path.as_str())
    }
}

impl Asset {
    /// The value of `Content-Security-Policy`. A logo may be an SVG image that somebody opens by itself: it
    /// must not run or load anything then, but may keep the style that it was drawn with.
    #[must_use]
    pub fn content_security_policy(&self) -> &'static str {
        if self.content_type == LogoKind::Svg.names().1 {
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
        } else {
            "default-src 'none'"
        }
    }

    fn new(stem: &'static str, extension: &str, content_type: &'static str, octets: Bytes) -> Self {
        let fingerprint = sha256(&octets)
            .iter()
            .take(FINGERPRINT_OCTETS)
            .fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
        Self {
            path: format!("{PATH_PREFIX}{stem}-{fingerprint}.{extension}"),
            content_type,
            octets,
            etag: format!("\"{fingerprint}\""),
            stem,
        }
    }
}

impl LogoKind {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Svg => ("svg", "image/svg+xml"),
            Self::Png => ("png", "image/png"),
            Self::Jpeg => ("jpg", "image/jpeg"),
            Self::WebP => ("webp", "image/webp"),
        }
    }
}

/// `waiting-room` of `waiting-room-0123456789abcdef.js`.
fn stem_of(file_name: &str) -> Option<&str> {
    let (name, _) = file_name.split_once('.')?;
    let (stem, fingerprint) = name.rsplit_once('-')?;
    let is_fingerprint =
        fingerprint.len() == 2 * FINGERPRINT_OCTETS && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    is_fingerprint.then_some(stem)
}

/// Enough that two versions of one file never share a name.
const FINGERPRINT_OCTETS: usize = 8;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLESHEET: &str = include_str!("assets/anteroom.css");
const DESK: &str = include_str!("assets/desk.css");
const COPY: &str = include_str!("assets/copy.js");
const ONWARD: &str = include_str!("assets/onward.js");
const WAITING_ROOM: &str = include_str!("assets/waiting-room.js");
