//! What may be done to a signed message: spellings that mean the same, and attacks.
//!
//! Separate from what is compared because it is a list, to be added to.

use crate::chance::Chance;
use crate::idp::DSIG_NS;

/// A change of a text; `None` where it finds nothing to change.
pub(crate) type Change = fn(&str, &mut Chance) -> Option<String>;

/// Other spellings: most leave the canonical form of what is signed alone.
pub(crate) const SPELLINGS: [(&str, Change); 12] = [
    ("quotes", |text, chance| replace_one(text, "=\"2.0\"", "='2.0'", chance)),
    ("space in a start tag", |text, chance| {
        let to = *chance.one(&["  ID=\"", "\nID=\"", "\t ID=\""]);
        replace_one(text, " ID=\"", to, chance)
    }),
    ("space in an end tag", |text, chance| replace_one(text, "></", " ></", chance)),
    ("an empty element in short", |text, chance| {
        let empties =
            ["DigestMethod", "SignatureMethod", "CanonicalizationMethod", "StatusCode", "Transform"];
        let name = *chance.one(&empties);
        let end = ["</", "</ds:", "</samlp:"].map(|start| format!("></{name}>").replace("</", start));
        let end = end.iter().find(|end| text.contains(end.as_str()))?;
        replace_one(text, end, "/>", chance)
    }),
    ("a namespace that nobody uses", |text, chance| {
        let declared = *chance.one(&[" xmlns:u=\"urn:u\" ID=\"", " xmlns:saml2=\"urn:x\" ID=\""]);
        replace_one(text, " ID=\"", declared, chance)
    }),
    ("a reference for a character", |text, chance| {
        let (from, to) = *chance.one(&[("mia.", "m&#105;a."), ("Berg", "&#x42;erg"), ("@", "&#64;")]);
        replace_one(text, from, to, chance)
    }),
    ("space around the status", |text, chance| {
        let space = *chance.one(&["\n<samlp:Status>", " \t<samlp:Status>", "&#10;<samlp:Status>"]);
        replace_one(text, "<samlp:Status>", space, chance)
    }),
    ("an XML declaration", |text, chance| {
        let head = *chance.one(&["<?xml version=\"1.0\"?>", "<?xml version='1.0' encoding='utf-8'?>\n"]);
        Some(format!("{head}{text}"))
    }),
    ("base64 in lines", |text, chance| {
        let start = text.find("SignatureValue>")? + "SignatureValue>".len();
        let at = start + 4 * (1 + chance.below(60));
        let line = *chance.one(&["\n", "\r\n", " "]);
        Some(format!("{}{line}{}", text.get(..at)?, text.get(at..)?))
    }),
    ("space after the document", |text, _| Some(format!("{text}\n "))),
    ("attributes in another order", |text, _| {
        let (at, version) = (text.rfind(" Version=\"2.0\"")?, " Version=\"2.0\"");
        let rest = format!("{}{}", text.get(..at)?, text.get(at + version.len()..)?);
        let start = rest.get(..at)?.rfind("Assertion xmlns")? + "Assertion".len();
        Some(format!("{}{version}{}", rest.get(..start)?, rest.get(start..)?))
    }),
    ("no key information", |text, _| {
        let (start, end) = span(text, "KeyInfo")?;
        Some(format!("{}{}", text.get(..start)?, text.get(end..)?))
    }),
];

