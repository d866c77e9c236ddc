//! The contract's tests, by name, and what they have in common.
//!
//! Separate so that a second database runs the very same tests: it implements [`Backend`] and calls
//! `conformance!`.

use std::sync::Arc;

use anteroom::directory::{DisplayName, Grant, Level, Organization, Property, Role, Scope, Subject};
use anteroom::email::{EmailAddress, EmailDomain};
use anteroom::id::{ConnectionId, OrganizationId, PropertyId, SessionName, UserId};
use anteroom::saml::NameId;
use anteroom::session::{Session, SessionHash};
use anteroom::store::{
    Admission, Arrival, AuditEvent, Change, ChangeSeq, Consumption, NewUser, Store, UserAdded, chain,
};
use anteroom::target::ReturnPath;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// A database of its own for one test, which can be opened more than once.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    async fn open(&self) -> Arc<dyn Store>;
}

/// Makes a test of each of the contract's, over the backend that the expression makes.
macro_rules! conformance {
    ($backend:expr) => {
        $crate::store::conformance::conformance! { $backend,
            directory: declared_organizations_are_kept_and_brought_up_to_date
                users_outside_the_domains_are_counted
                who_is_added_is_told_only_if_it_was_done
                declaring_what_is_known_changes_nothing
                a_property_needs_its_organization_and_a_free_id
                properties_are_added_together_or_not_at_all
                a_new_user_waits_without_grants_and_is_active_with_one
                a_user_who_cannot_be_made_leaves_no_trace
                users_are_listed_by_filter_and_page_by_page
                users_are_found_by_role_and_by_all_words,
            access: a_grant_lets_in_and_the_last_revocation_puts_back_to_waiting
                a_disabled_user_stays_out_whatever_is_granted
                disabling_ends_all_sessions
                every_change_of_access_raises_the_version_and_is_told_once
                what_changes_nothing_is_not_told
                a_grant_for_a_property_of_another_organization_is_refused
                somebody_is_left_to_work_the_console
                parallel_resignations_leave_one_to_work_the_console
                a_subject_is_bound_once_and_settles_conflicts
                a_forgotten_subject_is_bound_anew_at_the_next_sign_on
                the_audit_log_tells_what_was_before_and_after
                many_grants_still_fit_into_an_audit_event,
            import: an_import_makes_users_and_grants_and_a_second_one_changes_nothing
                an_import_with_bad_lines_changes_nothing_and_names_each
                an_import_lets_waiting_users_in_and_leaves_disabled_ones_out,
            sign_on: a_response_is_used_up_once
                one_assertion_posted_by_fifty_at_once_is_used_up_once
                what_was_used_up_is_remembered_after_a_restart
                a_new_person_is_made_once_and_known_afterwards
                an_expected_person_is_bound_at_the_first_sign_on
                a_known_address_with_another_subject_is_a_conflict
                conflicts_are_kept_for_support_to_settle
                no_more_conflicts_are_kept_than_anybody_reads
                a_connection_of_another_organization_admits_nobody_known
                nobody_is_made_without_an_id_to_make_them_with
                a_new_address_and_name_are_taken_over
                an_address_of_somebody_else_is_not_taken_over
                a_disabled_user_is_known_but_has_not_signed_on
                parallel_arrivals_of_one_new_person_make_one_user
                a_handoff_is_taken_once
                a_handoff_is_gone_when_it_has_expired
                parallel_takers_of_a_handoff_have_one_winner,
            sessions: a_session_comes_back_as_it_was_begun
                a_session_of_nobody_is_not_begun
                more_sessions_than_allowed_end_the_oldest
                a_touch_moves_time_forward_only
                sessions_end_by_hash_name_and_user
                a_provider_ends_the_sessions_it_names_and_no_others
                a_providers_logout_reaches_sign_ons_from_before
                sessions_are_listed_newest_first
                many_sessions_are_read_at_once,
            posts: an_owner_is_remembered_after_time_has_ended_a_session_and_not_otherwise
                a_form_is_taken_once_and_by_its_owner_alone
                parallel_takers_of_a_form_have_one_winner
                the_oldest_of_too_many_forms_go,
            log: keys_are_replaced_only_by_who_knows_the_present_ones
                parallel_rotations_have_one_winner
                changes_reach_a_second_handle_in_order
                a_listener_who_missed_purged_changes_hears_of_everything
                positions_never_go_back_when_changes_are_purged
                the_audit_log_is_read_newest_first_and_by_reference
                an_event_that_is_too_long_is_cut
                the_configuration_that_was_last_in_force_is_kept
                refused_sign_ons_are_found_by_whom_they_spoke_of
                traces_are_kept_under_their_references_with_their_events
                purging_removes_what_has_expired_and_nothing_else
                everything_is_there_after_a_restart
                a_closed_store_says_that_it_is_unavailable,
            organizations: an_organization_is_created_changed_and_removed
                options_of_a_connection_are_kept_also_with_new_metadata
                an_organization_without_users_goes_with_its_properties
                what_the_file_declares_is_not_changed_and_ids_are_not_taken_twice
                a_pause_ends_the_sessions_of_the_organization
                a_pause_can_keep_somebody_to_work_the_console
                users_are_counted_by_organization_and_property
                declaring_and_no_longer_declaring_changes_the_origin
                a_property_is_renamed
                retiring_a_property_ends_all_grants_for_it
                a_trial_gets_one_report
                metadata_is_fetched_by_one_at_a_time_and_the_last_good_copy_is_kept
                no_two_organizations_get_the_same_identity_provider
                an_unknown_key_is_a_reason_once_in_a_while
                a_warning_is_given_once,
            requests: a_request_comes_back_as_it_was_filed
                a_second_request_for_the_same_joins_the_open_one
                parallel_requests_for_the_same_become_one
                a_request_for_a_property_that_is_not_there_is_not_filed
                a_request_goes_through_its_states
                an_approval_makes_the_user_and_lets_in
                an_approval_lets_in_who_waits_already
                an_approval_that_is_refused_leaves_nothing
                a_stale_page_decides_nothing
                parallel_deciders_have_one_winner
                requests_are_found_by_filter_and_counted
                requests_are_found_by_all_words_in_any_case
                requests_go_with_their_organization,
            waiting: where_somebody_works_is_kept_and_replaced
                who_has_signed_on_and_waits_is_listed_the_last_first
                who_may_help_is_found_by_level_and_property
                grants_lapse_on_time,
            outbox: messages_of_one_topic_to_one_recipient_become_one_mail
                messages_are_read_one_by_one_and_page_by_page
                a_mail_that_failed_goes_out_as_it_was
                who_has_had_enough_mail_is_put_off_and_others_are_not
                nobody_gets_mail_when_none_is_allowed
                a_second_message_with_a_key_is_dropped_for_a_day
                parallel_claimers_never_have_the_same_mail
                delivered_messages_are_kept_for_a_while_and_waiting_ones_for_ever
                what_no_change_causes_is_posted,
            audit: every_entry_is_chained_to_the_one_before
                parallel_writers_make_one_chain
                entries_are_searched_and_paged
                removing_old_entries_keeps_the_chain_verifiable,
        }
    };
    ($backend:expr, $($subject:ident: $($name:ident)+,)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::store::$subject::$name(&$backend).await;
            }
        )+)+
    };
}
pub(crate) use conformance;

