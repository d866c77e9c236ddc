//! The attributes of an assertion: names and their values, in their order.
//!
//! Separate because all of them live in one piece of text, which is cheaper than a text for each: they are read at
//! every sign-on, and of hundreds of them a handful is looked at.

/// Attributes by their full names, none of which occurs twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Each name with its values behind it.
    text: String,
    /// Where each name or value ends in the text.
    ends: Vec<usize>,
    /// Which of those are names.
    names: Vec<usize>,
}

/// One of the [`Attributes`].
#[derive(Clone, Copy)]
pub struct Attribute<'a> {
    all: &'a Attributes,
    name: usize,
    behind: usize,
}

impl Attributes {
    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.names.iter().enumerate().map(|(at, name)| Attribute {
            all: self,
            name: *name,
            behind: self.names.get(at + 1).copied().unwrap_or(self.ends.len()),
        })
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The one of that exact name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Attribute<'_>> {
        self.iter().find(|attribute| attribute.name() == name)
    }

    fn piece(&self, at: usize) -> &str {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|to| self.text.get(from..*to)).unwrap_or_default()
    }

    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.ends.push(self.text.len());
    }
}

impl<'a> Attribute<'a> {
    /// `Attribute/@Name`; never the friendly name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.all.piece(self.name)
    }

    /// The values in their order, as they came.
    #[must_use]
    pub fn values(self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        (self.name + 1..self.behind).map(move |at| self.all.piece(at))
    }
}

impl<'t> FromIterator<(&'t str, &'t [&'t str])> for Attributes {
    /// Of names that have been found to be different from each other.
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t [&'t str])>>(attributes: I) -> Self {
        let mut all = Self {
            text: String::with_capacity(USUAL_OCTETS),
            ends: Vec::with_capacity(USUAL_PIECES),
            names: Vec::with_capacity(USUAL_PIECES / 2),
        };
        for (name, values) in attributes {
            all.names.push(all.ends.len());
            all.push(name);
            for value in values {
                all.push(value);
            }
        }
        all
    }
}

/// What Entra sends to those who are in a few groups.
const USUAL_OCTETS: usize = 1000;
const USUAL_PIECES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let attributes: [(&str, &[&str]); 4] =
            [("a", &["1", "", "zwei"]), ("none", &[]), ("ä", &["ü"]), ("last", &["x"])];
        let all: Attributes = attributes.into_iter().collect();
        let out: Vec<(&str, Vec<&str>)> =
            all.iter().map(|attribute| (attribute.name(), attribute.values().collect())).collect();
        let expected: Vec<_> = attributes.iter().map(|(name, values)| (*name, values.to_vec())).collect();
        assert_eq!(out, expected);
        assert_eq!(all.named("ä").map(|attribute| attribute.values().len()), Some(1));
        assert!(all.named("A").is_none());
        assert!(!all.is_empty());
        assert!(Attributes::default().is_empty());
    }
}
