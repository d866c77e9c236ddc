//! The forms and links of a page.
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

/// A link with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where it leads, as written.
    pub(crate) href: String,
    /// What it says, up to the first tag inside.
    pub(crate) text: String,
}

/// All forms, in order, with what a browser would send if nobody touched them.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut is_inside = false;
    // The list that is open, and whether something of it is chosen.
    let mut select: Option<(String, bool)> = None;
    for tag in page.split('<').skip(1) {
        let (name, rest) =
            tag.split_at(tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '/').unwrap_or(tag.len()));
        if name == "form" {
            is_inside = true;
            forms.push(Form {
                action: attribute(rest, "action").unwrap_or_default(),
                is_post: attribute(rest, "method").is_some_and(|method| method.eq_ignore_ascii_case("post")),
                fields: Vec::new(),
            });
        }
        is_inside &= name != "/form";
        let Some(form) = forms.last_mut().filter(|_| is_inside) else { continue };
        match name {
            "input" if is_sent(rest) => {
                form.fields.extend(named(rest, attribute(rest, "value").unwrap_or_default()));
            }
            "textarea" => form.fields.extend(named(rest, content(rest))),
            "select" => select = attribute(rest, "name").map(|name| (name, false)),
            "option" => choose(form, &mut select, rest),
            "/select" => select = None,
            _ => {}
        }
    }
    forms
}

/// All links, in order.
pub(crate) fn links(page: &str) -> Vec<Link> {
    let tags = page.split('<').filter_map(|tag| tag.strip_prefix("a "));
    tags.filter_map(|tag| Some(Link { href: attribute(tag, "href")?, text: content(tag) })).collect()
}

/// A box or a choice is sent only if it is ticked.
fn is_sent(tag: &str) -> bool {
    let is_box = attribute(tag, "type").is_some_and(|kind| matches!(kind.as_str(), "checkbox" | "radio"));
    !is_box || has_flag(tag, "checked")
}

fn named(tag: &str, value: String) -> Option<(String, String)> {
    Some((attribute(tag, "name")?, value))
}

/// An option of the list that is open: the first one is sent unless another is selected.
fn choose(form: &mut Form, select: &mut Option<(String, bool)>, tag: &str) {
    let Some((name, has_choice)) = select else { return };
    if *has_choice && !has_flag(tag, "selected") {
        return;
    }
    if std::mem::replace(has_choice, true) {
        form.fields.pop();
    }
    form.fields.push((name.clone(), attribute(tag, "value").unwrap_or_else(|| content(tag))));
}

/// Whether a tag has an attribute without a value.
fn has_flag(tag: &str, name: &str) -> bool {
    let outside_quotes = tag.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let tag = outside_quotes.split('>').next().unwrap_or_default();
    tag.split(|c: char| c.is_whitespace() || c == '"').any(|word| word.eq_ignore_ascii_case(name))
}

/// The text between a tag and the next.
fn content(tag: &str) -> String {
    let mut is_quoted = false;
    let end = tag.find(|c| {
        is_quoted ^= c == '"';
        c == '>' && !is_quoted
    });
    let text = end.and_then(|end| tag.get(end + 1..)).unwrap_or_default();
    unescape(text).trim().to_owned()
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
