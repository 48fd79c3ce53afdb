//! What can be wrong with a template, when it is compiled and when it runs.
//!
//! Shape: [`TemplateError`] and [`RenderError`] carry a line and a column; [`Fault`] says what
//! happened in a render. Units: lines and columns count from 1, columns in characters.
//! Source: every render error becomes the gateway's 500, `API_CONFIGURATION_ERROR`.

/// A template that does not compile.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// Line in the template, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub message: String,
}

/// A render that ended early.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct RenderError {
    /// Line of the directive or reference that was at work, from 1.
    pub line: u32,
    /// Its column in characters, from 1.
    pub column: u32,
    /// What happened.
    pub fault: Fault,
}

/// Why a render ended early.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A `#foreach` over more than the allowed rounds.
    #[error("a loop is longer than {max} rounds")]
    Rounds {
        /// The bound.
        max: usize,
    },
    /// Too much work.
    #[error("the template takes more than {max} steps")]
    Steps {
        /// The bound.
        max: u64,
    },
    /// Too much output.
    #[error("the output is longer than {max} bytes")]
    Output {
        /// The bound.
        max: usize,
    },
    /// Too much text, or too many lists and maps.
    #[error("the template makes more values than memory is given to it")]
    Memory,
    /// Macros or blocks that call themselves, or data that holds itself.
    #[error("{what} nested deeper than {max}")]
    Depth {
        /// What is nested.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A method refused its arguments, as the Java method would by an exception.
    #[error("{method}: {reason}")]
    Method {
        /// Its name.
        method: String,
        /// What it refused.
        reason: String,
    },
    /// A regular expression that is none, or that is not supported.
    #[error("regular expression `{pattern}`: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A JSONPath that is none.
    #[error("JSONPath `{path}`: {reason}")]
    Path {
        /// As given.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A result that 64 bits do not hold.
    #[error("an integer result does not fit into 64 bits")]
    Overflow,
    /// One override set twice.
    #[error("`{name}` is overridden twice")]
    OverriddenTwice {
        /// The header, parameter or `status`.
        name: String,
    },
    /// `#break` outside of a loop, with an argument that is no loop.
    #[error("`#break` takes only `$foreach`")]
    Break,
}

/// The same on its way out, in one word: what goes well should not make room for it.
pub(super) type Halt = Box<Fault>;

impl Fault {
    /// A method's refusal.
    pub(super) fn method(method: &str, reason: impl Into<String>) -> Fault {
        Fault::Method {
            method: method.to_owned(),
            reason: reason.into(),
        }
    }
}