/// Attacks on the message as it is posted.
pub(crate) const ATTACKS: [(&str, Change); 29] = [
    ("a flipped bit", |text, chance| {
        let mut octets = text.as_bytes().to_vec();
        let at = chance.below(octets.len());
        *octets.get_mut(at)? ^= 1 << chance.below(7);
        String::from_utf8(octets).ok()
    }),
    ("octets dropped", |text, chance| {
        let at = chance.below(text.len());
        Some(format!("{}{}", text.get(..at)?, text.get(at + 1 + chance.below(8)..)?))
    }),
    ("octets put in", |text, chance| {
        let at = chance.below(text.len());
        let noise = *chance.one(&["x", " ", "\n", "&amp;", "<x/>", "</x>", "\u{feff}", "&#13;", "=", "\""]);
        Some(format!("{}{noise}{}", text.get(..at)?, text.get(at..)?))
    }),
    ("cut off", |text, chance| text.get(..chance.below(text.len())).map(str::to_owned)),
    ("another value", |text, chance| {
        let values =
            [("mia.berg", "ceo"), (">Mia", ">Eve"), ("contoso.com", "evil.example"), ("Berg", "Evil")];
        let (from, to) = *chance.one(&values);
        replace_one(text, from, to, chance)
    }),
    ("a comment in a value", |text, chance| replace_one(text, "mia.", "mia<!-- -->.", chance)),
    ("a comment anywhere", |text, chance| replace_one(text, "><", "><!--x--><", chance)),
    ("a processing instruction", |text, chance| replace_one(text, "><", "><?x y?><", chance)),
    ("a CDATA section", |text, chance| replace_one(text, "Berg", "<![CDATA[Berg]]>", chance)),
    ("a DOCTYPE", |text, chance| {
        let types = [
            "<!DOCTYPE x>",
            "<!DOCTYPE x [<!ENTITY e \"y\">]>",
            "<!DOCTYPE x [<!ATTLIST Subject a ID #IMPLIED>]>",
        ];
        Some(format!("{}{text}", chance.one(&types)))
    }),
    ("a forged assertion beside the signed one", |text, chance| {
        let (start, end) = span(text, "Assertion")?;
        let forged = forged(text.get(start..end)?);
        let at = *chance.one(&[start, end]);
        Some(format!("{}{forged}{}", text.get(..at)?, text.get(at..)?))
    }),
    ("a forged assertion around the signed one", |text, _| {
        let (start, end) = span(text, "Assertion")?;
        let signed = text.get(start..end)?;
        let forged = forged(signed);
        let at = forged.rfind("</")?;
        let wrapped = format!("{}{signed}{}", forged.get(..at)?, forged.get(at..)?);
        Some(format!("{}{wrapped}{}", text.get(..start)?, text.get(end..)?))
    }),
    ("the signed assertion in extensions, a forged one in its place", |text, _| {
        let (start, end) = span(text, "Assertion")?;
        let signed = text.get(start..end)?;
        let swapped = format!("{}{}{}", text.get(..start)?, forged(signed), text.get(end..)?);
        let hidden = format!("<samlp:Extensions>{signed}</samlp:Extensions><samlp:Status>");
        Some(swapped.replacen("<samlp:Status>", &hidden, 1))
    }),
    ("the signed assertion in an object of its signature", |text, _| {
        let (start, end) = span(text, "Assertion")?;
        let signed = text.get(start..end)?;
        let (from, to) = span(signed, "Signature")?;
        let signature = signed.get(from..to)?;
        let bare = format!("{}{}", signed.get(..from)?, signed.get(to..)?);
        let close = signature.rfind("</")?;
        let object = format!(
            "{}<Object xmlns=\"{DSIG_NS}\">{bare}</Object>{}",
            signature.get(..close)?,
            signature.get(close..)?
        );
        let evil = forged(&bare);
        let at = evil.find("Issuer>")?;
        let at = at + evil.get(at + 7..)?.find("Issuer>")? + 14;
        let evil = format!("{}{object}{}", evil.get(..at)?, evil.get(at..)?);
        Some(format!("{}{evil}{}", text.get(..start)?, text.get(end..)?))
    }),
    ("the signature stripped", |text, _| {
        let (start, end) = span(text, "Signature")?;
        Some(format!("{}{}", text.get(..start)?, text.get(end..)?))
    }),
    ("the signature twice", |text, _| {
        let (start, end) = span(text, "Signature")?;
        let signature = text.get(start..end)?;
        Some(format!("{}{signature}{}", text.get(..end)?, text.get(end..)?))
    }),
    ("the signature moved", |text, chance| {
        let (start, end) = span(text, "Signature")?;
        let signature = text.get(start..end)?;
        let bare = format!("{}{}", text.get(..start)?, text.get(end..)?);
        let place = *chance.one(&["<samlp:Status>", "</samlp:Response>", "</samlp:Status>"]);
        Some(bare.replacen(place, &format!("{signature}{place}"), 1))
    }),
    ("another ID", |text, chance| replace_one(text, " ID=\"_", " ID=\"_x", chance)),
    ("the same ID again", |text, chance| {
        let at = text.find(" ID=\"")? + 5;
        let id = text.get(at..)?.split('"').next()?.to_owned();
        let name = *chance.one(&["ID", "Id", "id", "xml:id"]);
        let tag = *chance.one(&["Subject>", "Conditions ", "samlp:Status>", "AttributeStatement>"]);
        let end = tag.chars().last()?;
        let with = format!("{} {name}=\"{id}\"{end}", tag.trim_end_matches([' ', '>']));
        text.contains(&format!("<{tag}")).then(|| text.replacen(&format!("<{tag}"), &format!("<{with}"), 1))
    }),
    ("another reference", |text, chance| {
        let to = *chance.one(&["URI=\"\"", "URI=\"#xpointer(/)\"", "URI=\"#_other\"", "Id=\"_z\" URI=\""]);
        let at = text.find("URI=\"")?;
        let end = at + 5 + text.get(at + 5..)?.find('"')? + 1;
        let end = if to.ends_with("URI=\"") { at + 5 } else { end };
        Some(format!("{}{to}{}", text.get(..at)?, text.get(end..)?))
    }),
    ("another transform", |text, chance| {
        let others = [
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2006/12/xml-c14n11",
            "http://www.w3.org/2000/09/xmldsig#base64",
        ];
        let to = *chance.one(&others);
        replace_one(text, "http://www.w3.org/2001/10/xml-exc-c14n#", to, chance)
    }),
    ("another algorithm", |text, chance| {
        let others =
            [("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256"), ("xmlenc#sha256", "xmlenc#sha512")];
        let (from, to) = *chance.one(&others);
        replace_one(text, from, to, chance)
    }),
    ("another digest", |text, chance| {
        let to = *chance.one(&["DigestValue>AAAA", "DigestValue><!---->", "DigestValue> ", "DigestValue>*"]);
        text.contains("DigestValue>").then(|| text.replacen("DigestValue>", to, 1))
    }),
    ("another namespace", |text, chance| {
        let (from, to) =
            *chance.one(&[("2.0:assertion", "1.0:assertion"), ("2000/09/xmldsig#", "2000/09/xmldsig")]);
        replace_one(text, from, to, chance)
    }),
    ("a prefix bound anew", |text, chance| {
        let to = *chance.one(&[
            " xmlns:samlp=\"urn:evil\" ID=\"",
            " xmlns=\"urn:evil\" ID=\"",
            " xmlns:xml=\"urn:evil\" ID=\"",
        ]);
        replace_one(text, " ID=\"", to, chance)
    }),
    ("a relative namespace", |text, chance| replace_one(text, " ID=\"", " xmlns:r=\"1\" ID=\"", chance)),
    ("an attribute twice", |text, chance| {
        replace_one(text, " Version=\"2.0\"", " Version=\"2.0\" Version=\"2.0\"", chance)
    }),
    ("another encoding declared", |text, chance| {
        let head = *chance.one(&["ISO-8859-1", "UTF-7", "US-ASCII", "windows-1252"]);
        Some(format!("<?xml version=\"1.0\" encoding=\"{head}\"?>{text}"))
    }),
    ("a document after the document", |text, _| Some(format!("{text}{text}"))),
];

