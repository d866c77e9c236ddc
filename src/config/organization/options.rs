//! What is different at one organization's identity provider, as it stands in the file.
//!
//! Separate because these keys may all be left out, and most are.

use crate::config::file;
use crate::config::reading::{Fault, Read, Reading, Told};
use crate::directory::{ConnectionOptions, FEW, Few, Listed};
use crate::saml::NameIdFormat;

pub(super) fn read(
    at: &str,
    typed: &file::Organization,
    reading: &mut Reading<'_>,
) -> Read<ConnectionOptions> {
    let key = |name: &str| format!("{at}.{name}");
    let force_authn = switch(&key("force_authn"), typed.force_authn, reading);
    let authn_context = few(
        &key("authn_context"),
        typed.authn_context.as_deref(),
        "write the whole URI, e.g. \"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\"",
        reading,
    );
    let name_id_format = reading.optional(&key("name_id_format"), typed.name_id_format.as_deref(), |text| {
        NameIdFormat::parse(text).map_err(|error| {
            Fault::new(format!("{text:?} {error}"), "write one of them, e.g. \"persistent\"")
        })
    });
    let name = "write the attribute's name as it stands in the assertion, e.g. \"mail\"";
    let email_attributes = few(&key("email_attributes"), typed.email_attributes.as_deref(), name, reading);
    let name_attributes = few(&key("name_attributes"), typed.name_attributes.as_deref(), name, reading);
    let accept = switch(&key("accept_expired_certificate"), typed.accept_expired_certificate, reading);
    Ok(ConnectionOptions {
        force_authn: force_authn?,
        authn_context: authn_context?,
        name_id_format: name_id_format?,
        email_attributes: email_attributes?,
        name_attributes: name_attributes?,
        accept_expired_certificate: accept?,
    })
}

fn switch(key: &str, typed: Option<bool>, reading: &Reading<'_>) -> Read<bool> {
    match typed {
        None if reading.findings.is_spoiled(key) => Err(Told),
        typed => Ok(typed.unwrap_or_default()),
    }
}

fn few<T: Listed>(
    key: &str,
    typed: Option<&[String]>,
    remedy: &str,
    reading: &mut Reading<'_>,
) -> Read<Few<T>> {
    let values = reading
        .list(key, typed, |text| T::read(text).map_err(|error| Fault::new(error.to_string(), remedy)))?;
    let few = Few::new(values);
    reading.told(
        key,
        few.map_err(|error| {
            Fault::new(error.to_string(), format!("keep the few that matter, at most {FEW}"))
        }),
    )
}
