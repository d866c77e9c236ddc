//! The queue of requests.
//!
//! Separate because it is a list with filters; what is done with one of them stands in `request`.

use http::StatusCode;

use crate::admin::{QueueFilter, QueueLine};
use crate::directory::request::State;
use crate::id::OrganizationId;
use crate::pages::english_age;
use crate::pages::support::{Queue, QueueCount, QueueRow, QueueState};
use crate::routes::manage::named;
use crate::routes::work::{Desk, Handled, Reply};
use crate::store::RequestCount;

impl Desk {
    /// `GET /.anteroom/support`.
    pub(super) async fn queue(&self) -> Handled {
        let state = self.query.get("state").and_then(QueueState::parse).unwrap_or(QueueState::Open);
        let organization = self.query.get("organization").and_then(|id| OrganizationId::parse(id).ok());
        let page =
            self.query.get("page").and_then(|page| page.parse::<u32>().ok()).unwrap_or(1).clamp(1, PAGES_MAX);
        let is_mine = self.query.get("mine") == Some("1");
        let filter = QueueFilter {
            states: states_of(state),
            organization: organization.clone(),
            agent: is_mine.then(|| self.account.user.email.clone()),
            text: self.query.get("q").map(str::to_owned),
            page: page - 1,
        };
        let found = self.admin().queue(&filter).await?;
        let view = Queue {
            agent: self.agent(),
            banner: self.done_banner(),
            state,
            text: filter.text.unwrap_or_default(),
            organizations: self.organization_items(organization.as_ref()).await?,
            is_mine,
            counts: QueueState::ALL.iter().map(|state| self.count(*state, &found.counts)).collect(),
            rows: found.lines.into_iter().map(|line| self.row(line)).collect(),
            page,
            has_more: found.has_more,
        };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    fn count(&self, state: QueueState, counts: &[RequestCount]) -> QueueCount {
        let states = states_of(state);
        let of_state = || counts.iter().filter(|count| states.contains(&count.state));
        // How old a decided request is does not matter to anybody.
        let open = of_state().filter(|count| count.state.is_open());
        let oldest = open.map(|count| count.oldest_at).min();
        QueueCount {
            state,
            count: of_state().map(|count| count.count).sum(),
            oldest: oldest.map(|at| english_age(at, self.now)),
        }
    }

    fn row(&self, line: QueueLine) -> QueueRow {
        let QueueLine { request, organization, property } = line;
        let requester = request.requester();
        QueueRow {
            name: request.wanted.name.as_ref().map(|name| name.as_str().to_owned()),
            email: request.wanted.email.as_str().to_owned(),
            property,
            organization,
            level: request.wanted.level.as_str().to_owned(),
            requester: named(requester.name.as_ref(), requester.email.as_str()),
            filed: self.moment(request.created_at),
            state: request.state,
            agent: request.agent.as_ref().map(|agent| agent.as_str().to_owned()),
            is_proposed: request.proposal.is_some(),
            id: request.id.as_str().to_owned(),
        }
    }
}

fn states_of(state: QueueState) -> Vec<State> {
    match state {
        QueueState::Open => State::OPEN.to_vec(),
        QueueState::In(state) => vec![state],
        QueueState::All => State::ALL.to_vec(),
    }
}

/// Nobody reads on for so long; who looks for something searches.
const PAGES_MAX: u32 = 10_000;
