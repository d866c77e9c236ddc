//! `[[route]]`: what holds for the requests of some paths and not for others.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::time::Duration;

use crate::proxy::{Route, Routes};
use crate::target::PathRule;

use super::reading::{Read, Reading};
use super::{app, file, size, time};

/// Reads the routes; what one does not say is as everywhere.
pub(super) fn read(typed: &[file::Route], reading: &mut Reading<'_>) -> Read<Routes> {
    let mut paths: Vec<PathRule> = Vec::new();
    let mut routes = Vec::new();
    for (index, typed) in typed.iter().enumerate() {
        let at = format!("route[{index}]");
        let route = one(&at, typed, reading);
        if let Ok(route) = &route {
            if paths.contains(&route.path) {
                let message = format!("{:?} has a route already", route.path.as_str());
                reading.findings.refuse(
                    &format!("{at}.path"),
                    message,
                    "write all that holds for it into one",
                );
            }
            paths.push(route.path.clone());
        }
        routes.push(route);
    }
    Ok(Routes::new(routes.into_iter().collect::<Read<_>>()?))
}

fn one(at: &str, typed: &file::Route, reading: &mut Reading<'_>) -> Read<Route> {
    let remedy = "write the path that it is for, e.g. path = \"/uploads/\"; \"/\" is every path";
    let path = reading.required(&format!("{at}.path"), typed.path.as_deref(), remedy, |text| {
        if text == "/" { Ok(PathRule::everything()) } else { app::path_rule(text) }
    });
    let body_max = reading.optional(&format!("{at}.body_max"), typed.body_max.as_deref(), size::parse);
    let mut within = |name: &str, typed: &Option<String>, max| {
        let parse = |text: &str| time::parse(text, Duration::from_secs(1), max);
        reading.optional(&format!("{at}.{name}"), typed.as_deref(), parse)
    };
    let body_timeout = within("body_timeout", &typed.body_timeout, BODY_TIMEOUT_MAX);
    let response_timeout = within("response_timeout", &typed.response_timeout, RESPONSE_TIMEOUT_MAX);
    let route = Route {
        path: path?,
        body_max: body_max?,
        body_timeout: body_timeout?,
        response_timeout: response_timeout?,
    };
    let is_of_use =
        route.body_max.is_some() || route.body_timeout.is_some() || route.response_timeout.is_some();
    if !is_of_use {
        let message = "says nothing about its requests";
        reading.findings.refuse(
            at,
            message,
            "write body_max, body_timeout or response_timeout, or remove it",
        );
    }
    Ok(route)
}

/// A day, which nobody uploads longer.
const BODY_TIMEOUT_MAX: Duration = Duration::from_hours(24);
/// As long as `app.upstream_response_timeout` may be.
const RESPONSE_TIMEOUT_MAX: Duration = Duration::from_hours(1);