/// The time of most tests; they count on from here.
pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

pub(crate) fn seconds_later(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

pub(crate) fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

pub(crate) fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).expect("a name")
}

pub(crate) fn organization_id(text: &str) -> OrganizationId {
    OrganizationId::parse(text).expect("an id")
}

pub(crate) fn property_id(text: &str) -> PropertyId {
    PropertyId::parse(text).expect("an id")
}

pub(crate) fn user_id(text: &str) -> UserId {
    UserId::parse(text).expect("an id")
}

pub(crate) fn connection_id(text: &str) -> ConnectionId {
    ConnectionId::parse(text).expect("an id")
}

pub(crate) fn organization(id: &str, domains: &[&str]) -> Organization {
    Organization {
        id: organization_id(id),
        name: name(id),
        domains: domains.iter().map(|domain| EmailDomain::parse(domain).expect("a domain")).collect(),
    }
}

pub(crate) fn property(id: &str, organization: &str) -> Property {
    Property {
        id: property_id(id),
        organization: organization_id(organization),
        name: name(id),
        retired_at: None,
    }
}

pub(crate) fn grant(scope: &str, level: &str) -> Grant {
    Grant {
        scope: Scope::parse(scope).expect("a scope"),
        level: Level::from_store(level.to_owned()),
        until: None,
    }
}

pub(crate) fn event(action: &'static str) -> AuditEvent {
    AuditEvent { actor: "command".to_owned(), details: json!({}), ..AuditEvent::of_anteroom(noon(), action) }
}

/// Staff of Contoso, with an id made of the part before the `@`.
pub(crate) fn new_user(address: &str, grants: &[Grant]) -> NewUser {
    let (local, domain) = address.split_once('@').expect("an address");
    NewUser {
        id: user_id(&format!("u_{local}")),
        email: email(address),
        name: None,
        organization: organization_id(domain.split('.').next().expect("a label")),
        role: Role::Member,
        grants: grants.to_vec(),
    }
}

pub(crate) fn consumption(connection: &str, request: &str, assertion: &str) -> Consumption {
    Consumption {
        connection: connection_id(connection),
        request_id: request.to_owned(),
        assertion_id: assertion.to_owned(),
        expires_at: seconds_later(3_600),
    }
}

