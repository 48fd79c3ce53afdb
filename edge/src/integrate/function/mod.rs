//! Functions: the event of a request, the call, and the answer.
//!
//! What it is: values in, values out. [`EventWriter`] writes the event from borrowed
//! [`EventFacts`], [`FunctionUri`] says where it goes, [`invoked`] what the call came to, and
//! [`AnswerReader`] reads the function's output; where that streams, [`Front`] takes what stands in
//! front of it. Nothing here awaits. Source: Amazon API Gateway
//! developer guide, "Lambda proxy integrations", payload formats 1.0 and 2.0.

mod answer;
mod answer_streamed;
mod answer_v1;
mod answer_v2;
mod event;
mod event_v1;
mod event_v2;
mod facts;
mod front;
mod groups;
mod invoke;
mod json;
mod uri;

pub use answer::{
    ANSWER_HEADERS_MAX, AnswerFault, AnswerFormat, AnswerHeader, AnswerReader, FunctionAnswer,
};
pub use event::{EventFormat, EventWriter};
pub use facts::{
    AuthorizerFacts, ClientCertFacts, ContextFacts, EventBody, EventFacts, IamFacts, IdentityFacts,
};
pub use front::{FRONT_BYTES_MAX, Front, FrontFault};
pub use invoke::{
    FUNCTION_ERROR, INVOCATION_TYPE, INVOKE_FIELDS, InvokeFault, Invoked, PAYLOAD_BYTES_MAX,
    error_message, invoked,
};
pub use uri::{FunctionUri, UriFault};
