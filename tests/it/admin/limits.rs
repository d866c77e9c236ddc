//! What support agents may not do by themselves, on every way by which a grant comes about.

use anteroom::admin::{
    Actor, ApproveForm, Approved, Granted, ImportMail, LineProblem, SecondApproval, Settings, Turn, UserToAdd,
};
use anteroom::directory::request::{Request, State};
use anteroom::directory::{Levels, Role};

use super::{House, code, email, grants, organization, refused, settings, to_make, told};

async fn house_with_limit(level: Option<&str>, second_approval: SecondApproval) -> House {
    House::with(|rules| {
        rules.support_self_level = level.map(|level| settings().levels.parse(level).unwrap());
        rules.second_approval = second_approval;
    })
    .await
}

/// What an agent gets who tries to get that level on maple for themselves in one way.
async fn try_all_ways(house: &House, level: &str) -> Vec<Option<&'static str>> {
    let sue = house.actor("sue@contoso.com").await;
    let mine = email("sue@contoso.com");
    let granted = house.admin.grant(&mine, to_make("maple", level), &sue).await;
    let by_grant = granted.err().map(|error| code::<()>(Err(error)));
    house.admin.revoke(&mine, None, &Actor::command()).await.unwrap();

    let request = house.file("mia@contoso.com", "maple", "sue@contoso.com").await;
    let form = ApproveForm { level, ..ApproveForm::default() };
    let approved = house.admin.approve(&request.id, request.version, &form, &sue).await;
    let by_request = approved.err().map(|error| code::<()>(Err(error)));
    let request = house.admin.request(&request.id).await.unwrap().request;
    if request.state.is_open() {
        house.admin.deny(&request.id, request.version, "no", &Actor::command()).await.unwrap();
    }
    house.admin.revoke(&mine, None, &Actor::command()).await.unwrap();

    let table = format!("email,name,organization,level,property\nsue@contoso.com,,contoso,{level},maple\n");
    let imported = house.admin.import_users(table.as_bytes(), ImportMail::Tell, &sue).await;
    let by_table = imported.err().map(|error| match refused::<()>(Err(error)).lines() {
        [LineProblem { kind: anteroom::admin::LineProblemKind::Refused(refused), .. }] => refused.code(),
        other => panic!("{other:?}"),
    });
    house.admin.revoke(&mine, None, &Actor::command()).await.unwrap();
    vec![by_grant, by_request, by_table]
}

#[tokio::test]
async fn agents_give_themselves_no_more_than_the_configuration_allows() {
    const NO: Option<&str> = Some("self_grant");
    for (limit, level, outcome) in [
        (None, "viewer", NO),
        (Some("viewer"), "viewer", None),
        (Some("viewer"), "technician", NO),
        (Some("manager"), "technician", None),
        (Some("manager"), "administrator", NO),
    ] {
        let house = house_with_limit(limit, SecondApproval::Never).await;
        assert_eq!(try_all_ways(&house, level).await, [outcome; 3], "{limit:?} {level}");
    }
}

#[tokio::test]
async fn another_agent_or_a_command_may_give_an_agent_everything() {
    let house = house_with_limit(None, SecondApproval::Never).await;
    let sam = house.actor("sam@contoso.com").await;
    for who in [sam, Actor::command()] {
        let granted = house.admin.grant(&email("sue@contoso.com"), to_make("*", "administrator"), &who).await;
        assert!(matches!(granted, Ok(Granted::Done(_))), "{granted:?}");
    }
}

#[tokio::test]
async fn a_refused_self_grant_says_what_the_limit_is() {
    for (limit, words) in [
        (None, "agents may not give themselves access; ask another agent"),
        (Some("viewer"), "agents may give themselves viewer at most; ask another agent"),
    ] {
        let house = house_with_limit(limit, SecondApproval::Never).await;
        let sue = house.actor("sue@contoso.com").await;
        let granted = house.admin.grant(&email("sue@contoso.com"), to_make("maple", "manager"), &sue).await;
        assert_eq!(refused(granted).to_string(), words);
    }
}

#[tokio::test]
async fn agents_leave_their_own_role_and_account_to_others() {
    let house = House::new().await;
    let (sue, mine) = (house.actor("sue@contoso.com").await, email("sue@contoso.com"));
    assert_eq!(code(house.admin.set_role(&mine, Role::Member, &sue).await), "own_account");
    assert_eq!(code(house.admin.disable(&mine, &sue).await), "own_account");
    let sam = house.actor("sam@contoso.com").await;
    assert!(house.admin.set_role(&mine, Role::Member, &sam).await.unwrap().changed);
}

#[tokio::test]
async fn the_last_support_account_stays_for_commands_too() {
    let house = House::new().await;
    house.admin.disable(&email("sam@contoso.com"), &Actor::command()).await.unwrap();
    let last = email("sue@contoso.com");
    assert_eq!(code(house.admin.disable(&last, &Actor::command()).await), "last_support");
    assert_eq!(code(house.admin.set_role(&last, Role::Member, &Actor::command()).await), "last_support");
    house.admin.enable(&email("sam@contoso.com"), &Actor::command()).await.unwrap();
    assert!(house.admin.disable(&last, &Actor::command()).await.unwrap().changed);
}

