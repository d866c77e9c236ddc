//! The forms of a page.
//!
//! Separate because it is a reader for the demo's and Anteroom's own pages, and for nothing else: attributes in
//! double quotes, no scripts that build forms.

/// A form with its fields as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where it is sent, as written.
    pub(crate) action: String,
    /// Whether it is posted; else its fields become the query.
    pub(crate) is_post: bool,
    /// Name and value of each field.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The form with a field filled in.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// All forms, in order.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut is_inside = false;
    for tag in page.split('<').skip(1) {
        let (name, rest) =
            tag.split_at(tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '/').unwrap_or(tag.len()));
        match name {
            "form" => {
                is_inside = true;
                forms.push(Form {
                    action: attribute(rest, "action").unwrap_or_default(),
                    is_post: attribute(rest, "method")
                        .is_some_and(|method| method.eq_ignore_ascii_case("post")),
                    fields: Vec::new(),
                });
            }
            "/form" => is_inside = false,
            "input" if is_inside => {
                if let (Some(form), Some(name)) = (forms.last_mut(), attribute(rest, "name")) {
                    form.fields.push((name, attribute(rest, "value").unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    forms
}

/// The value of the first attribute of that name on the page.
pub(crate) fn first_attribute(page: &str, name: &str) -> Option<String> {
    page.split('<').skip(1).find_map(|tag| attribute(tag, name))
}

/// The value of an attribute of the tag that `text` is the rest of.
fn attribute(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        let (value, next) = after.split_once('"')?;
        // A `>` outside of quotes ends the tag.
        if before.contains('>') {
            return None;
        }
        let key = before.trim_end().strip_suffix('=')?.rsplit(char::is_whitespace).next()?;
        if key.eq_ignore_ascii_case(name) {
            return Some(unescape(value));
        }
        rest = next;
    }
}

fn unescape(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some((c, rest)) = piece.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)))
        {
            plain.push(c);
            plain.push_str(rest);
        } else {
            plain.push('&');
            plain.push_str(piece);
        }
    }
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}
