//! The response headers that every page of ours carries.
//!
//! Separate because the templates are written for exactly this policy: a page that breaks it shows nothing.

/// What the policies of all pages have in common.
macro_rules! policy {
    () => {
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'; "
    };
}

/// Where the forms of a page may lead, counting the redirects that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormTargets {
    /// Nowhere but to us: every page that does not begin or end a login.
    OwnOrigin,
    /// To us and on to any `https` address. Browsers hold the redirects of a form against its policy, and
    /// identity providers redirect onwards to hosts that nobody can know before.
    IdentityProviders,
    /// The same, and to plain `http` on this machine. For development only.
    IdentityProvidersAndLoopback,
}

/// The value of `Content-Security-Policy`.
#[must_use]
pub const fn content_security_policy(form_targets: FormTargets) -> &'static str {
    match form_targets {
        FormTargets::OwnOrigin => concat!(policy!(), "form-action 'self'"),
        FormTargets::IdentityProviders => concat!(policy!(), "form-action 'self' https:"),
        FormTargets::IdentityProvidersAndLoopback => concat!(
            policy!(),
            "form-action 'self' https: http://localhost:* http://*.localhost:* http://127.0.0.1:*"
        ),
    }
}

/// Further headers of every page. The referrer policy is not stricter because browsers send `Origin: null`
/// with our own forms under `no-referrer`, which would defeat the check of where a form came from.
pub const HEADERS: &[(&str, &str)] = &[
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];
