//! Who is known before the story begins.
//!
//! Separate because it uses the same use cases as `property add` and `user add`, through a store handle of its
//! own: the running Anteroom learns of it as it learns of any command.

use std::sync::Arc;

use anyhow::Context;

use crate::admin::{Actor, Admin, Error, GrantToMake, Refused, Settings, UserToAdd};
use crate::clock::SystemClock;
use crate::demo::application::work_orders::PROPERTIES;
use crate::demo::folder::ORGANIZATION;
use crate::demo::people::{MANAGER, NEW_JOINER, Person, SUPPORT_AGENT};
use crate::directory::{DisplayName, Property, Role, Scope};
use crate::email::EmailAddress;
use crate::id::{OrganizationId, PropertyId, SystemRandomness};
use crate::store;

/// Makes the properties, the manager and the support agent, and shuts the new joiner out again if the folder
/// has seen the story before.
pub(crate) async fn sow(settings: &store::Settings, rules: Settings) -> anyhow::Result<()> {
    let store = store::open(settings).await.context("the store cannot be opened")?;
    let admin = Admin::new(Arc::clone(&store), Arc::new(SystemClock), Arc::new(SystemRandomness), rules);
    let sown = async {
        for property in PROPERTIES {
            let property = Property {
                id: PropertyId::parse(property.id)?,
                organization: OrganizationId::parse(ORGANIZATION)?,
                name: DisplayName::parse(property.name)?,
                retired_at: None,
            };
            admin.add_property(property, &Actor::program("demo")).await?;
        }
        add(&admin, &MANAGER, Role::Member, "manager").await?;
        add(&admin, &SUPPORT_AGENT, Role::Support, "administrator").await?;
        forget_access(&admin, &NEW_JOINER).await
    }
    .await;
    store.close().await;
    sown
}

async fn add(admin: &Admin, person: &Person, role: Role, level: &str) -> anyhow::Result<()> {
    let user = UserToAdd {
        email: EmailAddress::parse(person.email)?,
        name: Some(DisplayName::parse(&person.display_name())?),
        organization: OrganizationId::parse(ORGANIZATION)?,
        role,
        grant: Some(GrantToMake { scope: Scope::AllProperties, level: level.to_owned(), until: None }),
    };
    match admin.add_user(user, &Actor::program("demo")).await {
        Ok(_) | Err(Error::Refused(Refused::EmailTaken { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn forget_access(admin: &Admin, person: &Person) -> anyhow::Result<()> {
    match admin.revoke(&EmailAddress::parse(person.email)?, None, &Actor::program("demo")).await {
        Ok(_) | Err(Error::Refused(Refused::NoSuchUser { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
