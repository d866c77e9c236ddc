//! What holds for some paths of the application and not for others.
//!
//! Separate because it is chosen once for each request, by the canonical form of its target, and everything behind that
//! reads what was chosen.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use crate::target::{PathRule, RequestTarget};

use super::Timeouts;

/// The limits of requests, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(Arc<[Route]>);

/// The limits of the requests for some paths; what is `None` is as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The paths.
    pub path: PathRule,
    /// The largest body of a request, in bytes; `None` is any.
    pub body_max: Option<NonZero<u64>>,
    /// How long the body of a request may take, from its head to its end; `None` is as long as it comes at all.
    pub body_timeout: Option<Duration>,
    /// How long the application may take from the end of a request to the beginning of its response.
    pub response_timeout: Option<Duration>,
}

/// The limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) body_max: Option<NonZero<u64>>,
    pub(super) body_timeout: Option<Duration>,
    pub(super) first_byte: Duration,
}

impl Routes {
    /// Routes in any order: of those that cover a path the narrowest holds.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        // A rule for one path is longer than any that covers more than it.
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.as_str().len()));
        Self(routes.into())
    }

    /// The route of a target, if it has one.
    #[must_use]
    pub fn of(&self, target: &RequestTarget) -> Option<&Route> {
        self.0.iter().find(|route| route.path.covers(target))
    }

    pub(super) fn limits(&self, target: &RequestTarget, timeouts: &Timeouts) -> Limits {
        let route = self.of(target);
        Limits {
            body_max: route.and_then(|route| route.body_max),
            body_timeout: route.and_then(|route| route.body_timeout),
            first_byte: route.and_then(|route| route.response_timeout).unwrap_or(timeouts.first_byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Route {
        let path = if path == "/" { PathRule::everything() } else { PathRule::parse(path).unwrap() };
        Route { path, body_max: None, body_timeout: None, response_timeout: None }
    }

    #[test]
    fn the_narrowest_route_of_a_path_holds() {
        let routes = Routes::new(["/", "/files/", "/files/new", "/files/new/"].map(at).to_vec());
        for (path, route) in [
            ("/", "/"),
            ("/files", "/"),
            ("/files/", "/files/"),
            ("/files/old?/files/new", "/files/"),
            ("/files/new", "/files/new"),
            ("/files/new/", "/files/new/"),
            ("/files/new/one", "/files/new/"),
            ("/files/newer", "/files/"),
        ] {
            let target = RequestTarget::parse(&path.parse().unwrap()).unwrap();
            assert_eq!(routes.of(&target).unwrap().path.as_str(), route, "{path}");
        }
        let target = RequestTarget::parse(&"/other".parse().unwrap()).unwrap();
        assert_eq!(Routes::new(vec![at("/files/")]).of(&target), None);
    }
}
