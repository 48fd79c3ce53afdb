//! Answers that the gateway gives itself.
//!
//! Shape: for each request template the outcome it always has, and the answers with their fields
//! and bodies prepared. Units: status numbers, bytes. Ranges: statuses 100 to 599. Errors:
//! [`MockOutcome`] says what to answer instead. Source: Amazon API Gateway developer guide, "mock
//! integrations": template by Content-Type, answer by `selectionPattern`, body by Accept.

/// A mock integration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MockPlan {
    /// By media type in lower case, `$default` last.
    pub(crate) templates: Box<[(Box<str>, Selection)]>,
    /// What a request gets whose media type has no template.
    pub(crate) otherwise: Selection,
    pub(crate) answers: Box<[MockAnswer]>,
}

/// What a template leads to; known when compiling, as templates are static here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Selection {
    /// Index into the answers.
    Answer(usize),
    /// No integer `statusCode`, or no answer for it: 500.
    Misconfigured,
    /// 415.
    UnsupportedMediaType,
    /// What the request's payload leads to, which stands for the template.
    Passes,
}

/// One prepared answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MockAnswer {
    pub status: u16,
    /// Fields set by `method.response.header.*`, in document order.
    pub fields: Box<[(Box<str>, Box<str>)]>,
    /// By media type, in document order; none: an empty body.
    pub bodies: Box<[MockBody]>,
}

/// One body of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MockBody {
    pub media_type: Box<str>,
    pub text: Box<[u8]>,
}

/// What a mock says to one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MockOutcome<'p> {
    Answer {
        answer: &'p MockAnswer,
        body: Option<&'p MockBody>,
    },
    /// `API_CONFIGURATION_ERROR`, 500.
    Misconfigured,
    /// `UNSUPPORTED_MEDIA_TYPE`, 415.
    UnsupportedMediaType,
    /// The request's payload stands for the template; without one it is misconfigured.
    Passes,
}

/// The media type of a request or answer that names none.
pub const MEDIA_TYPE_DEFAULT: &str = "application/json";

impl MockPlan {
    /// The answer to a request with these `Content-Type` and `Accept` fields.
    #[must_use]
    pub fn answer(&self, content_type: Option<&[u8]>, accept: Option<&[u8]>) -> MockOutcome<'_> {
        let media_type = content_type.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), media_type_of);
        let named = |wanted: &[u8]| {
            (self.templates.iter())
                .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(wanted))
                .map(|(_, selection)| *selection)
        };
        match named(media_type)
            .or_else(|| named(b"$default"))
            .unwrap_or(self.otherwise)
        {
            Selection::Misconfigured => MockOutcome::Misconfigured,
            Selection::UnsupportedMediaType => MockOutcome::UnsupportedMediaType,
            Selection::Passes => MockOutcome::Passes,
            Selection::Answer(index) => match self.answers.get(index) {
                Some(answer) => MockOutcome::Answer {
                    answer,
                    body: answer.body(accept),
                },
                None => MockOutcome::Misconfigured,
            },
        }
    }

    /// Whether a request's payload may stand for the template.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let takes_all = (self.templates.iter()).any(|(known, _)| &**known == "$default");
        self.otherwise == Selection::Passes && !takes_all
    }

    /// All answers it can give, for `explain`.
    #[must_use]
    pub fn answers(&self) -> &[MockAnswer] {
        &self.answers
    }
}

impl MockAnswer {
    /// The body for an `Accept` field: its first media type, else JSON, else the first one.
    #[must_use]
    pub fn body(&self, accept: Option<&[u8]>) -> Option<&MockBody> {
        let named = |wanted: &[u8]| {
            (self.bodies.iter())
                .find(|body| body.media_type.as_bytes().eq_ignore_ascii_case(wanted))
        };
        let first = accept.map(|accept| {
            let end = memchr::memchr(b',', accept).unwrap_or(accept.len());
            media_type_of(accept.get(..end).unwrap_or(accept))
        });
        first
            .and_then(named)
            .or_else(|| named(MEDIA_TYPE_DEFAULT.as_bytes()))
            .or_else(|| self.bodies.first())
    }
}

/// A field value without its parameters.
fn media_type_of(value: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_ascii()
}
