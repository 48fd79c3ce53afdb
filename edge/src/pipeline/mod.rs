//! Level 8: the way of one request.
//!
//! What it is: [`request`] is the page to read first; [`exchange`] is all state of one request,
//! [`fault`] what can go wrong and [`respond`] the only place that turns it into an answer;
//! [`forward`] is the half that awaits an origin, `passage` whose heads it sends, `relay` how the
//! answer's payload gets to the client, [`hops`] finds the client behind listed proxies,
//! [`pressure`] is what an overloaded core grants, [`journal`] what is noted for execution logs. Errors: [`fault::Fault`].

mod ask;
pub mod cache;
mod coding;
mod collect;
mod context;
pub mod exchange;
pub mod fault;
mod finish;
pub mod forward;
pub mod hops;
pub mod journal;
mod limit;
pub mod local;
mod mapped;
mod passage;
pub mod pressure;
mod record;
mod relay;
pub mod request;
pub mod respond;
mod rewrite;
pub mod room;
mod told;
mod trace;
mod validate;

pub use exchange::{AddressText, Exchange, Peer};
pub use fault::Fault;
pub use hops::Told;
pub use local::{Local, Serving};
pub use pressure::Step;
pub use request::{Next, Started, Waiting, serve, start};
