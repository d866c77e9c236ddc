//! Every sentence of a mail, in English.
//!
//! Separate from how a letter is put together. Texts from outside pass `plain` here, each by how far its writer is
//! trusted: names and what people say about themselves can hold no link, what the support team writes can.

use jiff::Timestamp;

use super::render::Section;
use super::{Access, Notice, Request, Words, link, plain};

/// The subject of a letter that tells all of these; they are of one topic, the newest last.
pub(super) fn subject(notices: &[&Notice], words: &Words) -> String {
    let application = plain::line(&words.application_name);
    let count = notices.len();
    let all = |is: fn(&Notice) -> bool| count > 1 && notices.iter().all(|notice| is(notice));
    if all(|notice| matches!(notice, Notice::SomebodyWaits { .. })) {
        return format!("{count} people wait for access to {application}");
    }
    if all(|notice| matches!(notice, Notice::RequestReceived { .. })) {
        return format!("{count} New User requests for {application}");
    }
    notices.last().map_or_else(|| application.clone(), |notice| one_subject(notice, &application))
}

fn one_subject(notice: &Notice, application: &str) -> String {
    match notice {
        Notice::AccessGranted { .. } => format!("You have access to {application}"),
        Notice::AccessDenied { .. } => format!("You have not been given access to {application}"),
        Notice::AccessDelayed { .. } => format!("Your access to {application} takes a little longer"),
        Notice::RequestApproved { request, .. } => {
            format!("{} has access to {application} ({})", person(request), plain::line(&request.id))
        }
        Notice::RequestDenied { request, .. } => format!(
            "{} has not been given access to {application} ({})",
            person(request),
            plain::line(&request.id)
        ),
        Notice::InformationNeeded { request, .. } => {
            format!("A question about your request for {} ({})", person(request), plain::line(&request.id))
        }
        Notice::RequestReceived { request, .. } => format!(
            "New User request {}: {}, {}",
            plain::line(&request.id),
            person(request),
            plain::line(&request.organization)
        ),
        Notice::QueueDigest { counts, .. } => {
            let open: u64 = counts.iter().map(|(_, count)| count).sum();
            let noun = if open == 1 { "request is" } else { "requests are" };
            format!("{open} New User {noun} open at {application}")
        }
        Notice::SomebodyWaits { email, name, .. } => {
            format!("{} waits for access to {application}", who(name.as_deref(), email))
        }
    }
}

/// What a letter says about one notice.
pub(super) fn section(notice: &Notice, words: &Words) -> Section {
    match notice {
        Notice::AccessGranted { organization, access, note } => {
            access_granted(organization, access, note.as_deref(), words)
        }
        Notice::AccessDenied { organization, property, reason } => {
            access_denied(organization, property, reason, words)
        }
        Notice::AccessDelayed { organization, property, question } => {
            access_delayed(organization, property, question, words)
        }
        Notice::RequestApproved { request, access, note } => {
            request_approved(request, access, note.as_deref(), words)
        }
        Notice::RequestDenied { request, reason } => request_denied(request, reason, words),
        Notice::InformationNeeded { request, question } => information_needed(request, question, words),
        Notice::RequestReceived { request, requester, note } => {
            request_received(request, requester, note.as_deref(), words)
        }
        Notice::QueueDigest { counts, oldest_at } => queue_digest(counts, *oldest_at, words),
        Notice::SomebodyWaits { organization, email, name, property, workplace } => {
            let (name, property) = (name.as_deref(), property.as_deref());
            somebody_waits(&Newcomer { organization, email, name, property, workplace }, words)
        }
    }
}

/// The lines below a letter: why somebody gets it, and whom to ask.
pub(super) fn foot(notices: &[&Notice], words: &Words) -> Vec<String> {
    let application = plain::line(&words.application_name);
    let is_for_support =
        |notice: &&Notice| matches!(notice, Notice::RequestReceived { .. } | Notice::QueueDigest { .. });
    if notices.iter().all(is_for_support) {
        return vec![format!(
            "{application} sends this to the address of its support team. Each request is told once, and once a \
             day what is still open."
        )];
    }
    let is_for_manager = |notice: &&Notice| matches!(notice, Notice::SomebodyWaits { .. });
    let mut lines = vec![if notices.iter().all(is_for_manager) {
        format!("You get this because you may ask for access to {application} for your colleagues.")
    } else {
        format!("You get this because somebody asked for access to {application}.")
    }];
    if let Some(address) = &words.support_email {
        lines.push(format!("Questions? Write to {address}."));
    }
    lines
}

