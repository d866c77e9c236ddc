//! `[forward_auth]`: which proxy asks about requests that it forwards itself, and from where.
//!
//! Separate, as every section has a file with its valid form and its rules. Without a proxy it is off; with one it
//! needs to know whom to believe, as whoever may ask is told who somebody is (T-D2).

use crate::proxy::TrustedProxies;
use crate::routes::forward_auth::{ForwardAuth, Front};

use super::reading::{Fault, Read, Reading, Told};
use super::{file, listen};

pub(super) fn read(typed: &file::ForwardAuth, reading: &mut Reading<'_>) -> Read<Option<ForwardAuth>> {
    let front = reading.optional("forward_auth.proxy", typed.proxy.as_deref(), front);
    let peers =
        reading.list("forward_auth.trusted_peers", typed.trusted_peers.as_deref(), listen::trusted_network);
    let (front, peers) = (front?, peers?);
    match (front, peers.is_empty()) {
        (None, true) => Ok(None),
        (Some(front), false) => Ok(Some(ForwardAuth { front, peers: TrustedProxies::new(peers) })),
        (Some(_), true) => {
            let remedy =
                "write the addresses that the proxy connects from, e.g. trusted_peers = [\"10.0.0.5\"]";
            reading.findings.missing("forward_auth.trusted_peers", remedy);
            Err(Told)
        }
        (None, false) => {
            let remedy = "write which proxy it is, e.g. proxy = \"nginx\", or remove trusted_peers";
            reading.findings.missing("forward_auth.proxy", remedy);
            Err(Told)
        }
    }
}

fn front(text: &str) -> Result<Front, Fault> {
    Front::parse(text).ok_or_else(|| {
        let names = Front::ALL.map(|front| format!("{:?}", front.as_str())).join(", ");
        Fault::new(format!("{text:?} is no proxy that is known here"), format!("write one of {names}"))
    })
}
