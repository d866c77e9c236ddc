//! The support console in every state.
//!
//! Separate from `pages` because states are many, and what holds for all of them is said there.

use anteroom::directory::request::{EventKind, State};
use anteroom::directory::{Membership, Role};
use anteroom::pages::support::{
    Agent, ApproveForm, Banner, Certificate, CheckLine, CheckResult, Claim, Confirm, ConflictLine,
    ConnectionTest, Done, Endpoint, Expiry, GrantForm, GrantLine, LastTest, MailLine, MailMessage, MailState,
    Mailbox, MetadataFacts, MetadataPreview, NewOrganization, OptionsFields, OptionsInForce,
    OrganizationFacts, OrganizationLine, OrganizationPage, OrganizationPreview, Organizations, OtherRequest,
    PersonFacts, PreviewWarning, PropertyLine, Proposal, ProviderFacts, Question, Queue, QueueCount,
    QueueRow, QueueState, Refusal, RequestLine, RequestPage, RequesterFacts, Section, SessionLine,
    SharedDomain, SignOnLine, SignOnOptions, SignOnOutcome, SignOns, Taken, TestState, Trace, UserPage,
    UserRow, Users, Warning,
};
use anteroom::pages::{ALL_PROPERTIES, Brand, Field, SelectItem};

use super::Filling;
use super::places::{DAY, HOUR, ago, history, refused_field, refused_select, select};

