//! The parts of a form that views share: what was typed, what can be chosen, and what is wrong with it.
//!
//! Separate because a form that comes back must keep every word that was typed, on every page in the same way.

/// What a field with choices shows as long as nothing is chosen.
pub(super) const CHOOSE: &str = "Please choose";

/// What pages call the scope `*`.
pub const ALL_PROPERTIES: &str = "All properties";

/// A field as it was typed. The default is an empty one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// What was typed.
    pub value: String,
    /// Why it was not accepted, for people.
    pub problem: Option<String>,
}

/// A field with items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Select {
    /// What can be chosen.
    pub items: Vec<SelectItem>,
    /// Why the choice was not accepted, for people.
    pub problem: Option<String>,
}

/// Something that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectItem {
    /// What is sent.
    pub value: String,
    /// What is shown; for the value `*`, [`ALL_PROPERTIES`].
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

impl Field {
    /// A field with a text in it.
    #[must_use]
    pub fn with(value: impl Into<String>) -> Self {
        Self { value: value.into(), problem: None }
    }
}

impl Select {
    /// Nothing wrong with these.
    #[must_use]
    pub const fn of(items: Vec<SelectItem>) -> Self {
        Self { items, problem: None }
    }

    pub(super) fn has_chosen(&self) -> bool {
        self.items.iter().any(|item| item.chosen)
    }
}

impl SelectItem {
    /// Something that can be chosen, and is if `value` is `chosen`.
    #[must_use]
    pub fn new(value: &str, label: &str, chosen: Option<&str>) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), chosen: chosen == Some(value) }
    }

    pub(super) fn shown(&self) -> &str {
        if self.value == "*" { ALL_PROPERTIES } else { &self.label }
    }
}

/// The list above a form that came back: what is wrong, each a link to its field.
#[derive(Default)]
pub(super) struct Problems<'a>(pub(super) Vec<(&'static str, &'a str)>);

impl<'a> Problems<'a> {
    /// Those of fields by the ids that they have on the page.
    pub(super) fn of(fields: &[(&'static str, Option<&'a String>)]) -> Self {
        Self(fields.iter().filter_map(|(id, problem)| Some((*id, problem.as_ref()?.as_str()))).collect())
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}
