//! The parts of an assertion: subject, conditions, and the two statements that are understood.
//!
//! Separate from the message around them because these are the values that become an identity.
//!
//! Rules: as in `message`; values are checked for shape and length here, for meaning in
//! `conditions`.

use super::names::{Vocabulary, saml};
use super::refusal::{Reason, Refusal};
use super::xml::{Element, Space, unexpected};

/// `saml:Subject` (SAML Core 2.4.1).
pub(super) struct Subject<'t> {
    pub(super) name_id: Option<NameId<'t>>,
    pub(super) confirmations: Vec<Confirmation<'t>>,
}

/// `saml:NameID` (SAML Core 2.2.3).
pub(super) struct NameId<'t> {
    pub(super) value: &'t str,
    pub(super) format: Option<&'t str>,
    pub(super) name_qualifier: Option<&'t str>,
    pub(super) sp_name_qualifier: Option<&'t str>,
}

/// `saml:SubjectConfirmation` with its data (SAML Core 2.4.1.1, 2.4.1.2).
pub(super) struct Confirmation<'t> {
    pub(super) method: &'t str,
    pub(super) has_data: bool,
    pub(super) not_before: Option<&'t str>,
    pub(super) not_on_or_after: Option<&'t str>,
    pub(super) recipient: Option<&'t str>,
    pub(super) in_response_to: Option<&'t str>,
}

/// `saml:Conditions` (SAML Core 2.5.1).
pub(super) struct Conditions<'t> {
    pub(super) not_before: Option<&'t str>,
    pub(super) not_on_or_after: Option<&'t str>,
    /// One list per `AudienceRestriction`.
    pub(super) audiences: Vec<Vec<&'t str>>,
}

/// `saml:AuthnStatement` (SAML Core 2.7.2).
pub(super) struct AuthnStatement<'t> {
    pub(super) authn_instant: &'t str,
    pub(super) session_index: Option<&'t str>,
    pub(super) session_not_on_or_after: Option<&'t str>,
    pub(super) context_class: Option<&'t str>,
}

/// `saml:AttributeStatement` (SAML Core 2.7.3): names and their values, in order.
#[derive(Default)]
pub(super) struct AttributeStatement<'t> {
    /// Each name, and how many of the values are its own and of those before it.
    names: Vec<(&'t str, usize)>,
    values: Vec<&'t str>,
}

const CONFIRMATIONS_MAX: usize = 8;
const AUDIENCES_MAX: usize = 64;
const STATEMENTS_TEXT_MAX: usize = 2048;
const NAME_ID_OCTETS_MAX: usize = 1024;
const ATTRIBUTES_MAX: usize = 256;
/// Nobody in Active Directory is in more than 1,015 groups, and Entra sends at most 150.
const VALUES_MAX: usize = 1200;
const NAME_OCTETS_MAX: usize = 1024;
const VALUE_OCTETS_MAX: usize = 8192;

impl<'t> Subject<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&[])?;
        let mut children = element.children()?;
        refuse_encrypted_id(element)?;
        let name_id = children.take(saml("NameID")).map(NameId::read).transpose()?;
        let mut confirmations = Vec::new();
        while let Some(confirmation) = children.take(saml("SubjectConfirmation")) {
            limit(confirmations.len(), CONFIRMATIONS_MAX, "SubjectConfirmation")?;
            confirmations.push(Confirmation::read(confirmation)?);
        }
        children.finish()?;
        Ok(Self { name_id, confirmations })
    }
}

fn refuse_encrypted_id(subject: Element<'_>) -> Result<(), Refusal> {
    match subject.subtree().find(|e| e.is(saml("EncryptedID"))) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(Reason::EncryptionNotSupported).got("EncryptedID")),
    }
}