pub(crate) fn arrival(connection: &str, key: &str, address: &str) -> Arrival {
    Arrival {
        subject: Subject { connection: connection_id(connection), key: key.to_owned() },
        email: email(address),
        name: None,
        organization: organization_id(connection),
        new_user: Some(user_id(&format!("u_new-{key}"))),
        at: noon(),
    }
}

/// Tells of an admission in the audit log.
pub(crate) fn teller() -> Arc<dyn Fn(&Admission) -> AuditEvent + Send + Sync> {
    Arc::new(|admission| {
        event(match admission {
            Admission::Known(_) => "known",
            Admission::Bound(_) => "bound",
            Admission::Created(_) => "created",
            Admission::Unknown => "unknown",
            Admission::Conflict { .. } => "conflict",
        })
    })
}

/// Tells of every admission under a reference.
pub(crate) fn referring_teller(
    reference: &'static str,
) -> Arc<dyn Fn(&Admission) -> AuditEvent + Send + Sync> {
    Arc::new(move |_| AuditEvent { reference: Some(reference.to_owned()), ..event("sign_on.refused") })
}

/// A session whose hash and name come from the number, and which began that many seconds after noon.
pub(crate) fn session(number: u8, user: &str) -> Session {
    Session {
        hash: SessionHash::new([number; 32]),
        name: SessionName::parse(&format!("s_{number}")).expect("a name"),
        user: user_id(user),
        connection: connection_id("contoso"),
        created_at: seconds_later(number.into()),
        last_seen_at: seconds_later(number.into()),
        ends_at: seconds_later(43_200),
        authenticated_at: noon(),
        asserted_at: noon(),
        methods: vec!["pwd".to_owned(), "mfa".to_owned()],
        return_path: ReturnPath::parse("/work-orders?open=1").expect("a path"),
        name_id: Some(name_id(user)),
        session_index: Some("_index".to_owned()),
    }
}

/// Whom the identity provider calls a user.
pub(crate) fn name_id(user: &str) -> NameId {
    NameId {
        value: format!("{user}@contoso.com"),
        format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
        name_qualifier: None,
        sp_name_qualifier: Some("urn:us".to_owned()),
    }
}

/// An open store with two organizations, `contoso` with the properties `lodge` and `tower`, and `fabrikam`
/// with `mill`.
pub(crate) async fn furnished(backend: &dyn Backend) -> Arc<dyn Store> {
    let store = backend.open().await;
    let organizations = [
        organization("contoso", &["contoso.com", "contoso.co.uk"]),
        organization("fabrikam", &["fabrikam.com"]),
    ];
    store.declare_organizations(&organizations, event("organizations.declared")).await.expect("declared");
    for (id, owner) in [("lodge", "contoso"), ("tower", "contoso"), ("mill", "fabrikam")] {
        let added = store.add_property(&property(id, owner), event("property.added")).await;
        assert!(added.expect("a working store"));
    }
    store
}

/// Adds staff of Contoso or Fabrikam.
pub(crate) async fn add(store: &dyn Store, address: &str, grants: &[Grant]) -> UserId {
    let user = new_user(address, grants);
    let added = store.add_user(&user, event("user.added"), Vec::new()).await;
    assert_eq!(added.expect("a working store"), UserAdded::Added);
    user.id
}

/// What an operation left behind in the feed and in the audit log.
pub(crate) struct Watch<'s> {
    store: &'s dyn Store,
    seq: ChangeSeq,
    audited: usize,
}

impl<'s> Watch<'s> {
    pub(crate) async fn begin(store: &'s dyn Store) -> Self {
        let seq = store.change_head().await.expect("a head");
        Self { store, seq, audited: audited(store).await }
    }

    /// The changes and the number of audit events since the last look.
    pub(crate) async fn since(&mut self) -> (Vec<Change>, usize) {
        let (seq, changes) = self.store.changes_after(self.seq).await.expect("changes");
        assert_eq!(seq, self.store.change_head().await.expect("a head"));
        self.seq = seq;
        let before = std::mem::replace(&mut self.audited, audited(self.store).await);
        (changes, self.audited - before)
    }
}

async fn audited(store: &dyn Store) -> usize {
    store.audit_entries(10_000).await.expect("the audit log").len()
}

/// The place of the first entry of the audit log that does not follow from those before it.
pub(crate) async fn first_break(store: &dyn Store) -> Option<i64> {
    let anchor = store.audit_anchor().await.expect("an anchor");
    let (mut seq, mut hash) = (anchor.seq, anchor.hash);
    for entry in store.audit_after(0, 100_000).await.expect("the audit log") {
        seq += 1;
        let fits = match entry.hash {
            Some(own) => own == chain::link(&hash, &entry),
            // Only from before the log was chained.
            None => hash == chain::START,
        };
        if !fits || entry.seq != seq {
            return Some(entry.seq);
        }
        hash = entry.hash.unwrap_or(chain::START);
    }
    None
}