/// Replaces one of the places where a text stands.
fn replace_one(text: &str, from: &str, to: &str, chance: &mut Chance) -> Option<String> {
    let places: Vec<usize> = text.match_indices(from).map(|(at, _)| at).collect();
    if places.is_empty() {
        return None;
    }
    let at = *chance.one(&places);
    Some(format!("{}{to}{}", text.get(..at)?, text.get(at + from.len()..)?))
}

/// Where the first element of a local name begins and ends.
fn span(text: &str, local: &str) -> Option<(usize, usize)> {
    let starts = ["", "saml:", "ds:"].map(|prefix| format!("{prefix}{local}"));
    let is_start = |name: &String| {
        let after = [format!("<{name} "), format!("<{name}>")];
        after.iter().filter_map(|tag| text.find(tag.as_str())).min()
    };
    let (start, name) = starts.iter().filter_map(|name| Some((is_start(name)?, name))).min()?;
    let close = format!("</{name}>");
    let end = start + text.get(start..)?.find(&close)? + close.len();
    Some((start, end))
}

/// An unsigned assertion about somebody else, made of a signed one.
fn forged(signed: &str) -> String {
    let bare = span(signed, "Signature")
        .and_then(|(start, end)| Some(format!("{}{}", signed.get(..start)?, signed.get(end..)?)));
    let text = bare.unwrap_or_else(|| signed.to_owned());
    text.replacen(" ID=\"_", " ID=\"_evil", 1).replace("mia.berg", "ceo").replace("Mia", "Eve")
}