impl<'t> NameId<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID"])?;
        let value = element.text()?;
        if value.len() > NAME_ID_OCTETS_MAX {
            return Err(Refusal::new(Reason::ValueTooLong).got("NameID"));
        }
        // White space around the value would make two accounts look like one (SAML-ATTACKS E3).
        if value.is_empty() || value.trim() != value || value.chars().any(char::is_control) {
            return Err(Refusal::new(Reason::NameIdMalformed)
                .got("nothing, or white space or control characters around or in it"));
        }
        Ok(Self {
            value,
            format: element.attribute("Format"),
            name_qualifier: element.attribute("NameQualifier"),
            sp_name_qualifier: element.attribute("SPNameQualifier"),
        })
    }
}

impl<'t> Confirmation<'t> {
    fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&["Method"])?;
        let mut children = element.children()?;
        let data = children.take(saml("SubjectConfirmationData"));
        children.finish()?;
        if let Some(data) = data {
            data.allow_attributes(&["NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo", "Address"])?;
            data.no_children()?;
        }
        let attribute = |name| data.and_then(|data| data.attribute(name));
        Ok(Self {
            method: element.required_attribute("Method")?,
            has_data: data.is_some(),
            not_before: attribute("NotBefore"),
            not_on_or_after: attribute("NotOnOrAfter"),
            recipient: attribute("Recipient"),
            in_response_to: attribute("InResponseTo"),
        })
    }
}

impl<'t> Conditions<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&["NotBefore", "NotOnOrAfter"])?;
        let mut audiences = Vec::new();
        let mut children = element.children()?;
        while let Some(condition) = children.next() {
            if condition.is(saml("AudienceRestriction")) {
                limit(audiences.len(), AUDIENCES_MAX, "AudienceRestriction")?;
                audiences.push(read_audiences(condition)?);
            } else if condition.is(saml("OneTimeUse")) || condition.is(saml("ProxyRestriction")) {
                // OneTimeUse is what the replay check does anyway; ProxyRestriction binds those
                // who issue assertions of their own (SAML Core 2.5.1.5, 2.5.1.6).
            } else {
                // SAML Core 2.5.1: a condition that is not understood makes the assertion's
                // validity indeterminate.
                return Err(Refusal::new(Reason::UnknownCondition).got(condition.local()));
            }
        }
        Ok(Self {
            not_before: element.attribute("NotBefore"),
            not_on_or_after: element.attribute("NotOnOrAfter"),
            audiences,
        })
    }
}

fn read_audiences(restriction: Element<'_>) -> Result<Vec<&str>, Refusal> {
    restriction.allow_attributes(&[])?;
    let mut audiences = Vec::new();
    let mut children = restriction.children()?;
    while let Some(audience) = children.take(saml("Audience")) {
        limit(audiences.len(), AUDIENCES_MAX, "Audience")?;
        audience.allow_attributes(&[])?;
        audiences.push(audience.text()?);
    }
    children.finish()?;
    Ok(audiences)
}

impl<'t> AuthnStatement<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&["AuthnInstant", "SessionIndex", "SessionNotOnOrAfter"])?;
        let mut children = element.children()?;
        if let Some(locality) = children.take(saml("SubjectLocality")) {
            locality.allow_attributes(&["Address", "DNSName"])?;
            locality.no_children()?;
        }
        let context = children.require(saml("AuthnContext"))?;
        children.finish()?;
        let session_index = element.attribute("SessionIndex");
        let context_class = read_context_class(context)?;
        if [session_index, context_class].into_iter().flatten().any(|text| text.len() > STATEMENTS_TEXT_MAX) {
            return Err(Refusal::new(Reason::ValueTooLong).got("AuthnStatement"));
        }
        Ok(Self {
            authn_instant: element.required_attribute("AuthnInstant")?,
            session_index,
            session_not_on_or_after: element.attribute("SessionNotOnOrAfter"),
            context_class,
        })
    }
}

fn read_context_class(context: Element<'_>) -> Result<Option<&str>, Refusal> {
    context.allow_attributes(&[])?;
    let mut children = context.children()?;
    let class = children.take(saml("AuthnContextClassRef")).map(Element::text).transpose()?;
    if let Some(declaration) = children.take(saml("AuthnContextDeclRef")) {
        declaration.text()?;
    }
    while let Some(authority) = children.take(saml("AuthenticatingAuthority")) {
        authority.text()?;
    }
    children.finish()?;
    Ok(class)
}

