//! The people of the demo, all invented.
//!
//! Separate because the provider knows them all, the seeds only two of them, and the tour by name.

/// Somebody who can sign on at the demo's identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    /// First name.
    pub(crate) given_name: &'static str,
    /// Family name.
    pub(crate) surname: &'static str,
    /// Address and user principal name in one.
    pub(crate) email: &'static str,
    /// What the person does, for the page where one is chosen.
    pub(crate) part: &'static str,
    /// The directory's immutable key (`objectidentifier`).
    pub(crate) object_id: &'static str,
}

impl Person {
    /// The name that others see.
    pub(crate) fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.surname)
    }

    /// The person of that address, however it was typed.
    pub(crate) fn by_email(email: &str) -> Option<&'static Self> {
        EVERYBODY.into_iter().find(|person| person.email.eq_ignore_ascii_case(email.trim()))
    }
}

/// Runs the properties; has had access from the first day.
pub(crate) const MANAGER: Person = Person {
    given_name: "Maren",
    surname: "Holt",
    email: "maren.holt@contoso.example",
    part: "Manager, has access to every property",
    object_id: "6c0f3a52-8f5e-4a0b-9a44-0d2c5f1b7e01",
};

/// Decides who gets access.
pub(crate) const SUPPORT_AGENT: Person = Person {
    given_name: "Dario",
    surname: "Quist",
    email: "dario.quist@contoso.example",
    part: "Support agent, has access and the support role",
    object_id: "6c0f3a52-8f5e-4a0b-9a44-0d2c5f1b7e02",
};

/// Started today; nobody has told Anteroom. The name has letters outside ASCII on purpose.
pub(crate) const NEW_JOINER: Person = Person {
    given_name: "Noa",
    surname: "Lindström",
    email: "noa.lindstrom@contoso.example",
    part: "New joiner, unknown to Anteroom so far",
    object_id: "6c0f3a52-8f5e-4a0b-9a44-0d2c5f1b7e03",
};

/// Everybody who can sign on.
pub(crate) const EVERYBODY: [&Person; 3] = [&MANAGER, &SUPPORT_AGENT, &NEW_JOINER];