#[tokio::test]
async fn access_to_all_properties_needs_a_second_agent_where_that_is_configured() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let request = house.file("max@contoso.com", "*", "new@contoso.com").await;
    let form = ApproveForm::default();
    let approve = house.admin.approve(&request.id, request.version, &form, &sue);
    let (approved, mail) = house.mail_of(approve).await;
    let Ok(Approved::Proposed(proposed)) = approved else { panic!("{approved:?}") };
    assert_eq!((proposed.state, mail.len()), (State::InWork, 0));
    assert!(house.admin.user(&email("new@contoso.com")).await.is_err());

    let dossier = house.admin.dossier(&request.id).await.unwrap();
    assert_eq!(dossier.turn(&sue), Turn::Proposed);
    assert_eq!(dossier.turn(&sam), Turn::Confirm(email("sue@contoso.com")));
    assert_eq!(code(house.admin.confirm(&request.id, proposed.version, &sue).await), "own_proposal");
    let (confirmed, mail) = house.mail_of(house.admin.confirm(&request.id, proposed.version, &sam)).await;
    assert_eq!(confirmed.unwrap().state, State::Approved);
    assert_eq!(mail, told(&[("max@contoso.com", "request_approved"), ("new@contoso.com", "access_granted")]));
    assert_eq!(grants(&house.account("new@contoso.com").await), ["*:viewer"]);
    assert_eq!(house.event("request.approved").await["actor"], "sam@contoso.com");
}

#[tokio::test]
async fn a_proposal_can_be_taken_over_and_confirmed_but_not_by_who_proposed_it() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let request = house.file("max@contoso.com", "*", "new@contoso.com").await;
    let approved = house.admin.approve(&request.id, request.version, &ApproveForm::default(), &sue).await;
    let Ok(Approved::Proposed(proposed)) = approved else { panic!("{approved:?}") };
    let taken = house.admin.take(&proposed.id, proposed.version, &sam).await.unwrap();
    assert_eq!(code(house.admin.confirm(&taken.id, taken.version, &sue).await), "own_proposal");
    house.admin.confirm(&taken.id, taken.version, &sam).await.unwrap();
}

#[tokio::test]
async fn one_property_and_commands_need_no_second_agent() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("max@contoso.com", "maple", "one@contoso.com").await;
    let approved = house.admin.approve(&request.id, request.version, &ApproveForm::default(), &sue).await;
    assert!(matches!(approved, Ok(Approved::Granted(_))), "{approved:?}");
    let request = house.file("max@contoso.com", "*", "two@contoso.com").await;
    let command = Actor::command();
    let approved = house.admin.approve(&request.id, request.version, &ApproveForm::default(), &command).await;
    assert!(matches!(approved, Ok(Approved::Granted(_))), "{approved:?}");
    let none = house.file("max@contoso.com", "oak", "three@contoso.com").await;
    assert_eq!(code(house.admin.confirm(&none.id, none.version, &sue).await), "nothing_proposed");
}

#[tokio::test]
async fn a_direct_grant_of_all_properties_becomes_a_request_that_another_agent_confirms() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let (nell, everything) = (email("nell@contoso.com"), to_make("*", "technician"));
    let granted = house.admin.grant(&nell, everything.clone(), &sue).await;
    let Ok(Granted::Proposed(request)) = granted else { panic!("{granted:?}") };
    assert!(house.account("nell@contoso.com").await.grants.is_empty());
    assert_eq!(request.requester().email, email("sue@contoso.com"));
    // Doing it again proposes the same again, and another agent is told whose it is.
    let again = house.admin.grant(&nell, everything.clone(), &sue).await;
    let Ok(Granted::Proposed(request)) = again else { panic!("{again:?}") };
    assert_eq!(code(house.admin.grant(&nell, everything, &sam).await), "taken_by_another");
    let request = house.admin.request(&request.id).await.unwrap().request;
    house.admin.confirm(&request.id, request.version, &sam).await.unwrap();
    assert_eq!(grants(&house.account("nell@contoso.com").await), ["*:technician"]);

    let table = "email,name,organization,level,property\nnew@contoso.com,,contoso,viewer,*\n";
    let imported = refused(house.admin.import_users(table.as_bytes(), ImportMail::Tell, &sue).await);
    assert!(imported.to_string().contains("second agent"), "{imported}");
}

