//! Integrations whose request and answer are mapped.
//!
//! Shape: a [`MappedPlan`] is a method's road: how the request is made, who is asked, how the
//! answer is made of theirs, and whether payloads are read whole for that. Templates are compiled, names resolved. Units: milliseconds, status
//! numbers. Ranges: as the compiler checks them. Errors: none here. Source: Amazon API Gateway
//! developer guide, "integration settings", "mapping template reference", "passthrough behaviors".

use crate::{
    integrate::{
        content::{ContentHandling, PassthroughBehavior, Templates},
        headers::Kind,
        parameter::{HttpApiMapping, ParameterMapping},
        selection::Selection,
    },
    model::api::PayloadFormat,
    origin::{Face, OriginIndex},
};

use super::template::TemplatePlan;

/// An integration that maps.
#[derive(Debug)]
pub struct MappedPlan {
    /// Which header rules hold.
    pub kind: Kind,
    pub backend: Backend,
    pub request: RequestPlan,
    /// Which of the answers is given.
    pub selection: Selection,
    /// In document order.
    pub answers: Box<[AnswerPlan]>,
    /// What an HTTP API edits.
    pub http_api: Option<Box<HttpApiPlan>>,
    /// Payloads pass while they come: nothing that is mapped reads them.
    pub streams: bool,
}

/// What an HTTP API does to requests and answers.
#[derive(Debug)]
pub struct HttpApiPlan {
    pub request: HttpApiMapping,
    /// By the status of the answer.
    pub answers: Box<[(u16, HttpApiMapping)]>,
    /// Which event a function gets, and which answer it gives.
    pub format: PayloadFormat,
}

/// Who is asked.
#[derive(Debug)]
pub enum Backend {
    /// Nobody: the mapped request says which answer is given.
    Mock,
    /// An HTTP endpoint.
    Http(HttpPlan),
    /// A function.
    Function(FunctionPlan),
}

/// A function, and who runs it.
#[derive(Debug)]
pub struct FunctionPlan {
    pub origin: OriginIndex,
    /// What `Host` says.
    pub host: Box<str>,
    /// Of the call.
    pub path: Box<str>,
    /// Account of the function.
    pub account_id: Box<str>,
    /// Its whole name, with the alias.
    pub arn: Box<str>,
    pub timeout_ms: u32,
    /// Longest silence of an answer that streams because its document says so, and that takes
    /// `timeout_ms` at most; `None`: it does not say so.
    pub idle_ms: Option<u32>,
}

/// An HTTP endpoint.
#[derive(Debug)]
pub struct HttpPlan {
    pub origin: OriginIndex,
    /// Which client certificate is shown.
    pub face: Face,
    /// Upper case; `None` passes the client's.
    pub method: Option<Box<str>>,
    /// What `Host` says unless it is mapped.
    pub host: Box<str>,
    /// From the first `/`.
    pub path: Box<[Piece]>,
    /// Without `?`.
    pub query: Box<[Piece]>,
    /// The URI after stage variables, for people.
    pub uri: Box<str>,
    pub timeout_ms: u32,
    /// Longest silence of an answer that streams because its document says so, and that takes
    /// `timeout_ms` at most; `None`: it does not say so.
    pub idle_ms: Option<u32>,
}

/// A piece of a URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Literal(Box<str>),
    /// A path parameter of the integration request; stays as written when there is none.
    Name {
        name: Box<str>,
        written: Box<str>,
    },
}

/// How the integration request is made.
#[derive(Debug)]
pub struct RequestPlan {
    pub parameters: ParameterMapping,
    pub templates: Templates<TemplatePlan>,
    pub passthrough: PassthroughBehavior,
    pub handling: ContentHandling,
}

/// One of the answers that a backend's can be mapped to.
#[derive(Debug)]
pub struct AnswerPlan {
    pub status: u16,
    /// `method.response.header.*`.
    pub parameters: ParameterMapping,
    pub templates: Templates<TemplatePlan>,
    pub handling: ContentHandling,
}

impl MappedPlan {
    /// The endpoint of a road on which payloads pass while they come.
    #[must_use]
    pub fn streamed(&self) -> Option<&HttpPlan> {
        match &self.backend {
            Backend::Http(http) if self.streams => Some(http),
            Backend::Mock | Backend::Http(_) | Backend::Function(_) => None,
        }
    }

    /// Whether making the request or the answer needs a payload.
    #[must_use]
    pub fn reads_payloads(&self) -> bool {
        let request = &self.request;
        let edits = self.http_api.as_deref().is_some_and(|plan| {
            let mut answers = plan.answers.iter();
            plan.request.reads_body() || answers.any(|(_, mapping)| mapping.reads_body())
        });
        edits || request.parameters.reads_body() || !request.templates.is_empty()
    }

    /// The group that is asked, if one is.
    #[must_use]
    pub fn origin(&self) -> Option<OriginIndex> {
        match &self.backend {
            Backend::Mock => None,
            Backend::Http(http) => Some(http.origin),
            Backend::Function(function) => Some(function.origin),
        }
    }
}
