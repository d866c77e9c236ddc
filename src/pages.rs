//! Typed views -> HTML text: every page that a visitor can see, in one design.
//!
//! Separate because what is shown must not know where it came from: a view holds display strings only, and
//! `routes` alone turns it into a response.
//!
//! Rules: all text is escaped by the templates; an address from a view becomes a link only by way of
//! `link`, so it can neither run a script nor leave for another origin unseen; no inline style or
//! script, no resource from elsewhere; every sentence of a view stands in its `english` function, so a
//! second language is a second function. A view is `struct` or `enum` with `render(&Brand) -> String`.

pub mod assets;
pub mod policy;
pub mod support;

mod brand;
mod fault;
mod form;
mod frame;
mod link;
mod manage;
mod moment;
mod notice;
mod onward;
mod palette;
mod progress;
mod repeat;
mod sign_in;
mod sign_out;
mod texts;
mod waiting_room;

pub use brand::{Accent, Brand, Error, LOGO_BYTES_MAX, Logo, Settings};
pub use fault::Fault;
pub use form::{ALL_PROPERTIES, Field, Select, SelectItem};
pub use manage::{Manage, ManageBanner, MayNotRequest, NewUserForm, OwnRequest, WaitingPerson};
pub use moment::{Moment, english_age};
pub use notice::{Notice, ProviderSession};
pub use onward::Onward;
pub use progress::HistoryLine;
pub use repeat::Repeat;
pub use sign_in::{Choice, SignIn};
pub use sign_out::ConfirmSignOut;
pub use waiting_room::{Told, WaitingRoom, WaitingState, WorkplaceForm};
