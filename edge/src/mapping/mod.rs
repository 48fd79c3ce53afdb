//! Mapping templates: bytes and a context in, bytes and overrides out.
//!
//! Shape: [`Template::compile`] once, when an API is deployed; [`Template::render`] for every
//! request, into an [`Output`] that keeps its memory. Nothing here waits or reads a clock. Units:
//! bytes; lines and columns from 1. [`Document`] and [`Variables`] serve mappings without
//! templates. Errors: [`TemplateError`] and [`RenderError`]; the gateway
//! answers a render error with 500. Bounds: [`ROUNDS_MAX`], [`STEPS_MAX`], [`OUTPUT_BYTES_MAX`],
//! depths, and memory. Source: Apache Velocity 1.7 with missing references as empty texts, Jayway
//! JsonPath, and the Amazon API Gateway developer guide, "mapping template reference".

mod decimal;
mod document;
mod error;
pub mod gateway_response;
mod inputs;
mod json;
mod json_path;
mod meter;
mod pattern;
mod plain;
mod print;
mod run;
mod value;
mod variables;
mod vtl;

pub use document::{BodyPath, Document, Finder, Node};
pub use error::{Fault, RenderError, TemplateError};
pub use inputs::{ContextValue, Inputs, Overrides, Pairs};
pub use meter::STEPS_MAX;
pub use pattern::WholePattern;
pub use variables::{ParameterPlace, Variables};

use value::{Heap, Value};
use vtl::program::Program;

/// Longest template in bytes.
pub const SOURCE_BYTES_MAX: usize = 300 * 1024;
/// Most rounds of one `#foreach`.
pub const ROUNDS_MAX: usize = 1_000;
/// Most bytes that a template prints.
pub const OUTPUT_BYTES_MAX: usize = 10 << 20;

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    program: Program,
}

/// What renders print into; its memory serves the next render too.
#[derive(Default, Debug)]
pub struct Output {
    text: String,
    heap: Heap,
    slots: Vec<Value>,
    steps: u64,
}

impl Output {
    /// An empty one.
    #[must_use]
    pub fn new() -> Output {
        Output::default()
    }

    /// What the last render printed; after an error, nothing.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Steps that the last render took, of [`STEPS_MAX`].
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl Template {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The first place that cannot be read.
    pub fn compile(source: &str) -> Result<Template, TemplateError> {
        let program = vtl::parse(source)?;
        Ok(Template { program })
    }

    /// Renders into `output`, whose former text is forgotten.
    ///
    /// # Errors
    /// A bound that was met, or a method that refused its arguments.
    pub fn render(
        &self,
        inputs: &Inputs<'_>,
        output: &mut Output,
    ) -> Result<Overrides, RenderError> {
        run::render(&self.program, inputs, output)
    }
}

/// Parses a JSONPath and throws it away; what fuzzing and checks of documents need.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), Fault> {
    json_path::parse(path).map(|_| ())
}