type Pages = Vec<(&'static str, String)>;

pub(super) fn console_pages(brand: &Brand, with: &Filling) -> Pages {
    [
        queues(brand, with),
        requests(brand, with),
        users(brand, with),
        organizations(brand, with),
        one_organization(brand, with),
        previews(brand, with),
        connection_tests(brand, with),
        sign_ons_and_mail(brand, with),
        confirmations(brand, with),
        refusals(brand, with),
    ]
    .concat()
}

fn agent(with: &Filling) -> Agent {
    Agent { name: with.person.to_owned() }
}

fn organization_items(with: &Filling, chosen: Option<&str>) -> Vec<SelectItem> {
    vec![
        SelectItem::new(with.reference, with.organization, chosen),
        SelectItem::new(with.code, with.headline, None),
    ]
}

fn grants(with: &Filling) -> Vec<GrantLine> {
    let grant = |scope: &str, property: &str, until| GrantLine {
        scope: scope.to_owned(),
        property: property.to_owned(),
        level: with.level.to_owned(),
        until,
    };
    vec![grant(with.reference, with.property, None), grant("*", ALL_PROPERTIES, Some(ago(-36 * DAY)))]
}

fn request_lines(with: &Filling) -> Vec<RequestLine> {
    let line = |state| RequestLine {
        id: with.reference.to_owned(),
        property: with.property.to_owned(),
        level: with.level.to_owned(),
        state,
        filed: ago(9 * DAY),
    };
    State::ALL.map(line).into()
}

fn queues(brand: &Brand, with: &Filling) -> Pages {
    let counts = QueueState::ALL.map(|state| QueueCount {
        state,
        count: 17,
        oldest: (state == QueueState::In(State::Received)).then(|| "3 days".to_owned()),
    });
    let row = |state, index: usize| QueueRow {
        id: with.reference.to_owned(),
        name: (index.is_multiple_of(2)).then(|| with.person.to_owned()),
        email: with.email.to_owned(),
        property: with.property.to_owned(),
        organization: with.organization.to_owned(),
        level: with.level.to_owned(),
        requester: with.person.to_owned(),
        filed: ago(if index.is_multiple_of(2) { 5 * HOUR } else { 20 * DAY }),
        state,
        agent: (index > 0).then(|| with.email.to_owned()),
        is_proposed: index == 1,
    };
    let queue = Queue {
        agent: agent(with),
        banner: None,
        state: QueueState::Open,
        text: String::new(),
        organizations: organization_items(with, None),
        is_mine: false,
        counts: counts.into(),
        rows: State::ALL.into_iter().zip(0..).map(|(state, index)| row(state, index)).collect(),
        page: 1,
        has_more: true,
    };
    let empty = |state| Queue { state, rows: Vec::new(), has_more: false, ..queue.clone() }.render(brand);
    vec![
        ("queue", queue.render(brand)),
        (
            "queue-filtered",
            Queue {
                text: with.sentence.to_owned(),
                organizations: organization_items(with, Some(with.reference)),
                is_mine: true,
                page: 2,
                banner: Some(Banner::Done(Done::RequestApproved)),
                ..queue.clone()
            }
            .render(brand),
        ),
        (
            "queue-no-match",
            Queue { text: with.sentence.to_owned(), rows: Vec::new(), has_more: false, ..queue.clone() }
                .render(brand),
        ),
        ("queue-empty", empty(QueueState::Open)),
        ("queue-empty-received", empty(QueueState::In(State::Received))),
        ("queue-empty-in-work", empty(QueueState::In(State::InWork))),
        ("queue-empty-needs-info", empty(QueueState::In(State::NeedsInfo))),
        ("queue-empty-approved", empty(QueueState::In(State::Approved))),
        ("queue-empty-denied", empty(QueueState::In(State::Denied))),
        ("queue-empty-all", empty(QueueState::All)),
    ]
}

fn request(with: &Filling) -> RequestPage {
    RequestPage {
        agent: agent(with),
        banner: None,
        id: with.reference.to_owned(),
        version: 4,
        state: State::Received,
        taken: Taken::ByNobody,
        property: with.property.to_owned(),
        scope: with.reference.to_owned(),
        level: with.level.to_owned(),
        note: Some(with.sentence.to_owned()),
        reason: None,
        filed: ago(5 * HOUR),
        person: PersonFacts {
            user_id: Some(with.reference.to_owned()),
            name: Some(with.person.to_owned()),
            email: with.email.to_owned(),
            state: Some(Membership::Waiting),
            grants: Vec::new(),
            last_sign_on: Some(ago(4 * HOUR)),
            workplace: Some(with.property.to_owned()),
            requests: Vec::new(),
        },
        requesters: vec![RequesterFacts {
            user_id: with.reference.to_owned(),
            name: Some(with.person.to_owned()),
            email: with.email.to_owned(),
            grants: grants(with),
            at: ago(5 * HOUR),
        }],
        organization: OrganizationFacts {
            id: with.reference.to_owned(),
            name: with.organization.to_owned(),
            domains: vec!["contoso.com".to_owned(), with.code.to_owned()],
            users: 412,
            properties: 1,
        },
        warnings: Vec::new(),
        proposal: None,
        history: history(with).into_iter().take(1).collect(),
        approve: ApproveForm { level: select(with), properties: select(with), ..ApproveForm::default() },
        question: Field::default(),
        deny_reason: Field::default(),
    }
}

fn warnings(with: &Filling) -> Vec<Warning> {
    let user_id = || with.reference.to_owned();
    let other = || OtherRequest { id: with.reference.to_owned(), property: with.property.to_owned() };
    vec![
        Warning::Conflict { user_id: user_id() },
        Warning::Disabled { user_id: user_id() },
        Warning::OtherRequests(vec![other(), other()]),
        Warning::HasAccess { access: grants(with) },
        Warning::OtherOrganization { user_id: user_id(), organization: with.organization.to_owned() },
        Warning::ForeignDomain,
        Warning::OrganizationPaused,
        Warning::PropertyRetired,
        Warning::RequesterMayNot { requester: with.person.to_owned() },
    ]
}

fn requests(brand: &Brand, with: &Filling) -> Pages {
    let page = request(with);
    let proposal =
        |may_confirm| Some(Proposal { agent: with.person.to_owned(), grants: grants(with), may_confirm });
    let stranger = PersonFacts {
        user_id: None,
        name: None,
        state: None,
        last_sign_on: None,
        workplace: None,
        requests: request_lines(with),
        ..page.person.clone()
    };
    vec![
        ("request", page.render(brand)),
        (
            "request-mine",
            RequestPage {
                state: State::InWork,
                taken: Taken::ByMe,
                scope: "*".to_owned(),
                property: ALL_PROPERTIES.to_owned(),
                note: None,
                person: stranger,
                history: history(with),
                banner: Some(Banner::Done(Done::RequestTaken)),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "request-of-another",
            RequestPage {
                state: State::InWork,
                taken: Taken::ByOther(with.person.to_owned()),
                warnings: warnings(with),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "request-stale",
            RequestPage {
                state: State::NeedsInfo,
                reason: Some(with.sentence.to_owned()),
                banner: Some(Banner::Stale {
                    actor: with.person.to_owned(),
                    kind: EventKind::Asked,
                    at: ago(120),
                }),
                ..page.clone()
            }
            .render(brand),
        ),
        ("request-problems", refused_request(&page, with).render(brand)),
        (
            "request-proposal",
            RequestPage { proposal: proposal(true), taken: Taken::ByMe, ..page.clone() }.render(brand),
        ),
        ("request-proposed", RequestPage { proposal: proposal(false), ..page.clone() }.render(brand)),
        ("request-approved", RequestPage { state: State::Approved, ..page.clone() }.render(brand)),
        (
            "request-denied",
            RequestPage { state: State::Denied, reason: Some(with.sentence.to_owned()), ..page }
                .render(brand),
        ),
    ]
}

fn refused_request(page: &RequestPage, with: &Filling) -> RequestPage {
    RequestPage {
        banner: Some(Banner::Refused(with.sentence.to_owned())),
        approve: ApproveForm {
            level: refused_select(with),
            properties: refused_select(with),
            is_for_all: true,
            until: refused_field(with),
            note: refused_field(with),
        },
        question: refused_field(with),
        deny_reason: refused_field(with),
        ..page.clone()
    }
}

fn sign_on_lines(with: &Filling) -> Vec<SignOnLine> {
    let text = |text: &str| Some(text.to_owned());
    let refused = |code: &str, expected, got| SignOnOutcome::Refused {
        code: code.to_owned(),
        explanation: with.lower.to_owned(),
        expected,
        got,
    };
    [
        SignOnOutcome::Accepted,
        refused("wrong_audience", text(with.path), text(with.url_text)),
        refused(with.code, None, None),
        SignOnOutcome::Unsolicited,
        SignOnOutcome::Other("session.signed_out".to_owned()),
        SignOnOutcome::Other(with.code.to_owned()),
    ]
    .into_iter()
    .zip(0..)
    .map(|(outcome, index)| SignOnLine {
        at: ago(index * HOUR),
        email: (index != 3).then(|| with.email.to_owned()),
        organization: (index != 3).then(|| with.organization.to_owned()),
        claimed: (index == 1 || index == 2)
            .then(|| Claim { whom: with.email.to_owned(), is_verified: index == 2 }),
        reference: (index == 1 || index == 2).then(|| with.reference.to_owned()),
        has_trace: index == 1,
        outcome,
    })
    .collect()
}

fn users(brand: &Brand, with: &Filling) -> Pages {
    let row = |state, role, index: usize| UserRow {
        id: with.reference.to_owned(),
        name: (index.is_multiple_of(2)).then(|| with.person.to_owned()),
        email: with.email.to_owned(),
        organization: with.organization.to_owned(),
        state,
        role,
        grants: index,
        last_sign_on: (index > 0).then(|| ago(3 * DAY)),
    };
    let list = Users {
        agent: agent(with),
        text: String::new(),
        organizations: organization_items(with, None),
        state: None,
        rows: vec![
            row(Membership::Waiting, Role::Member, 0),
            row(Membership::Active, Role::Support, 1),
            row(Membership::Disabled, Role::Member, 2),
        ],
        next_after: Some(with.email.to_owned()),
        is_continued: false,
    };
    let filtered = Users {
        text: with.sentence.to_owned(),
        organizations: organization_items(with, Some(with.reference)),
        state: Some(Membership::Active),
        is_continued: true,
        ..list.clone()
    };
    let page = user(with);
    vec![
        ("users", list.render(brand)),
        ("users-filtered", filtered.render(brand)),
        ("users-none", Users { rows: Vec::new(), next_after: None, ..filtered }.render(brand)),
        ("user", page.render(brand)),
        ("user-new", new_user(&page).render(brand)),
        (
            "user-disabled",
            UserPage {
                state: Membership::Disabled,
                role: Role::Support,
                banner: Some(Banner::Done(Done::Disabled)),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "user-conflict",
            UserPage {
                conflicts: ["1", "2"].map(|_| conflict(with)).into(),
                banner: Some(Banner::Refused(with.sentence.to_owned())),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "user-problems",
            UserPage {
                grant: GrantForm {
                    property: refused_select(with),
                    level: refused_select(with),
                    until: refused_field(with),
                },
                ..page
            }
            .render(brand),
        ),
    ]
}

fn conflict(with: &Filling) -> ConflictLine {
    ConflictLine {
        reference: with.reference.to_owned(),
        subject: with.subject.to_owned(),
        name: Some(with.person.to_owned()),
        at: ago(2 * HOUR),
    }
}

fn user(with: &Filling) -> UserPage {
    let session =
        || SessionLine { name: with.reference.to_owned(), begun: ago(6 * HOUR), last_seen: ago(90) };
    UserPage {
        agent: agent(with),
        banner: None,
        id: with.reference.to_owned(),
        name: Some(with.person.to_owned()),
        email: with.email.to_owned(),
        organization_id: with.reference.to_owned(),
        organization: with.organization.to_owned(),
        state: Membership::Active,
        role: Role::Member,
        subject: Some(with.subject.to_owned()),
        created: ago(400 * DAY),
        last_sign_on: Some(ago(6 * HOUR)),
        workplace: Some(with.property.to_owned()),
        grants: grants(with),
        grant: GrantForm { property: select(with), level: select(with), until: Field::with("2027-01-31") },
        conflicts: Vec::new(),
        sessions: vec![session(), session()],
        sign_ons: sign_on_lines(with),
        requests: request_lines(with),
        filed: request_lines(with),
    }
}

fn new_user(page: &UserPage) -> UserPage {
    UserPage {
        name: None,
        state: Membership::Waiting,
        subject: None,
        last_sign_on: None,
        workplace: None,
        grants: Vec::new(),
        grant: GrantForm::default(),
        sessions: Vec::new(),
        sign_ons: Vec::new(),
        requests: Vec::new(),
        filed: Vec::new(),
        ..page.clone()
    }
}

fn organizations(brand: &Brand, with: &Filling) -> Pages {
    let line = |expires: Option<Expiry>, is_declared| OrganizationLine {
        id: with.reference.to_owned(),
        name: with.organization.to_owned(),
        domains: vec!["contoso.com".to_owned(), with.code.to_owned()],
        provider: expires.is_some().then(|| with.button.to_owned()),
        paused: expires.is_none().then(|| ago(DAY)),
        note: expires.is_none().then(|| with.sentence.to_owned()),
        expires,
        is_declared,
        users: 1,
        properties: 14,
    };
    let list = Organizations {
        agent: agent(with),
        banner: None,
        rows: vec![
            line(Some(Expiry::Fine(ago(-400 * DAY))), true),
            line(Some(Expiry::Soon(ago(-20 * DAY))), false),
            line(Some(Expiry::Past(ago(3 * DAY))), false),
            line(None, false),
        ],
    };
    let form = NewOrganization {
        agent: agent(with),
        banner: None,
        name: Field::default(),
        id: Field::default(),
        domains: Field::default(),
        metadata_problem: None,
        metadata_url: Field::default(),
        entity_id: None,
    };
    vec![
        ("organizations", list.render(brand)),
        ("organizations-none", Organizations { rows: Vec::new(), ..list }.render(brand)),
        ("organization-new", form.render(brand)),
        (
            "organization-new-problems",
            NewOrganization {
                banner: Some(Banner::Refused(with.sentence.to_owned())),
                name: refused_field(with),
                id: refused_field(with),
                domains: refused_field(with),
                metadata_problem: Some(with.problem.to_owned()),
                metadata_url: refused_field(with),
                entity_id: Some(refused_field(with)),
                ..form
            }
            .render(brand),
        ),
    ]
}

fn metadata(with: &Filling) -> MetadataFacts {
    let endpoint = |purpose: &str| Endpoint {
        purpose: purpose.to_owned(),
        binding: "HTTP-Redirect".to_owned(),
        url: with.url_text.to_owned(),
    };
    let certificate = |expires| Certificate {
        subject: with.headline.to_owned(),
        fingerprint: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        expires,
    };
    MetadataFacts {
        entity_id: with.url_text.to_owned(),
        provider: with.button.to_owned(),
        endpoints: vec![endpoint("Sign on"), endpoint("Sign out")],
        certificates: vec![
            certificate(Expiry::Fine(ago(-400 * DAY))),
            certificate(Expiry::Past(ago(3 * DAY))),
        ],
        xml: with.sentence.to_owned(),
        url: Some(with.url_text.to_owned()),
        chosen: Some(with.code.to_owned()),
    }
}

fn organization(with: &Filling) -> OrganizationPage {
    let property = |users, retired| PropertyLine {
        id: with.reference.to_owned(),
        name: with.property.to_owned(),
        users,
        retired,
    };
    OrganizationPage {
        agent: agent(with),
        banner: None,
        id: with.reference.to_owned(),
        name: with.organization.to_owned(),
        domains: vec!["contoso.com".to_owned(), with.code.to_owned()],
        shared: Vec::new(),
        is_declared: false,
        paused: None,
        provider: Some(metadata(with)),
        notes: Vec::new(),
        is_fetched: true,
        checked: Some(ago(600)),
        metadata_changed: Some(ago(12 * DAY)),
        options: SignOnOptions {
            in_force: OptionsInForce {
                force_authn: true,
                authn_context: vec![with.url_text.to_owned()],
                name_id_format: Some(with.code.to_owned()),
                email_attributes: vec![with.code.to_owned(), with.sentence.to_owned()],
                name_attributes: vec![with.person.to_owned()],
                accept_expired_certificate: true,
            },
            form: Some(OptionsFields {
                force_authn: true,
                authn_context: Field::with(with.url_text),
                name_id_format: select(with),
                email_attributes: Field::with(with.sentence),
                name_attributes: Field::with(with.person),
                accept_expired_certificate: true,
            }),
        },
        values: ProviderFacts {
            identifier: "urn:amazon:cognito:sp:us-east-1_rlgU6e3y5".to_owned(),
            reply_url: "https://login.servusconnect.com/saml2/idpresponse".to_owned(),
            sign_on_url: with.url_text.to_owned(),
            metadata_url: "https://login.servusconnect.com/saml2/metadata".to_owned(),
            certificate: Some(with.reference.to_owned()),
        },
        last_test: None,
        properties: vec![property(12, None), property(1, None), property(0, Some(ago(40 * DAY)))],
        users: 412,
        outsiders: (0, Vec::new()),
        new_name: Field::with(with.organization),
        new_domains: Field::with(with.code),
        asks_for_shared: false,
        metadata_problem: None,
        metadata_url: Field::with(with.url_text),
        entity_id: None,
        property_id: Field::default(),
        property_name: Field::default(),
        table_problems: Vec::new(),
    }
}

fn one_organization(brand: &Brand, with: &Filling) -> Pages {
    let page = organization(with);
    let last_test = |passed| {
        Some(LastTest { id: with.reference.to_owned(), at: ago(600), agent: with.person.to_owned(), passed })
    };
    let shared = SharedDomain {
        domain: with.code.to_owned(),
        organization_id: with.reference.to_owned(),
        organization: with.organization.to_owned(),
    };
    vec![
        (
            "organization",
            OrganizationPage {
                banner: Some(Banner::Done(Done::OrganizationCreated)),
                last_test: last_test(None),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "organization-declared",
            OrganizationPage {
                is_declared: true,
                options: SignOnOptions { form: None, ..page.options.clone() },
                last_test: last_test(Some(true)),
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "organization-paused",
            OrganizationPage {
                paused: Some(ago(DAY)),
                provider: None,
                notes: vec![with.sentence.to_owned(), with.problem.to_owned()],
                metadata_changed: None,
                options: SignOnOptions::default(),
                properties: Vec::new(),
                // Without users it can be removed.
                users: 0,
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "organization-problems",
            OrganizationPage {
                shared: vec![shared],
                outsiders: (3, vec![with.email.to_owned()]),
                last_test: last_test(Some(false)),
                new_name: refused_field(with),
                new_domains: refused_field(with),
                asks_for_shared: true,
                metadata_problem: Some(with.problem.to_owned()),
                options: SignOnOptions {
                    form: Some(OptionsFields {
                        authn_context: refused_field(with),
                        name_id_format: refused_select(with),
                        email_attributes: refused_field(with),
                        name_attributes: refused_field(with),
                        ..OptionsFields::default()
                    }),
                    ..SignOnOptions::default()
                },
                metadata_url: refused_field(with),
                entity_id: Some(refused_field(with)),
                property_id: refused_field(with),
                property_name: refused_field(with),
                table_problems: vec![with.problem.to_owned(), with.sentence.to_owned()],
                ..page
            }
            .render(brand),
        ),
    ]
}

fn previews(brand: &Brand, with: &Filling) -> Pages {
    let organization = || with.organization.to_owned();
    let page = OrganizationPreview {
        agent: agent(with),
        name: organization(),
        id: with.reference.to_owned(),
        domains: vec!["contoso.com".to_owned(), with.code.to_owned()],
        facts: metadata(with),
        warnings: Vec::new(),
    };
    let shared = PreviewWarning::SharedDomain { domain: with.code.to_owned(), organization: organization() };
    let taken = PreviewWarning::EntityIdTaken {
        organization: organization(),
        organization_id: with.reference.to_owned(),
    };
    let other = PreviewWarning::Other(with.sentence.to_owned());
    let rotation = MetadataPreview {
        agent: agent(with),
        id: with.reference.to_owned(),
        name: organization(),
        facts: metadata(with),
        present: Some(metadata(with)),
        warnings: Vec::new(),
    };
    let changed = PreviewWarning::EntityIdChanged { before: with.url_text.to_owned() };
    vec![
        ("preview", page.render(brand)),
        (
            "preview-shared",
            OrganizationPreview {
                warnings: vec![shared, PreviewWarning::ExpiresSoon, other],
                ..page.clone()
            }
            .render(brand),
        ),
        (
            "preview-blocked",
            OrganizationPreview { warnings: vec![taken, PreviewWarning::AllExpired], ..page }.render(brand),
        ),
        ("preview-rotation", rotation.render(brand)),
        (
            "preview-rotation-changed",
            MetadataPreview { warnings: vec![changed], present: None, ..rotation.clone() }.render(brand),
        ),
        (
            "preview-rotation-lost",
            MetadataPreview { warnings: vec![PreviewWarning::EntityIdLost], present: None, ..rotation }
                .render(brand),
        ),
    ]
}

/// Every outcome that a check can have.
fn trace(with: &Filling) -> Trace {
    let check = |name: &str, result| CheckLine { name: name.to_owned(), result };
    let text = || Some(with.url_text.to_owned());
    let failed = |expected, got| {
        let (problem, remedy) = (with.sentence.to_owned(), with.sentence.to_owned());
        CheckResult::Failed { problem, expected, got, remedy }
    };
    let noted = CheckResult::Noted { remark: with.sentence.to_owned(), remedy: with.sentence.to_owned() };
    Trace {
        reference: with.reference.to_owned(),
        checks: vec![
            check("The message can be read", CheckResult::Passed { got: None }),
            check("It is meant for us", failed(text(), text())),
            check("It is valid now", failed(None, text())),
            check(with.headline, CheckResult::Passed { got: text() }),
            check("The name can be read", CheckResult::NotReached),
            check("No groups were left out", noted),
            check("It has not been used before", CheckResult::NotApplicable),
        ],
    }
}

fn connection_tests(brand: &Brand, with: &Filling) -> Pages {
    let test = |state| {
        ConnectionTest {
            agent: agent(with),
            organization_id: with.reference.to_owned(),
            organization: with.organization.to_owned(),
            begun: ago(45),
            state,
        }
        .render(brand)
    };
    let check = |name: &str, result| CheckLine { name: name.to_owned(), result };
    let passed = || CheckResult::Passed { got: None };
    let failed = |text: Option<&str>| CheckResult::Failed {
        problem: with.sentence.to_owned(),
        expected: text.map(str::to_owned),
        got: text.map(str::to_owned),
        remedy: with.sentence.to_owned(),
    };
    let email = CheckResult::Passed { got: Some(with.email.to_owned()) };
    vec![
        ("test-waiting", test(TestState::Waiting { sign_on_url: Some(with.url.to_owned()) })),
        ("test-waiting-plain", test(TestState::Waiting { sign_on_url: None })),
        (
            "test-passed",
            test(TestState::Finished(vec![
                check("The answer arrives", passed()),
                check(with.headline, email),
            ])),
        ),
        (
            "test-failed",
            test(TestState::Finished(vec![
                check("The answer arrives", passed()),
                check("It is meant for us", failed(Some(with.url_text))),
                check("It is recent", failed(None)),
                check(with.headline, CheckResult::NotReached),
            ])),
        ),
    ]
}

fn sign_ons_and_mail(brand: &Brand, with: &Filling) -> Pages {
    let list = SignOns {
        agent: agent(with),
        text: String::new(),
        rows: sign_on_lines(with),
        next_before: Some(4711),
        trace: None,
    };
    let found = SignOns { text: with.reference.to_owned(), next_before: None, ..list.clone() };
    let mail = |state| MailLine {
        id: 17,
        recipient: with.email.to_owned(),
        subject: with.headline.to_owned(),
        created: ago(2 * HOUR),
        state,
    };
    let failed = |attempts| MailState::Failed { error: with.lower.to_owned(), attempts, next: ago(-240) };
    let rows =
        vec![mail(MailState::Waiting), mail(failed(1)), mail(failed(4)), mail(MailState::Sent(ago(HOUR)))];
    let mailbox =
        Mailbox { agent: agent(with), is_connected: true, rows: rows.clone(), next_before: Some(12) };
    let message = |line: &MailLine, is_connected| {
        MailMessage { agent: agent(with), is_connected, line: line.clone(), text: with.sentence.to_owned() }
            .render(brand)
    };
    vec![
        ("sign-ons", list.render(brand)),
        ("sign-ons-trace", SignOns { trace: Some(trace(with)), ..found.clone() }.render(brand)),
        ("sign-ons-found", found.render(brand)),
        ("sign-ons-none", SignOns { text: String::new(), rows: Vec::new(), ..found.clone() }.render(brand)),
        ("sign-ons-no-match", SignOns { rows: Vec::new(), ..found }.render(brand)),
        ("mail", mailbox.render(brand)),
        (
            "mail-not-connected",
            Mailbox { is_connected: false, next_before: None, ..mailbox.clone() }.render(brand),
        ),
        ("mail-none", Mailbox { rows: Vec::new(), next_before: None, ..mailbox }.render(brand)),
        ("mail-message", message(&rows[2], true)),
        ("mail-message-kept", message(&rows[0], false)),
    ]
}

fn confirmations(brand: &Brand, with: &Filling) -> Pages {
    let person = || with.person.to_owned();
    let access = || format!("{}, {}", with.level, with.property);
    [
        Question::Disable { person: person() },
        Question::Revoke { person: person(), access: access(), is_last: true },
        Question::SignOut { person: person() },
        Question::MakeAgent { person: person() },
        Question::MakeMember { person: person() },
        Question::Bind { person: person(), subject: with.subject.to_owned() },
        Question::Unbind { person: person() },
        Question::Pause { organization: with.organization.to_owned(), users: 412 },
        Question::RemoveOrganization { organization: with.organization.to_owned(), properties: 3 },
        Question::Retire { property: with.property.to_owned(), users: 12 },
    ]
    .map(|question| {
        let name = question_name(&question);
        let page = Confirm {
            agent: agent(with),
            section: Section::Users,
            question,
            action: with.path.to_owned(),
            fields: vec![("scope".to_owned(), with.reference.to_owned())],
            cancel_url: with.path.to_owned(),
        };
        (name, page.render(brand))
    })
    .to_vec()
}

/// Without a catch-all, so that a new variant does not compile before it has a name, and a place above.
fn question_name(question: &Question) -> &'static str {
    match question {
        Question::Disable { .. } => "confirm-disable",
        Question::Revoke { .. } => "confirm-revoke",
        Question::SignOut { .. } => "confirm-sign-out",
        Question::MakeAgent { .. } => "confirm-make-agent",
        Question::MakeMember { .. } => "confirm-make-member",
        Question::Bind { .. } => "confirm-bind",
        Question::Unbind { .. } => "confirm-unbind",
        Question::Pause { .. } => "confirm-pause",
        Question::RemoveOrganization { .. } => "confirm-remove",
        Question::Retire { .. } => "confirm-retire",
    }
}

fn refusals(brand: &Brand, with: &Filling) -> Pages {
    [
        Refusal::NotAnAgent { email: with.email.to_owned() },
        Refusal::NoSuch { agent: agent(with), section: Section::Mail },
        Refusal::Refused {
            agent: agent(with),
            section: Section::SignOns,
            sentence: with.sentence.to_owned(),
            back_url: with.path.to_owned(),
        },
    ]
    .map(|refusal| {
        let name = match refusal {
            Refusal::NotAnAgent { .. } => "refusal-not-an-agent",
            Refusal::NoSuch { .. } => "refusal-no-such",
            Refusal::Refused { .. } => "refusal-refused",
        };
        (name, refusal.render(brand))
    })
    .to_vec()
}