impl<'t> AttributeStatement<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&[])?;
        let usual = || Vec::with_capacity(USUAL_ATTRIBUTES);
        let (mut names, mut values) = (usual(), Vec::with_capacity(USUAL_ATTRIBUTES));
        let mut children = element.children()?;
        while let Some(attribute) = children.next() {
            if attribute.is(saml("EncryptedAttribute")) {
                return Err(Refusal::new(Reason::EncryptionNotSupported).got("EncryptedAttribute"));
            }
            if !attribute.is(saml("Attribute")) {
                return Err(unexpected(attribute, element));
            }
            limit(names.len(), ATTRIBUTES_MAX, "Attribute")?;
            let name = read_attribute(attribute, &mut values)?;
            names.push((name, values.len()));
        }
        // Which of two equal names counts would depend on the reader (SAML-ATTACKS E1).
        if let Some(name) = any_twice(names.iter().map(|(name, _)| *name).collect()) {
            return Err(Refusal::new(Reason::AttributeDuplicate).got(name));
        }
        Ok(Self { names, values })
    }

    /// The names with their values.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &[&str])> {
        let mut from = 0;
        self.names.iter().map(move |(name, to)| {
            let values = self.values.get(from..*to).unwrap_or_default();
            from = *to;
            (*name, values)
        })
    }
}

/// Gives the name, and adds the values to those that are there.
fn read_attribute<'t>(attribute: Element<'t>, values: &mut Vec<&'t str>) -> Result<&'t str, Refusal> {
    // AD FS adds attributes of its own namespace here; they are not read.
    let known = ["Name", "NameFormat", "FriendlyName"];
    if let Some((_, local, _)) =
        attribute.attributes().find(|(space, local, _)| *space == Space::None && !known.contains(local))
    {
        return Err(Refusal::new(Reason::UnexpectedAttribute).got(format!("Attribute/@{local}")));
    }
    let name = attribute.required_attribute("Name")?;
    if name.is_empty() || name.len() > NAME_OCTETS_MAX {
        return Err(Refusal::new(Reason::ValueTooLong).got("Attribute/@Name"));
    }
    let mut children = attribute.children()?;
    while let Some(value) = children.take(saml("AttributeValue")) {
        if values.len() >= VALUES_MAX {
            return Err(Refusal::new(Reason::ValueTooLong).got("AttributeValue"));
        }
        values.push(read_value(value, name)?);
    }
    children.finish()?;
    Ok(name)
}

fn read_value<'t>(value: Element<'t>, name: &str) -> Result<&'t str, Refusal> {
    let typed_only =
        value.attributes().all(|(space, local, _)| space == Space::Of(Vocabulary::Xsi) && local == "type");
    let text = value.text();
    match text {
        Ok(text) if typed_only && text.len() <= VALUE_OCTETS_MAX => Ok(text),
        Ok(_) if typed_only => Err(Refusal::new(Reason::ValueTooLong).got(name)),
        _ => Err(Refusal::new(Reason::AttributeValueForbidden)
            .expected("text without attributes other than xsi:type")
            .got(name)),
    }
}

/// A text that is there more than once.
pub(super) fn any_twice(mut texts: Vec<&str>) -> Option<&str> {
    if texts.len() <= FEW {
        let mut rest = texts.as_slice();
        while let Some((one, others)) = rest.split_first() {
            if others.contains(one) {
                return Some(one);
            }
            rest = others;
        }
        return None;
    }
    texts.sort_unstable();
    texts.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

/// So many claims Entra sends to those in a few groups.
const USUAL_ATTRIBUTES: usize = 16;
/// So many are compared with each other faster than they are sorted.
const FEW: usize = 16;

fn limit(count: usize, max: usize, what: &str) -> Result<(), Refusal> {
    if count < max {
        Ok(())
    } else {
        Err(Refusal::new(Reason::ValueTooLong).expected(format!("at most {max} {what}")).got("more"))
    }
}
