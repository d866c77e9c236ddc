//! Making texts from outside harmless in a mail.
//!
//! Separate because escaping is not enough there: mail programs make links of what looks like one, also in plain
//! text, and a line end would begin another header or sentence.

/// One line of text: everything that ends a line, reorders or hides text becomes a space.
pub(super) fn line(text: &str) -> String {
    let visible = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c });
    visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name that people gave themselves: one line that no mail program makes a link of. A dot within a word, the
/// colon of a scheme and an `@` are followed by a space; what people are called stays readable.
pub(super) fn name(text: &str) -> String {
    inert(&line(text))
}

/// Some lines of text by somebody who may not be trusted with links.
pub(super) fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.lines().map(name).collect::<Vec<_>>().join("\n")
}

/// Some lines of text by somebody who may write links: the support team.
pub(super) fn trusted_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Cuts a line where a subject ends.
pub(super) fn short(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// Parts what would be read as a link: `evil.example`, `https://…`, `mailto:x`, `a@b`.
fn inert(line: &str) -> String {
    let mut inert = String::with_capacity(line.len() + 8);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        inert.push(c);
        let joins = matches!(c, '.' | '@' | ':' | '。' | '．' | '｡');
        if joins && rest.peek().is_some_and(|next| !next.is_whitespace()) {
            inert.push(' ');
        }
    }
    inert
}

/// Control characters, and the marks that reorder or hide text.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names_and_never_become_links_or_lines() {
        for (text, expected) in [
            ("Mia Berg", "Mia Berg"),
            ("  Zoë \"Q\" O'Brien & <Söns> 日本 ", "Zoë \"Q\" O'Brien & <Söns> 日本"),
            ("J.R. Smith", "J. R. Smith"),
            ("St. John", "St. John"),
            ("a\r\nBcc: x@evil.example", "a Bcc: x@ evil. example"),
            ("see https://evil.example/a?b", "see https: //evil. example/a?b"),
            ("javascript:alert(1)", "javascript: alert(1)"),
            ("evil。example", "evil。 example"),
            ("abc\u{202e}cba\u{200b}d\u{feff}", "abc cba d"),
        ] {
            assert_eq!(name(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\r\nb\rc\u{2028}d\n\ne.f"), "a\nb\nc d\n\ne. f");
        assert_eq!(
            trusted_lines("see https://help.example\n\u{1b}[31mred"),
            "see https://help.example\n[31mred"
        );
    }

    #[test]
    fn subjects_end_somewhere() {
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("ab cd", 4), "ab…");
    }
}
