//! Level 6: what a method does: http, mock.
//!
//! What it is: one file per integration type, holding what the plan compiles it to and what it
//! does with values, and what belongs to the answers of all of them: CORS and content codings.
//! Nothing here awaits or sees an exchange; the pipeline does.

pub mod compression;
pub mod cors;
pub(crate) mod encode;
pub mod http_proxy;
pub mod mock;

pub use http_proxy::{HeaderMap, HttpProxyPlan, RequestParts, Source, TargetFault};
pub use mock::{MockAnswer, MockBody, MockOutcome, MockPlan};
