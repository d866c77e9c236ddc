//! The sign-on options of an organization: what is in force, and the form as it was typed.
//!
//! Separate because these six fields stand on the page for reading and for changing.

use crate::admin::{OptionsForm, OrganizationView, Refused};
use crate::directory::{ConnectionOptions, Few, Listed};
use crate::pages::support::{OptionsFields, OptionsInForce, SignOnOptions};
use crate::pages::{Field, Select, SelectItem};
use crate::routes::work::{Desk, problem_of};
use crate::saml::NameIdFormat;

impl Desk {
    /// The form of `…/options`: a box without a tick is off.
    pub(super) fn options_form(&self) -> OptionsForm<'_> {
        OptionsForm {
            force_authn: Some(self.form.is_ticked("force_authn")),
            authn_context: Some(self.form.text("authn_context")),
            name_id_format: Some(self.form.text("name_id_format")),
            email_attributes: Some(self.form.text("email_attributes")),
            name_attributes: Some(self.form.text("name_attributes")),
            accept_expired_certificate: Some(self.form.is_ticked("accept_expired_certificate")),
        }
    }

    /// The options of an organization. With a refusal of the form: as it was typed.
    pub(super) fn sign_on_options(
        &self,
        view: &OrganizationView,
        refused: Option<&Refused>,
    ) -> SignOnOptions {
        let is_changed_here = !view.is_declared() && view.record.connection.is_some();
        SignOnOptions {
            in_force: in_force(&view.options),
            form: is_changed_here.then(|| match refused {
                Some(refused) => self.typed_options(refused),
                None => fields(&view.options),
            }),
        }
    }

    fn typed_options(&self, refused: &Refused) -> OptionsFields {
        let refused = Some(refused);
        OptionsFields {
            force_authn: self.form.is_ticked("force_authn"),
            authn_context: self.typed("authn_context", refused),
            name_id_format: Select {
                problem: problem_of(refused, "name_id_format"),
                ..formats(self.form.text("name_id_format"))
            },
            email_attributes: self.typed("email_attributes", refused),
            name_attributes: self.typed("name_attributes", refused),
            accept_expired_certificate: self.form.is_ticked("accept_expired_certificate"),
        }
    }
}

fn in_force(options: &ConnectionOptions) -> OptionsInForce {
    OptionsInForce {
        force_authn: options.force_authn,
        authn_context: owned(&options.authn_context),
        name_id_format: options.name_id_format.map(|format| format.as_str().to_owned()),
        email_attributes: owned(&options.email_attributes),
        name_attributes: owned(&options.name_attributes),
        accept_expired_certificate: options.accept_expired_certificate,
    }
}

fn fields(options: &ConnectionOptions) -> OptionsFields {
    OptionsFields {
        force_authn: options.force_authn,
        authn_context: Field::with(owned(&options.authn_context).join("\n")),
        name_id_format: formats(options.name_id_format.map_or("", NameIdFormat::as_str)),
        email_attributes: Field::with(owned(&options.email_attributes).join("\n")),
        name_attributes: Field::with(owned(&options.name_attributes).join("\n")),
        accept_expired_certificate: options.accept_expired_certificate,
    }
}

fn formats(chosen: &str) -> Select {
    let chosen = Some(chosen);
    let mut items = vec![SelectItem::new("", "As the identity provider is set", chosen)];
    items.extend(NameIdFormat::ALL.iter().map(|format| {
        let label = match format {
            NameIdFormat::Persistent => "A lasting key (persistent)",
            NameIdFormat::EmailAddress => "The e-mail address (emailAddress)",
            NameIdFormat::Unspecified => "Any (unspecified)",
            NameIdFormat::Transient => "Another one each time (transient)",
        };
        SelectItem::new(format.as_str(), label, chosen)
    }));
    Select::of(items)
}

fn owned<T: Listed>(few: &Few<T>) -> Vec<String> {
    few.texts().map(str::to_owned).collect()
}
