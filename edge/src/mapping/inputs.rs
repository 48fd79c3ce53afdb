//! What a template sees of a request, and what it says about the next one.
//!
//! Shape: borrowed names and texts; [`ContextValue`] is a tree. Units: none. Errors: none. Source:
//! the developer guide's `$input`, `$context`, `$stageVariables` and override variables.

/// Names with their values, in order.
pub type Pairs<'r> = &'r [(&'r str, &'r str)];

/// Everything that a template can read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'r> {
    /// Payload; an empty one reads as `{}`.
    pub body: &'r str,
    /// Path parameters.
    pub path: Pairs<'r>,
    /// Query parameters, the last value of each.
    pub query: Pairs<'r>,
    /// Header fields as sent, the last value of each.
    pub header: Pairs<'r>,
    /// `$stageVariables`.
    pub stage_variables: Pairs<'r>,
    /// `$context`.
    pub context: &'r [(&'r str, ContextValue<'r>)],
    /// What the request template has overridden, for the response template.
    pub overrides: Option<&'r Overrides>,
}

/// A member of `$context`.
#[derive(Clone, Copy, Debug)]
pub enum ContextValue<'r> {
    /// Prints as it is.
    Text(&'r str),
    /// Prints nothing; its members can be read.
    Map(&'r [(&'r str, ContextValue<'r>)]),
}

/// What templates set below `$context.requestOverride` and `$context.responseOverride`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Path parameters of the integration request.
    pub request_path: Vec<(String, String)>,
    /// Query parameters of the integration request.
    pub request_query: Vec<(String, String)>,
    /// Header fields of the integration request.
    pub request_header: Vec<(String, String)>,
    /// Header fields of the answer.
    pub response_header: Vec<(String, String)>,
    /// Status of the answer; one that is no number from 100 to 599 is not here.
    pub status: Option<u16>,
}

impl Overrides {
    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }
}
