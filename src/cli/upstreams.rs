//! `anteroom check --upstreams`: what the application answers to somebody who reaches it without Anteroom (T-B7).
//!
//! Separate because it is the one check that asks others. It asks each upstream twice: as nobody, and as somebody whose
//! identity is forged.
//!
//! Rules: what is sent is a `GET`, and the forged identity names nobody and is signed by a key that is made for it and
//! thrown away.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::failure::Failure;
use crate::app::settings;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::email::EmailAddress;
use crate::id::{OrganizationId, SessionName, SystemRandomness, UserId};
use crate::identity::{Access, HEADER, Identity, SigningKey, mint, presets};
use crate::proxy;

/// What an upstream has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// It turns away whoever has no identity, and whoever has a forged one.
    Closed,
    /// It answers anybody.
    Open,
    /// It believes a forged identity.
    Credulous,
    /// What it answers tells nothing.
    Unclear,
    /// It does not answer.
    Unreachable,
}

impl Finding {
    fn of(alone: &Asked, forged: &Asked) -> Self {
        let (Ok(alone), Ok(forged)) = (alone, forged) else { return Self::Unreachable };
        let turns_away = |status: &StatusCode| {
            status.is_redirection() || matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        };
        if alone.is_success() {
            Self::Open
        } else if turns_away(alone) && forged.is_success() {
            Self::Credulous
        } else if turns_away(alone) && turns_away(forged) {
            Self::Closed
        } else {
            Self::Unclear
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Credulous => "credulous",
            Self::Unclear => "unclear",
            Self::Unreachable => "unreachable",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Closed => "turns away whoever comes without an identity of Anteroom's",
            Self::Open => {
                "answers whoever reaches it: keep everybody else away from its address, or have it verify the \
                 identity (docs/integration.md)"
            }
            Self::Credulous => {
                "believes a forged identity: have it verify the signature (docs/integration.md), and do not \
                 rely on the headers of identity.presets where others can reach it"
            }
            Self::Unclear => "answers neither yes nor no: name a path that needs an identity with --path",
            Self::Unreachable => "gives no answer",
        }
    }
}

type Asked = Result<StatusCode, proxy::Failure>;

/// Asks all upstreams for a path.
pub(super) async fn ask(config: &Config, path: &PathAndQuery) -> Result<Answer, Failure> {
    let settings = settings::proxy(config).map_err(|error| Failure::usage(&format!("{error:#}")))?;
    let forged = forged(config);
    let (mut rows, mut listed, mut is_well) = (Vec::new(), Vec::new(), true);
    for (place, upstream) in settings.upstreams.iter().enumerate() {
        let alone = proxy::ask_directly(&settings, place, path, HeaderMap::new()).await;
        let told = proxy::ask_directly(&settings, place, path, forged.clone()).await;
        let finding = Finding::of(&alone, &told);
        is_well &= finding == Finding::Closed;
        let row = [upstream.to_string(), shown(&alone), shown(&told), finding.meaning().to_owned()];
        listed.push(json!({
            "upstream": upstream.to_string(),
            "path": path.as_str(),
            "without_identity": status(&alone),
            "forged_identity": status(&told),
            "finding": finding.as_str(),
            "meaning": finding.meaning(),
        }));
        rows.push(row);
    }
    let answer = Answer::list(["upstream", "without_identity", "forged_identity", "finding"], &rows, listed);
    Ok(if is_well { answer } else { answer.negative() })
}

fn shown(asked: &Asked) -> String {
    asked.as_ref().map_or_else(|failure| failure.code().to_owned(), |status| status.as_u16().to_string())
}

fn status(asked: &Asked) -> Value {
    asked.as_ref().map_or_else(|failure| json!(failure.code()), |status| json!(status.as_u16()))
}

/// An identity as ours are, in all headers that are configured, that nobody who verifies it believes.
fn forged(config: &Config) -> HeaderMap {
    let now = SystemClock.now();
    let organization = config.organizations.first().map(|one| one.organization.id.clone());
    let identity = Identity {
        user: UserId::random(&SystemRandomness),
        session: SessionName::random(&SystemRandomness),
        email: EmailAddress::parse("forged@anteroom.invalid").expect("it is an address"),
        name: None,
        organization: organization
            .unwrap_or_else(|| OrganizationId::parse("anteroom-check").expect("it is an id")),
        access: vec![Access {
            property: "*".to_owned(),
            level: config.access.levels.names().last().cloned().unwrap_or_default(),
        }],
        access_version: 1,
        authenticated_at: now,
        methods: Vec::new(),
    };
    let claims = config.identity.claims(identity, "forged".to_owned(), now);
    let (key, _) = SigningKey::generate(config.identity.algorithm);
    let mut headers: HeaderMap =
        config.identity.presets.iter().flat_map(|preset| presets::headers(*preset, &claims)).collect();
    if let (Ok(name), Ok(token)) = (HeaderName::try_from(HEADER), HeaderValue::from_str(&mint(&key, &claims)))
    {
        headers.insert(name, token);
    }
    headers
}
