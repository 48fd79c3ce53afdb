//! Level 1: codecs without I/O: heads, bodies, targets.
//!
//! Shape: bytes in, offsets and decisions out; nothing here owns a buffer of a peer's bytes.
//! A connection runs [`HeadFinder`] over what arrived, [`parse_request`] or [`parse_response`]
//! over the whole head, then one [`BodyReader`]; it answers with a [`HeadWriter`].
//! Units: bytes. Errors: [`HeadFault`], [`BodyFault`], [`WriteFault`]; framing in doubt is refused,
//! never repaired. Source: RFC 9110, RFC 9112.

pub mod body;
pub mod chunked;
pub mod date;
pub mod event_frame;
pub mod events;
pub mod fault;
pub mod fields;
pub mod finder;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod host;
pub mod known;
pub mod limits;
pub mod method;
pub mod query;
pub mod response;
pub mod span;
pub mod status;
pub mod target;
pub mod token;
pub mod write;

pub use self::{
    body::BodyReader,
    chunked::{ChunkedDecoder, Step},
    date::DateCache,
    events::EventDecoder,
    fault::{BodyFault, HeadFault, WriteFault},
    fields::{Field, Fields, Onward, REMAPPED_PREFIX},
    finder::HeadFinder,
    framing::Framing,
    head::{RequestHead, parse_request},
    host::Host,
    known::Known,
    limits::{BodyLimits, HeadLimits},
    method::Method,
    response::{ResponseHead, ResponseTo, parse_response},
    span::Span,
    target::{Form, Target},
    write::HeadWriter,
};
