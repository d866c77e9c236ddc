//! From the valid configuration to the settings of each part.
//!
//! Separate because it is made of one function for each part, and nothing else: a new key is threaded through
//! here.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderName;

use crate::admin;
use crate::config::Config;
use crate::config::listen::Pair;
use crate::federation;
use crate::id::ConnectionId;
use crate::mail;
use crate::mail::smtp::Smtp;
use crate::pages::{self, Brand};
use crate::proxy::{self, PublicUrl, Tallies, TrustedProxies};
use crate::routes::cookies::Transport;
use crate::routes::{self, site::Sites};
use crate::saml;
use crate::server::{self, Certificates, KeyPair, Limits};
use crate::sign_on;
use crate::sign_on::connections::Connection;

use super::Sources;

/// What sign-on needs to know.
pub(crate) fn sign_on(config: &Config) -> sign_on::Settings {
    let declared = config.organizations.iter().filter_map(|declared| {
        Some(Connection {
            id: ConnectionId::parse(declared.organization.id.as_str())
                .expect("an organization's id has the form of a connection's"),
            organization: declared.organization.clone(),
            idp: Arc::clone(declared.idp()?),
            options: Arc::clone(&declared.options),
        })
    });
    sign_on::Settings {
        service_provider: Arc::new(saml::ServiceProvider::new(
            config.saml.entity_id.clone(),
            config.saml.acs_url.clone(),
            config.saml.keys.clone(),
        )),
        lifetimes: config.session,
        single_logout: config.single_logout,
        polling_paths: config.session_paths.polling.clone(),
        repeat_posts: config.session_paths.repeat_posts.clone(),
        public_paths: config.app.public_paths.clone(),
        identity: config.identity.clone(),
        declared: declared.collect(),
    }
}

/// What the use cases of provisioning need to know.
pub(crate) fn admin(config: &Config) -> admin::Settings {
    let declared = config.organizations.iter().filter_map(|declared| {
        Some(admin::DeclaredProvider {
            organization: declared.organization.id.clone(),
            idp: Arc::clone(declared.idp()?),
            options: Arc::clone(&declared.options),
        })
    });
    admin::Settings {
        levels: config.access.levels.clone(),
        may_request: config.access.may_request.clone(),
        support_self_level: config.access.support_self_level.clone(),
        second_approval: config.access.second_approval,
        support_email: config.app.support_email.clone(),
        service_provider: admin::ServiceProvider {
            entity_id: config.saml.entity_id.clone(),
            acs_url: config.saml.acs_url.clone(),
            app_url: config.app.url.clone(),
            certificate: config.saml.keys.first().map(|key| key.certificate().pem()),
        },
        declared: declared.collect(),
        fetcher: Arc::clone(&config.saml.fetcher),
        metadata_refresh: config.saml.metadata_refresh,
    }
}

/// What fetching metadata needs to know.
pub(crate) fn federation(config: &Config) -> federation::Settings {
    let taken = config.organizations.iter().filter_map(|declared| {
        Some((declared.organization.id.clone(), declared.idp()?.entity_id().to_owned()))
    });
    federation::Settings {
        fetcher: Arc::clone(&config.saml.fetcher),
        every: config.saml.metadata_refresh,
        taken: taken.collect(),
    }
}

/// What the routes need to know; what has been counted of the upstreams goes on.
pub(super) fn routes(config: &Config, tallies: Tallies) -> anyhow::Result<routes::Settings> {
    let transport = if config.app.url.scheme() == "https" { Transport::Tls } else { Transport::Plain };
    Ok(routes::Settings {
        sites: Sites::new(config.app.url.clone(), config.saml.acs_url.clone()),
        transport,
        brand: Brand::new(brand(config)),
        other_url: config.other_sign_on_url.clone(),
        limits: config.limits,
        proxy: Arc::new(proxy::Settings { tallies, ..proxy(config)? }),
        forward_auth: config.forward_auth.clone(),
    })
}

/// What mail needs to know.
pub(super) fn mail(config: &Config) -> anyhow::Result<mail::Settings> {
    let route = match &config.mail.route {
        Some((server, from)) => {
            let smtp = Smtp::new(server.clone(), &config.app.url).context("mail.smtp")?;
            Some(mail::Route { transport: Arc::new(smtp), from: from.clone() })
        }
        None => None,
    };
    Ok(mail::Settings { words: words(config), route, digest: config.mail.digest })
}

/// What letters name.
pub(crate) fn words(config: &Config) -> mail::Words {
    mail::Words {
        application_name: config.app.name.as_str().to_owned(),
        application_url: config.app.url.clone(),
        support_email: config.app.support_email.clone(),
    }
}

fn brand(config: &Config) -> pages::Settings {
    pages::Settings {
        application_name: config.app.name.as_str().to_owned(),
        application_url: config.app.url.as_str().to_owned(),
        support_email: config.app.support_email.clone(),
        accent: config.brand.accent.unwrap_or_default(),
        logo: config.brand.logo.clone(),
    }
}

/// How requests are forwarded.
pub(crate) fn proxy(config: &Config) -> anyhow::Result<proxy::Settings> {
    let upstreams = &config.app.upstreams;
    let public_url = PublicUrl::parse(config.app.url.as_str()).context("app.url")?;
    let presets = crate::identity::presets::HEADER_NAMES;
    let identity_header_names = presets.iter().map(|name| HeaderName::try_from(*name));
    Ok(proxy::Settings {
        own_cookie_names: Transport::all_names(),
        identity_header_names: identity_header_names.collect::<Result<_, _>>()?,
        tls: upstreams.tls.clone(),
        balance: upstreams.balance.clone(),
        reuse: upstreams.reuse,
        timeouts: upstreams.timeouts,
        routes: config.routes.clone(),
        ..proxy::Settings::new(upstreams.addresses.clone(), public_url)
    })
}

/// The public listener; of the sockets that were handed over it gets the first.
pub(super) fn public_listener(
    config: &Config,
    certificates: Option<Arc<Certificates>>,
    inherited: &[Arc<TcpListener>],
    sources: &Sources,
) -> server::Settings {
    let room = config.listen.room;
    server::Settings {
        certificates,
        inherited: inherited.iter().take(1).cloned().collect(),
        sharing: config.listen.sharing,
        trusted_proxies: TrustedProxies::new(config.listen.trusted_proxies.iter().copied()),
        greeting: config.listen.greeting,
        sockets: config.listen.sockets,
        limits: Limits {
            connections_max: room.connections,
            connections_per_address: room.connections_per_address,
            when_full: room.when_full,
            grace: room.grace,
            ..Limits::default()
        },
        ..server::Settings::new(vec![config.listen.public], Arc::clone(&sources.randomness))
    }
}

/// The ops listener: probes are few, one core is enough. Of the sockets that were handed over it gets the second.
pub(super) fn ops_listener(
    config: &Config,
    inherited: &[Arc<TcpListener>],
    sources: &Sources,
) -> server::Settings {
    server::Settings {
        inherited: inherited.iter().skip(1).take(1).cloned().collect(),
        sharing: config.listen.sharing,
        workers: Some(std::num::NonZero::<usize>::MIN),
        ..server::Settings::new(vec![config.listen.ops], Arc::clone(&sources.randomness))
    }
}

/// The certificates of the public listener.
pub(super) fn key_pairs(pairs: &[Pair]) -> Vec<KeyPair> {
    pairs.iter().map(|pair| pair.octets.clone()).collect()
}
