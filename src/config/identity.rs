//! `[identity]`: the signed header that the application receives.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::time::Duration;

use crate::identity::{Algorithm, LIFETIME_MAX, Preset, Settings};

use super::app::App;
use super::reading::{Fault, Read, Reading};
use super::{file, time};

/// The section before `app.url`, from which it takes defaults, is known.
#[derive(Debug)]
pub(super) struct Identity {
    issuer: Option<String>,
    audience: Option<String>,
    algorithm: Algorithm,
    lifetime: Duration,
    presets: Vec<Preset>,
}

impl Identity {
    pub(super) fn settings(self, app: &App) -> Settings {
        Settings {
            issuer: self.issuer.unwrap_or_else(|| app.url_text.clone()),
            audience: self.audience.unwrap_or_else(|| app.url_text.clone()),
            algorithm: self.algorithm,
            lifetime: self.lifetime,
            presets: self.presets,
            app_url: app.url.clone(),
        }
    }
}

pub(super) fn read(typed: &file::Identity, reading: &mut Reading<'_>) -> Read<Identity> {
    let issuer = reading.optional("identity.issuer", typed.issuer.as_deref(), claim);
    let audience = reading.optional("identity.audience", typed.audience.as_deref(), claim);
    let algorithm = reading.defaulted("identity.algorithm", typed.algorithm.as_deref(), |text| {
        let known = || Algorithm::ALL.map(Algorithm::as_str);
        Algorithm::parse(text).ok_or_else(|| unknown("algorithm", text, &known()))
    });
    let lifetime = reading.defaulted("identity.lifetime", typed.lifetime.as_deref(), |text| {
        time::parse(text, Duration::from_secs(1), LIFETIME_MAX)
    });
    let presets = reading.list("identity.presets", typed.presets.as_deref(), |text| {
        let known = || Preset::ALL.map(Preset::as_str);
        Preset::ALL
            .into_iter()
            .find(|preset| preset.as_str() == text)
            .ok_or_else(|| unknown("preset", text, &known()))
    });
    Ok(Identity {
        issuer: issuer?,
        audience: audience?,
        algorithm: algorithm?,
        lifetime: lifetime?,
        presets: presets?,
    })
}

fn claim(text: &str) -> Result<String, Fault> {
    let fits =
        (1..=1024).contains(&text.len()) && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if fits {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} is not 1 to 1024 characters without spaces"),
        "write a URL or a name, or remove the key for app.url",
    ))
}

fn unknown(what: &str, text: &str, known: &[&str]) -> Fault {
    Fault::new(
        format!("{text:?} is no {what} that Anteroom knows"),
        format!("write one of {}", known.join(", ")),
    )
}