fn access_granted(organization: &str, access: &[Access], note: Option<&str>, words: &Words) -> Section {
    let application = plain::line(&words.application_name);
    Section {
        heading: format!("You have access to {application}"),
        paragraphs: vec![format!(
            "The support team has let you in as one of {}. If the Waiting Room is still open in your browser, it \
             moves on by itself.",
            plain::line(organization)
        )],
        facts: granted(access),
        quote: from_support(note),
        action: Some((format!("Open {application}"), link::application(&words.application_url))),
    }
}

fn access_denied(organization: &str, property: &str, reason: &str, words: &Words) -> Section {
    let application = plain::line(&words.application_name);
    Section {
        heading: format!("You have not been given access to {application}"),
        paragraphs: vec![
            format!(
                "Somebody at {} asked for your access to {}, and the support team has decided against it.",
                plain::line(organization),
                plain::line(property)
            ),
            "If you think that this is a mistake, please talk to your manager, who can ask again.".to_owned(),
        ],
        facts: Vec::new(),
        quote: from_support(Some(reason)),
        action: Some(("See how things stand".to_owned(), link::waiting_room(&words.application_url))),
    }
}

fn access_delayed(organization: &str, property: &str, question: &str, words: &Words) -> Section {
    let application = plain::line(&words.application_name);
    Section {
        heading: format!("Your access to {application} takes a little longer"),
        paragraphs: vec![format!(
            "Before the support team can decide on your access to {} at {}, it has to know something. Whoever asked \
             for you has been asked; there is nothing that you have to do. If you know the answer, tell them.",
            plain::line(property),
            plain::line(organization)
        )],
        facts: Vec::new(),
        quote: from_support(Some(question)),
        action: Some(("See how things stand".to_owned(), link::waiting_room(&words.application_url))),
    }
}

fn request_approved(request: &Request, access: &[Access], note: Option<&str>, words: &Words) -> Section {
    let application = plain::line(&words.application_name);
    let mut facts = identity(request);
    facts.extend(granted(access));
    Section {
        heading: format!("{} has access to {application}", person(request)),
        paragraphs: vec![
            "The support team has approved the request that you filed. We have told the new user.".to_owned(),
        ],
        facts,
        quote: from_support(note),
        action: Some(("See your requests".to_owned(), link::manage(&words.application_url))),
    }
}

fn request_denied(request: &Request, reason: &str, words: &Words) -> Section {
    let application = plain::line(&words.application_name);
    Section {
        heading: format!("{} has not been given access to {application}", person(request)),
        paragraphs: vec![
            "The support team has decided against the request that you filed. You can file another one at any \
             time."
                .to_owned(),
        ],
        facts: wanted(request),
        quote: from_support(Some(reason)),
        action: Some(("See your requests".to_owned(), link::manage(&words.application_url))),
    }
}

fn information_needed(request: &Request, question: &str, words: &Words) -> Section {
    Section {
        heading: format!("A question about your request for {}", person(request)),
        paragraphs: vec![
            "The support team cannot decide on the request that you filed before it knows more. Please answer on \
             the page with your requests; an answer to this mail does not reach the request."
                .to_owned(),
        ],
        facts: wanted(request),
        quote: from_support(Some(question)),
        action: Some(("Answer the question".to_owned(), link::manage(&words.application_url))),
    }
}

