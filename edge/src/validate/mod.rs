//! Level 2: validation of requests: required parameters, and bodies against models.
//!
//! What it is: values in, a verdict and the client's words out; nothing here waits. Shape:
//! [`RequiredParameters`] of a method; [`Models`] of an API, JSON Schema draft 4, and
//! [`RequestModels`], which says which model a body has. All of it is compiled once. Units: bytes,
//! steps. Ranges: a body has at most [`VALUES_MAX`] values and takes at most [`STEPS_MAX`] steps.
//! Errors: faults when compiled; [`ParametersMissing`] and [`BodyFault`] for requests. Source:
//! Amazon API Gateway developer guide, "request validation" and "data models".
//!
//! The schemas run on code of ours and not on a crate, since bodies are hostile: this one counts
//! its steps and stops, keeps a value in 16 bytes, and finds errors in the service's order, of
//! which it writes a bounded text. The crate `jsonschema` is its judge in the tests.

mod check;
mod document;
mod number;
mod parameters;
mod pattern;
mod schema;
mod words;

pub use check::{DEPTH_MAX, STEPS_MAX};
pub use document::VALUES_MAX;
pub use parameters::{ParametersMissing, RequiredParameters};
pub use schema::{ModelFault, ModelId, ModelSource, Models, NODES_MAX, PATTERNS_BYTES_MAX};
pub use words::WORDS_BYTES_MAX;

use check::Checker;
use document::Document;
use words::Words;

/// What the client reads of a body that is not valid.
pub const INVALID_BODY: &str = "Invalid request body";

/// Why a body is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyFault {
    /// `BAD_REQUEST_BODY`.
    #[error("the body is not valid against its model")]
    Invalid,
    /// `API_CONFIGURATION_ERROR`: the model asks for more work than is done for one body.
    #[error("checking the body against its model takes more than {STEPS_MAX} steps")]
    Unfinished,
}

impl Models {
    /// Checks a body; one of no bytes is checked as `{}`. What is wrong with it is appended to
    /// `detail`, as `$context.error.validationErrorString` has it.
    ///
    /// # Errors
    /// [`BodyFault`].
    pub fn check(&self, model: ModelId, body: &[u8], detail: &mut String) -> Result<(), BodyFault> {
        let body = if body.is_empty() { b"{}" } else { body };
        let Ok(document) = Document::parse(body) else {
            detail.push_str("[Unknown error parsing request body]");
            return Err(BodyFault::Invalid);
        };
        let mut checker = Checker::new(self);
        match checker.holds(model.0, document.root(), 0) {
            Ok(true) => Ok(()),
            Ok(false) => {
                // Told with steps of its own: it is invalid whatever it takes to say why.
                let mut checker = Checker::new(self);
                detail.push_str(&Words::of(&mut checker, model.0, document.root()));
                Err(BodyFault::Invalid)
            }
            Err(check::Unfinished) => Err(BodyFault::Unfinished),
        }
    }
}

/// The models of a method's request bodies, by media type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestModels {
    models: Box<[(Box<str>, ModelId)]>,
}

/// A method names a model that is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no model `{model}`")]
pub struct UnknownModel {
    /// Media type that it stands at.
    pub media_type: String,
    /// The name.
    pub model: String,
}

/// The media type of a body that names none.
const MEDIA_TYPE_DEFAULT: &[u8] = b"application/json";

impl RequestModels {
    /// Compiles `requestModels`: media types with names of models.
    ///
    /// # Errors
    /// The first name that is unknown.
    pub fn compile(models: &Models, named: &[(&str, &str)]) -> Result<RequestModels, UnknownModel> {
        let mut found = Vec::with_capacity(named.len());
        for (media_type, model) in named {
            let id = models.find(model).ok_or_else(|| UnknownModel {
                media_type: (*media_type).to_owned(),
                model: (*model).to_owned(),
            })?;
            found.push(((*media_type).into(), id));
        }
        Ok(RequestModels {
            models: found.into(),
        })
    }

    /// Whether no body is ever looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The model of a body with this `Content-Type`; `None`: it is not looked at.
    #[must_use]
    pub fn model(&self, content_type: Option<&[u8]>) -> Option<ModelId> {
        let value = content_type.unwrap_or(MEDIA_TYPE_DEFAULT);
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let wanted = match value.get(..end).unwrap_or(value).trim_ascii() {
            b"" => MEDIA_TYPE_DEFAULT,
            named => named,
        };
        let found =
            (self.models.iter()).find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(wanted));
        found.map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests;
