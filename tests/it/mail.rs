//! E-mail from outside: what letters say, when they are sent, and that none is lost or sent twice.
//!
//! Separate by concern below; what they share stands here.

mod courier;
mod crashes;
mod delivery;
mod house;
mod letters;
mod peers;
pub(crate) mod receiver;

use anteroom::email::EmailAddress;
use anteroom::mail::{Access, Notice, Request, Words};

/// What the operator of most tests chose.
pub(crate) fn words() -> Words {
    Words {
        application_name: "ServusConnect".to_owned(),
        application_url: "https://app.example.com".parse().expect("a URL"),
        support_email: Some(address("support@servusconnect.example")),
    }
}

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// A request for somebody of that name.
pub(crate) fn request(name: Option<&str>) -> Request {
    Request {
        id: "R-ABCDEFGHJK".to_owned(),
        email: "noah.lind@contoso.com".to_owned(),
        name: name.map(ToOwned::to_owned),
        organization: "Contoso Residential".to_owned(),
        property: "Tower One".to_owned(),
        level: "technician".to_owned(),
    }
}

/// Access to one property, until a moment.
pub(crate) fn access() -> Vec<Access> {
    vec![Access {
        property: "Tower One".to_owned(),
        level: "technician".to_owned(),
        until: Some("2027-03-01T00:00:00Z".parse().expect("a time")),
    }]
}

/// Every kind of notice once, with that text in the place of every text that somebody outside can choose.
pub(crate) fn every_kind(text: &str) -> Vec<Notice> {
    let (owned, request) = (text.to_owned(), request(Some(text)));
    let organization = "Contoso Residential".to_owned();
    let property = "Tower One".to_owned();
    vec![
        Notice::AccessGranted {
            organization: organization.clone(),
            access: access(),
            note: Some("Welcome.\nAsk Ada: https://help.example/a".to_owned()),
        },
        Notice::AccessDenied {
            organization: organization.clone(),
            property: property.clone(),
            reason: "Not one of us.".to_owned(),
        },
        Notice::AccessDelayed {
            organization: organization.clone(),
            property,
            question: "Which tower?".to_owned(),
        },
        Notice::RequestApproved { request: request.clone(), access: access(), note: None },
        Notice::RequestDenied { request: request.clone(), reason: "Not one of us.".to_owned() },
        Notice::InformationNeeded { request: request.clone(), question: "Which tower?".to_owned() },
        Notice::RequestReceived {
            request,
            requester: "mia.berg@contoso.com".to_owned(),
            note: Some(owned.clone()),
        },
        Notice::QueueDigest {
            counts: vec![("received".to_owned(), 2), ("needs_info".to_owned(), 1)],
            oldest_at: "2026-11-20T08:30:00Z".parse().expect("a time"),
        },
        Notice::SomebodyWaits {
            organization,
            email: "noah.lind@contoso.com".to_owned(),
            name: Some(owned.clone()),
            property: Some("tower".to_owned()),
            workplace: owned,
        },
    ]
}