fn request_received(request: &Request, requester: &str, note: Option<&str>, words: &Words) -> Section {
    let mut facts = wanted(request);
    facts.push(("Asked for by", plain::line(requester)));
    Section {
        heading: format!("New User request {}", plain::line(&request.id)),
        paragraphs: vec![format!("{} waits for a decision of the support team.", person(request))],
        facts,
        quote: note.map(|note| ("The requester wrote:".to_owned(), quoted(&plain::lines(note)))),
        action: Some((
            format!("Open {}", plain::line(&request.id)),
            link::request(&words.application_url, &request.id),
        )),
    }
}

fn queue_digest(counts: &[(String, u64)], oldest_at: Timestamp, words: &Words) -> Section {
    let mut facts: Vec<(&'static str, String)> =
        counts.iter().map(|(state, count)| (state_name(state), count.to_string())).collect();
    facts.push(("Oldest", format!("filed on {}", moment(oldest_at))));
    Section {
        heading: "Open New User requests".to_owned(),
        paragraphs: vec!["These requests wait for a decision or an answer.".to_owned()],
        facts,
        quote: None,
        action: Some(("Open the queue".to_owned(), link::queue(&words.application_url))),
    }
}

/// Somebody in the Waiting Room.
struct Newcomer<'a> {
    organization: &'a str,
    email: &'a str,
    name: Option<&'a str>,
    property: Option<&'a str>,
    workplace: &'a str,
}

fn somebody_waits(newcomer: &Newcomer<'_>, words: &Words) -> Section {
    let Newcomer { organization, email, name, property, workplace } = *newcomer;
    let application = plain::line(&words.application_name);
    let person = who(name, email);
    let mut facts = Vec::new();
    if let Some(name) = name {
        facts.push(("Name", plain::name(name)));
    }
    facts.push(("E-mail", plain::line(email)));
    facts.push(("Organization", plain::line(organization)));
    facts.push(("Says to work at", plain::name(workplace)));
    Section {
        heading: format!("{person} waits for access to {application}"),
        paragraphs: vec![
            format!(
                "{person} has signed in with an account of {} and cannot use {application} yet.",
                plain::line(organization)
            ),
            "If you know this person, you can ask the support team for access; the form is filled in already. \
             If you do not, there is nothing that you have to do."
                .to_owned(),
        ],
        facts,
        quote: None,
        action: Some((
            "Ask for access".to_owned(),
            link::new_user(&words.application_url, property, email, name),
        )),
    }
}

/// The person that a request is for.
fn person(request: &Request) -> String {
    who(request.name.as_deref(), &request.email)
}

/// A name, or failing that the address.
fn who(name: Option<&str>, email: &str) -> String {
    let name = name.map(plain::name).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| plain::line(email))
}

fn identity(request: &Request) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Request", plain::line(&request.id))];
    if let Some(name) = &request.name {
        facts.push(("Name", plain::name(name)));
    }
    facts.push(("E-mail", plain::line(&request.email)));
    facts.push(("Organization", plain::line(&request.organization)));
    facts
}

fn wanted(request: &Request) -> Vec<(&'static str, String)> {
    let mut facts = identity(request);
    facts.push(("Property", plain::line(&request.property)));
    facts.push(("Level", plain::line(&request.level)));
    facts
}

fn granted(access: &[Access]) -> Vec<(&'static str, String)> {
    let fact = |access: &Access| {
        let until = access.until.map(|until| format!(", until {}", moment(until))).unwrap_or_default();
        let (property, level) = (plain::line(&access.property), plain::line(&access.level));
        ("Access", format!("{property}: {level}{until}"))
    };
    access.iter().map(fact).collect()
}

fn from_support(text: Option<&str>) -> Option<(String, Vec<String>)> {
    let lines = quoted(&plain::trusted_lines(text?));
    Some(("The support team wrote:".to_owned(), lines))
}

fn quoted(text: &str) -> Vec<String> {
    text.trim().lines().map(ToOwned::to_owned).collect()
}

/// A state of a request for people; another one is told by what it is called in JSON.
fn state_name(state: &str) -> &'static str {
    match state {
        "received" => "Received",
        "in_work" => "In work",
        "needs_info" => "Waiting for an answer",
        "approved" => "Approved",
        "denied" => "Denied",
        _ => "Other",
    }
}

/// A moment for people: to the minute, in UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
