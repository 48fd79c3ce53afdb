//! What can be wrong with a mapping, when it is compiled and when it runs.
//!
//! Shape: two enums. Units: byte offsets from 0. Source: recorded: a payload that begins like JSON
//! and is none is the client's fault in a request (400) and ours in an answer (500).

use crate::mapping::Fault;

/// A row that cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RowFault {
    /// Position of the row.
    pub row: usize,
    /// Which side of it.
    pub part: RowPart,
    /// Offset in that side.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

/// A side of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowPart {
    /// What is set.
    Key,
    /// Where the value comes from.
    Value,
}

/// Why a request or an answer cannot be mapped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MappingFault {
    /// The request's payload begins like JSON and is none: 400, with this text.
    #[error("Invalid JSON in request body")]
    RequestJson,
    /// The answer's payload begins like JSON and is none.
    #[error("Invalid JSON in response body")]
    AnswerJson,
    /// The row sets a field that no mapping may set.
    #[error("the mapping sets `{0}`, which it may not")]
    Refused(String),
    /// A value of the request that no field can hold.
    #[error("the value for `{0}` cannot be sent: it holds a control character")]
    RequestValue(String),
    /// A value of the answer that no field can hold.
    #[error("the value for `{0}` cannot be sent: it holds a control character")]
    AnswerValue(String),
    /// A path that takes too many steps or too much memory.
    #[error("{0}")]
    Bound(Fault),
}

impl MappingFault {
    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            MappingFault::RequestJson | MappingFault::RequestValue(_) => 400,
            MappingFault::AnswerJson
            | MappingFault::Refused(_)
            | MappingFault::AnswerValue(_)
            | MappingFault::Bound(_) => 500,
        }
    }
}
