//! A small maintenance application, the one that Anteroom stands in front of.
//!
//! Separate because it is an application like any other: it knows of Anteroom only the identity header, the
//! address of the keys, and the links to sign out and to ask for access for a colleague.
//!
//! | path | what |
//! |---|---|
//! | `/` | the work orders of the properties that the visitor has access to |
//! | `/work-orders/NUMBER` | one of them: the deep link of the story |
//! | `/identity` | what arrived in the header, and that its signature was verified |
//! | `/live`, `/live/events` | a clock that is streamed |
//! | `/assets/application.css` | the one public path |

mod identity;
pub(crate) mod work_orders;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use url::Url;

use crate::clock::Clock;
use crate::demo::application::identity::{Identity, Verifier};
use crate::demo::application::work_orders::{PROPERTIES, Property, WORK_ORDERS, WorkOrder};
use crate::demo::listener::{Reply, Site, html, with_type};

/// The path of the style sheet, for `public_paths`.
pub(crate) const ASSETS: &str = "/assets/";

/// The application.
pub(crate) struct Application {
    verifier: Verifier,
    clock: Arc<dyn Clock>,
}

impl Application {
    /// An application behind the Anteroom at that address.
    pub(crate) fn new(anteroom: Url, clock: Arc<dyn Clock>) -> Self {
        Self { verifier: Verifier::new(anteroom), clock }
    }

    async fn visitor(&self, request: &Request<Incoming>) -> Result<Identity, String> {
        let mut values = request.headers().get_all(HEADER).iter();
        let token = match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
            (Some(token), None) => token,
            (None, _) => {
                return Err(
                    "There is no identity header: this request did not come through Anteroom.".to_owned()
                );
            }
            (Some(_), Some(_)) => return Err("There is more than one identity header.".to_owned()),
        };
        self.verifier.verify(token, self.clock.now()).await.map_err(|refused| format!("{refused}."))
    }

    fn page_for(&self, path: &str, visitor: &Identity) -> Reply {
        match path {
            "/" => front_page(visitor),
            "/identity" => page(StatusCode::OK, &IdentityPage { visitor }),
            "/live" => page(StatusCode::OK, &LivePage { visitor }),
            "/live/events" => live_events(Arc::clone(&self.clock)),
            _ => match path.strip_prefix("/work-orders/").and_then(|number| number.parse().ok()) {
                Some(number) => work_order_page(visitor, number),
                None => not_found(visitor),
            },
        }
    }
}

#[async_trait]
impl Site for Application {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return with_type(StatusCode::METHOD_NOT_ALLOWED, TEXT, "This application is for looking at.");
        }
        if request.uri().path() == STYLE_SHEET_PATH {
            return with_type(StatusCode::OK, "text/css; charset=utf-8", STYLE_SHEET);
        }
        match self.visitor(&request).await {
            Ok(visitor) => self.page_for(request.uri().path(), &visitor),
            Err(reason) => with_type(StatusCode::UNAUTHORIZED, TEXT, reason),
        }
    }
}

fn front_page(visitor: &Identity) -> Reply {
    let properties = PROPERTIES
        .into_iter()
        .filter_map(|property| {
            let level = visitor.level_on(property.id)?;
            let work_orders = WORK_ORDERS.into_iter().filter(|order| order.property == property).collect();
            Some(Section { property, level, work_orders })
        })
        .collect();
    page(StatusCode::OK, &FrontPage { visitor, properties })
}

fn work_order_page(visitor: &Identity, number: u32) -> Reply {
    let Some(order) = WORK_ORDERS.into_iter().find(|order| order.number == number) else {
        return not_found(visitor);
    };
    let Some(level) = visitor.level_on(order.property.id) else {
        let heading = format!("You have no access to {}", order.property.name);
        let text = "Anteroom let you in; what you may see here is for the application to say.";
        return page(StatusCode::FORBIDDEN, &NoticePage { visitor, heading, text });
    };
    page(StatusCode::OK, &WorkOrderPage { visitor, order, level })
}

fn not_found(visitor: &Identity) -> Reply {
    let heading = "There is no such page".to_owned();
    page(
        StatusCode::NOT_FOUND,
        &NoticePage { visitor, heading, text: "The work orders are on the first page." },
    )
}

/// One event a second, until the visitor goes away.
fn live_events(clock: Arc<dyn Clock>) -> Reply {
    let ticks = tokio::time::interval(Duration::from_secs(1));
    let events = stream::unfold((ticks, clock), |(mut ticks, clock)| async move {
        ticks.tick().await;
        let event = format!("data: {:.0}\n\n", clock.now());
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(event))), (ticks, clock)))
    });
    let mut reply = Response::new(StreamBody::new(events).boxed_unsync());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn page(status: StatusCode, template: &impl Template) -> Reply {
    html(status, template.render().expect("rendering to memory does not fail"))
}

struct Section<'a> {
    property: &'static Property,
    level: &'a str,
    work_orders: Vec<WorkOrder>,
}

impl Section<'_> {
    /// Whether Anteroom's Manage page takes a New User request from somebody of this level (`access.may_request`).
    fn may_invite(&self) -> bool {
        MAY_REQUEST.contains(&self.level)
    }
}

#[derive(Template)]
#[template(path = "demo/front.html")]
struct FrontPage<'a> {
    visitor: &'a Identity,
    properties: Vec<Section<'a>>,
}

#[derive(Template)]
#[template(path = "demo/work_order.html")]
struct WorkOrderPage<'a> {
    visitor: &'a Identity,
    order: WorkOrder,
    level: &'a str,
}

#[derive(Template)]
#[template(path = "demo/identity.html")]
struct IdentityPage<'a> {
    visitor: &'a Identity,
}

#[derive(Template)]
#[template(path = "demo/live.html")]
struct LivePage<'a> {
    visitor: &'a Identity,
}

#[derive(Template)]
#[template(path = "demo/notice.html")]
struct NoticePage<'a> {
    visitor: &'a Identity,
    heading: String,
    text: &'static str,
}

const HEADER: &str = "x-anteroom-jwt-assertion";
/// What `access.may_request` means where it is not set.
const MAY_REQUEST: [&str; 2] = ["manager", "administrator"];
const STYLE_SHEET_PATH: &str = "/assets/application.css";
const STYLE_SHEET: &str = include_str!("../../templates/demo/application.css");
const TEXT: &str = "text/plain; charset=utf-8";
