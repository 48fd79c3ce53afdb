//! Level 6: what a method does: http, functions, mock.
//!
//! What it is: one file per integration type, holding what the plan compiles it to and what it
//! does with values; and what several of them share: header rules, payload conversions, content
//! codings, choice of the answer. Nothing here awaits or sees an exchange; the pipeline does.

pub mod compression;
pub mod content;
pub mod cors;
pub(crate) mod encode;
pub mod function;
pub mod headers;
pub mod http_proxy;
pub mod mock;
mod mock_status;
pub mod parameter;
pub mod selection;

pub use http_proxy::{HeaderMap, HttpProxyPlan, RequestParts, Source, TargetFault};
pub use mock::{MockAnswer, MockBody, MockOutcome, MockPlan};
pub use mock_status::status_code;
