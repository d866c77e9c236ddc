//! The Waiting Room and the Manage page in every state.
//!
//! Separate from `pages` because states are many, and what holds for all of them is said there.

use anteroom::directory::request::{EventKind, State};
use anteroom::pages::{
    Brand, Field, HistoryLine, Manage, ManageBanner, MayNotRequest, Moment, NewUserForm, OwnRequest, Select,
    SelectItem, Told, WaitingPerson, WaitingRoom, WaitingState, WorkplaceForm,
};

use super::Filling;

/// So many seconds before the moment at which all pages are seen.
pub(super) fn ago(seconds: i64) -> Moment {
    let now = jiff::Timestamp::from_second(1_795_628_850).expect("a time");
    let at = jiff::Timestamp::from_second(1_795_628_850 - seconds).expect("a time");
    Moment::new(at, now)
}

pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;

/// Two choices, the second chosen.
pub(super) fn select(with: &Filling) -> Select {
    Select::of(vec![
        SelectItem::new(with.path, with.organization, None),
        SelectItem::new(with.reference, with.property, Some(with.reference)),
    ])
}

pub(super) fn refused_select(with: &Filling) -> Select {
    Select { problem: Some(with.problem.to_owned()), ..select(with) }
}

pub(super) fn refused_field(with: &Filling) -> Field {
    Field { value: with.sentence.to_owned(), problem: Some(with.problem.to_owned()) }
}

pub(super) fn history(with: &Filling) -> Vec<HistoryLine> {
    use EventKind::{Answered, Approved, Asked, Denied, Filed, Merged, Proposed, Taken};
    let actors = ["Megan Bowen", with.person, "command", with.email];
    [Filed, Merged, Taken, Asked, Answered, Proposed, Approved, Denied]
        .into_iter()
        .zip(0..)
        .map(|(kind, index)| HistoryLine {
            at: ago((8 - index) * HOUR),
            actor: actors[usize::try_from(index).expect("small") % actors.len()].to_owned(),
            kind,
            text: matches!(kind, Asked | Answered | Denied).then(|| with.sentence.to_owned()),
        })
        .collect()
}

pub(super) fn waiting_rooms(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    let room = WaitingRoom {
        email: with.email,
        name: Some(with.person),
        organization_name: with.organization,
        managers: vec![with.person, with.email],
        events_url: with.path,
        return_to: with.path,
        state: WaitingState::NoRequest,
        told: None,
        workplace: WorkplaceForm { property: select(with), text: Field::default() },
        is_saying: false,
        is_agent: false,
    };
    let property = || with.property.to_owned();
    let text = || with.sentence.to_owned();
    let told = |managers| Some(Told { workplace: with.property.to_owned(), at: ago(5 * 60), managers });
    let in_state = |state, told| WaitingRoom { state, told, ..room.clone() }.render(brand);
    vec![
        ("waiting-room", room.render(brand)),
        (
            "waiting-room-plain",
            WaitingRoom {
                name: None,
                managers: Vec::new(),
                workplace: WorkplaceForm::default(),
                is_agent: true,
                ..room.clone()
            }
            .render(brand),
        ),
        ("waiting-room-told-nobody", in_state(WaitingState::NoRequest, told(0))),
        (
            "waiting-room-received",
            in_state(WaitingState::Received { property: property(), filed: ago(2 * HOUR) }, told(1)),
        ),
        (
            "waiting-room-in-work",
            in_state(WaitingState::InWork { property: property(), filed: ago(26 * HOUR) }, told(3)),
        ),
        (
            "waiting-room-question",
            in_state(WaitingState::NeedsInfo { property: property(), question: text() }, None),
        ),
        (
            "waiting-room-denied",
            in_state(WaitingState::Denied { property: property(), reason: text(), at: ago(DAY) }, None),
        ),
        ("waiting-room-ended", in_state(WaitingState::Ended, None)),
        ("waiting-room-saying", WaitingRoom { is_saying: true, ..room.clone() }.render(brand)),
        (
            "waiting-room-saying-problem",
            WaitingRoom {
                workplace: WorkplaceForm { property: refused_select(with), text: refused_field(with) },
                ..room
            }
            .render(brand),
        ),
    ]
}

pub(super) fn manage_pages(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    let form = NewUserForm { property: select(with), level: select(with), ..NewUserForm::default() };
    let page = Manage {
        visitor: with.person.to_owned(),
        organization_name: with.organization.to_owned(),
        banner: None,
        form,
        requests: Vec::new(),
        older_url: None,
        waiting: Vec::new(),
    };
    let person = || with.person.to_owned();
    let id = || with.reference.to_owned();
    let banner = |banner| Manage { banner: Some(banner), ..page.clone() }.render(brand);
    let may_not = |managers| MayNotRequest { email: with.email.to_owned(), managers }.render(brand);
    vec![
        ("manage-empty", page.render(brand)),
        ("manage", full_manage(&page, with).render(brand)),
        ("manage-problems", Manage { form: refused_form(with), ..page.clone() }.render(brand)),
        ("manage-filed", banner(ManageBanner::Filed { person: person(), id: id() })),
        ("manage-merged", banner(ManageBanner::Merged { person: person(), id: id(), first: Some(person()) })),
        ("manage-merged-own", banner(ManageBanner::Merged { person: person(), id: id(), first: None })),
        (
            "manage-has-access",
            banner(ManageBanner::HasAccess {
                person: person(),
                level: with.level.to_owned(),
                property: with.property.to_owned(),
            }),
        ),
        ("manage-answered", banner(ManageBanner::Answered { person: person() })),
        ("manage-stale", banner(ManageBanner::Stale { person: person(), state: State::Approved })),
        ("manage-refused", banner(ManageBanner::Refused(with.sentence.to_owned()))),
        ("manage-may-not", may_not(vec![with.person.to_owned(), with.email.to_owned()])),
        ("manage-may-not-alone", may_not(Vec::new())),
    ]
}

fn refused_form(with: &Filling) -> NewUserForm {
    NewUserForm {
        property: refused_select(with),
        email: refused_field(with),
        name: refused_field(with),
        level: refused_select(with),
        note: refused_field(with),
    }
}

fn full_manage(page: &Manage, with: &Filling) -> Manage {
    let request = |state: State, name: Option<&str>, answer: Field| OwnRequest {
        id: with.reference.to_owned(),
        version: 3,
        name: name.map(str::to_owned),
        email: with.email.to_owned(),
        property: with.property.to_owned(),
        level: with.level.to_owned(),
        state,
        reason: matches!(state, State::NeedsInfo | State::Denied).then(|| with.sentence.to_owned()),
        filed: ago(30 * HOUR),
        history: history(with),
        answer,
    };
    let person = |name: Option<&str>, place: Option<&str>, is_asked_for| WaitingPerson {
        email: with.email.to_owned(),
        name: name.map(str::to_owned),
        workplace: place.map(str::to_owned),
        property_id: place.map(str::to_owned),
        since: ago(3 * HOUR),
        is_asked_for,
    };
    Manage {
        requests: vec![
            request(State::NeedsInfo, Some(with.person), Field::default()),
            request(State::NeedsInfo, None, refused_field(with)),
            request(State::Received, Some(with.person), Field::default()),
            request(State::InWork, None, Field::default()),
            request(State::Approved, Some(with.person), Field::default()),
            request(State::Denied, None, Field::default()),
        ],
        older_url: Some(with.path.to_owned()),
        waiting: vec![
            person(Some(with.person), Some(with.property), false),
            person(None, None, false),
            person(Some(with.person), None, true),
        ],
        ..page.clone()
    }
}
