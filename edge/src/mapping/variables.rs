//! What a mapping can read of one exchange, behind a trait.
//!
//! Shape: [`Variables`] is answered by whoever has the request; parameter mappings, HTTP APIs'
//! mappings and gateway responses ask. Values borrow where nothing has to be made. Units: bytes.
//! Errors: none; what is not there is `None`, and readers take an empty value for none. Source:
//! Amazon API Gateway developer guide, "parameter mapping" and "`$context` variables".

use std::borrow::Cow;

/// Where a parameter stands in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterPlace {
    /// A variable of the resource's path.
    Path,
    /// The query.
    Query,
    /// The header fields.
    Header,
}

/// Everything that a mapping can read.
pub trait Variables {
    /// `$context.NAME`; names have dots, as `identity.sourceIp`. Maps are none.
    fn context(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// `$stageVariables.NAME`.
    fn stage_variable(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// A parameter of the client's request, its last value: path values as they were matched,
    /// query values decoded, header fields without blanks at their ends. Names are compared as
    /// they are written, those of fields without case where the protocol has none.
    fn parameter(&self, place: ParameterPlace, name: &str) -> Option<Cow<'_, [u8]>>;

    /// All values of a parameter, in order.
    fn each_parameter(&self, place: ParameterPlace, name: &str, each: &mut dyn FnMut(&[u8]));

    /// The path of the client's request, without the stage.
    fn path(&self) -> &[u8];

    /// The payload of the client's request.
    fn body(&self) -> &[u8];

    /// A header field of the integration's answer, its last value; none before there is one.
    fn answer_header(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// All values of a header field of the integration's answer.
    fn each_answer_header(&self, _name: &str, _each: &mut dyn FnMut(&[u8])) {}

    /// The payload of the integration's answer.
    fn answer_body(&self) -> &[u8] {
        &[]
    }
}
