//! What is wrong with the documents, and where.
//!
//! Shape: [`PlanFault`] names a document, a JSON pointer into it, a message and a hint;
//! [`Findings`] collects all of a run, errors and warnings apart. Units: none. Ranges: the number
//! of findings is bounded by the documents' size. Errors: these are the errors.
//! Source: RFC 6901 (JSON pointer).

/// A document that was compiled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Document {
    /// The host's settings file.
    Settings,
    /// The API document of this place in the settings' `apis`.
    Api(usize),
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanFault {
    pub document: Document,
    /// JSON pointer of the place; for the settings `/listen/0/address` and the like.
    pub pointer: String,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// All findings of one compilation.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Findings {
    /// Why there is no plan.
    pub errors: Vec<PlanFault>,
    /// What the plan does otherwise than its author may expect.
    pub warnings: Vec<PlanFault>,
}

/// Adds findings about one document.
#[derive(Debug)]
pub(super) struct Reporter<'f> {
    pub(super) document: Document,
    pub(super) findings: &'f mut Findings,
}

impl Reporter<'_> {
    pub(super) fn error(
        &mut self,
        pointer: impl Into<String>,
        message: impl ToString,
        hint: impl Into<String>,
    ) {
        let fault = self.fault(pointer.into(), message.to_string(), hint.into());
        self.findings.errors.push(fault);
    }

    pub(super) fn warning(
        &mut self,
        pointer: impl Into<String>,
        message: impl ToString,
        hint: impl Into<String>,
    ) {
        let fault = self.fault(pointer.into(), message.to_string(), hint.into());
        self.findings.warnings.push(fault);
    }

    fn fault(&self, pointer: String, message: String, hint: String) -> PlanFault {
        PlanFault {
            document: self.document,
            pointer,
            message,
            hint,
        }
    }
}

/// `token` as a part of a JSON pointer.
pub(super) fn pointer_part(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
