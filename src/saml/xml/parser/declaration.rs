//! The declaration that a document may begin with.
//!
//! Separate because it looks like markup and is none: it stands once, and says in which version and encoding to read.

use super::{Parser, is_space, malformed};
use crate::saml::refusal::{Reason, Refusal};

impl<'a> Parser<'a> {
    /// XML 1.0 section 2.8, production `XMLDecl`: of version 1.0, and in UTF-8 if it says so.
    pub(super) fn declaration(&mut self) -> Result<(), Refusal> {
        const BEGINNING: &str = "<?xml";
        if !self.text.starts_with(BEGINNING) || !self.octet(BEGINNING.len()).is_some_and(is_space) {
            return Ok(());
        }
        self.at = BEGINNING.len();
        let foreign =
            |got: &str| Refusal::new(Reason::EncodingForbidden).expected("XML 1.0 in UTF-8").got(got);
        let version = self.pseudo_attribute("version")?;
        let encoding = self.pseudo_attribute("encoding")?;
        let standalone = self.pseudo_attribute("standalone")?;
        match version {
            Some("1.0") => {}
            Some(other) => return Err(foreign(other)),
            None => return Err(malformed("a declaration without version")),
        }
        if let Some(encoding) = encoding.filter(|name| !name.eq_ignore_ascii_case("UTF-8")) {
            return Err(foreign(encoding));
        }
        if standalone.is_some_and(|value| !matches!(value, "yes" | "no")) {
            return Err(malformed("a declaration"));
        }
        let end = self.behind_space(self.at);
        if !self.from(end).starts_with(b"?>") {
            return Err(malformed("a declaration"));
        }
        self.at = end + 2;
        Ok(())
    }

    /// `name = "value"` of an XML declaration, if it comes next.
    fn pseudo_attribute(&mut self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let begin = self.behind_space(self.at);
        if begin == self.at || !self.from(begin).starts_with(name.as_bytes()) {
            return Ok(None);
        }
        let equals = self.behind_space(begin + name.len());
        if self.octet(equals) != Some(b'=') {
            return Err(malformed("a declaration"));
        }
        let (value, end) = self.quoted(self.behind_space(equals + 1))?;
        self.at = end;
        Ok(Some(value))
    }
}