#[tokio::test]
async fn nobody_makes_their_own_second_agent() {
    let mia = email("mia@contoso.com");
    for (second_approval, outcome) in
        [(SecondApproval::Never, None), (SecondApproval::ForAllProperties, Some("support_role"))]
    {
        let house = house_with_limit(None, second_approval).await;
        let sue = house.actor("sue@contoso.com").await;
        let given = house.admin.set_role(&mia, Role::Support, &sue).await;
        assert_eq!(given.err().map(|error| code::<()>(Err(error))), outcome);
        assert!(house.admin.set_role(&email("sam@contoso.com"), Role::Member, &sue).await.unwrap().changed);
        house.admin.set_role(&mia, Role::Support, &Actor::command()).await.unwrap();
        let user = UserToAdd {
            email: email("new@contoso.com"),
            name: None,
            organization: organization("contoso"),
            role: Role::Support,
            grant: None,
        };
        let added = house.admin.add_user(user, &sue).await;
        assert_eq!(added.err().map(|error| code::<()>(Err(error))), outcome);
    }
}

/// An approval of everything for `new@contoso.com` that Sue has proposed, until a moment if there is one.
async fn proposed(house: &House, until: &str) -> Request {
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("max@contoso.com", "*", "new@contoso.com").await;
    let form = ApproveForm { level: "technician", until, note: "welcome", ..ApproveForm::default() };
    match house.admin.approve(&request.id, request.version, &form, &sue).await {
        Ok(Approved::Proposed(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_along_with_a_proposal_is_told_when_it_is_confirmed() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let request = proposed(&house, "").await;
    let told = house.event("request.proposed").await;
    assert_eq!(told["details"]["grants"][0]["level"], "technician");
    let sam = house.actor("sam@contoso.com").await;
    house.admin.confirm(&request.id, request.version, &sam).await.unwrap();
    let messages = house.admin.messages(true).await.unwrap();
    let granted = messages.iter().find(|message| message.recipient == email("new@contoso.com")).unwrap();
    assert_eq!(granted.notice["note"], "welcome");
    let history = house.admin.request(&request.id).await.unwrap().history;
    assert_eq!(history.last().unwrap().text.as_ref().unwrap().as_str(), "welcome");
}

#[tokio::test]
async fn a_proposal_that_has_become_impossible_is_not_confirmed() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let request = proposed(&house, "2026-11-24").await;
    let sam = house.actor("sam@contoso.com").await;
    house.later(72);
    assert_eq!(code(house.admin.confirm(&request.id, request.version, &sam).await), "until_past");

    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let request = proposed(&house, "").await;
    let levels = Levels::new(["viewer", "manager"].map(str::to_owned).to_vec());
    house.admin.reload(Settings { levels, second_approval: SecondApproval::ForAllProperties, ..settings() });
    assert_eq!(code(house.admin.confirm(&request.id, request.version, &sam).await), "unknown_level");
}

#[tokio::test]
async fn whoever_proposes_is_known_by_another_address_too() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let request = proposed(&house, "").await;
    let mut sue = house.account("sue@contoso.com").await.user;
    sue.email = email("susan@contoso.com");
    let susan = Actor::person(&sue, "r-1");
    assert_eq!(house.admin.dossier(&request.id).await.unwrap().turn(&susan), Turn::Proposed);
    assert_eq!(code(house.admin.confirm(&request.id, request.version, &susan).await), "own_proposal");
}

#[tokio::test]
async fn a_direct_grant_leaves_a_request_alone_that_another_agent_has_and_else_goes_there() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let (nell, everything) = (email("nell@contoso.com"), to_make("*", "technician"));
    let request = house.file("max@contoso.com", "*", "nell@contoso.com").await;
    let taken = house.admin.take(&request.id, request.version, &sam).await.unwrap();
    assert_eq!(code(house.admin.grant(&nell, everything.clone(), &sue).await), "taken_by_another");
    assert_eq!(house.admin.request(&request.id).await.unwrap().request, taken);

    let granted = house.admin.grant(&nell, everything, &sam).await;
    let Ok(Granted::Proposed(proposed)) = granted else { panic!("{granted:?}") };
    assert_eq!((&proposed.id, proposed.version), (&taken.id, taken.version + 1), "in one step");
    assert_eq!(proposed.requesters, taken.requesters);
}

#[tokio::test]
async fn nobody_confirms_for_themselves_more_than_the_limit() {
    let house = house_with_limit(None, SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let granted = house.admin.grant(&email("sam@contoso.com"), to_make("*", "viewer"), &sue).await;
    let Ok(Granted::Proposed(request)) = granted else { panic!("{granted:?}") };
    assert_eq!(code(house.admin.confirm(&request.id, request.version, &sam).await), "self_grant");
}

#[tokio::test]
async fn a_requester_who_is_the_person_gets_one_mail() {
    let house = house_with_limit(Some("administrator"), SecondApproval::ForAllProperties).await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let granted = house.admin.grant(&email("sue@contoso.com"), to_make("*", "viewer"), &sue).await;
    let Ok(Granted::Proposed(request)) = granted else { panic!("{granted:?}") };
    let (confirmed, mail) = house.mail_of(house.admin.confirm(&request.id, request.version, &sam)).await;
    confirmed.unwrap();
    assert_eq!(mail, told(&[("sue@contoso.com", "access_granted")]));
}
