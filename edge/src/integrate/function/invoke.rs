//! The call of a function: what it sends beside the event, and what its statuses mean.
//!
//! Shape: tables and small functions; the call itself is made by others. Units: status numbers.
//! Errors: [`InvokeFault`], whose [`InvokeFault::status`] the client gets. Source: AWS Lambda API
//! reference, "Invoke"; Amazon API Gateway developer guide, "Lambda proxy integrations"
//! (recorded: a refused call and a missing alias are 500, a failed function 502).

use crate::mapping::Document;
use std::borrow::Cow;

/// Fields of a synchronous call, beside framing, host, trace id and signature.
pub const INVOKE_FIELDS: &[(&str, &str)] = &[
    ("Content-Type", "application/json"),
    ("X-Amz-Invocation-Type", "RequestResponse"),
];

/// Names the field by which a mapping asks for a call without an answer.
pub const INVOCATION_TYPE: &str = "X-Amz-Invocation-Type";

/// The field of an answer that says that the function failed.
pub const FUNCTION_ERROR: &str = "X-Amz-Function-Error";

/// Most bytes of an event and of an output in a synchronous call.
pub const PAYLOAD_BYTES_MAX: usize = 6 << 20;

/// What a call came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invoked {
    /// The body is the function's output.
    Output,
    /// The function failed; the body is its error. A mapping may select by its message; for a
    /// proxy it is [`InvokeFault::FunctionError`].
    FunctionError,
    /// Nothing was to be waited for, and nothing came.
    Accepted,
}

/// Why there is no output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvokeFault {
    #[error("calling the function was not permitted")]
    Denied,
    #[error("there is no such function or alias")]
    NotFound,
    #[error("the function is throttled")]
    Throttled,
    #[error("the call was refused with status {0}")]
    Refused(u16),
    #[error("the service that runs functions failed with status {0}")]
    Service(u16),
    #[error("the function failed")]
    FunctionError,
}

impl InvokeFault {
    /// The status that the client of a REST API gets; the body is that of an internal error. An
    /// HTTP API answers 500 to all of them.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            InvokeFault::Denied
            | InvokeFault::NotFound
            | InvokeFault::Throttled
            | InvokeFault::Refused(_) => 500,
            InvokeFault::Service(_) | InvokeFault::FunctionError => 502,
        }
    }
}

/// What a call's status and its [`FUNCTION_ERROR`] field mean.
pub fn invoked(status: u16, function_error: Option<&[u8]>) -> Result<Invoked, InvokeFault> {
    match status {
        200 if function_error.is_some() => Ok(Invoked::FunctionError),
        200 => Ok(Invoked::Output),
        202 | 204 => Ok(Invoked::Accepted),
        403 => Err(InvokeFault::Denied),
        404 => Err(InvokeFault::NotFound),
        429 => Err(InvokeFault::Throttled),
        400..=499 => Err(InvokeFault::Refused(status)),
        other => Err(InvokeFault::Service(other)),
    }
}

/// The text that selects an integration response of a function behind mappings: the
/// `errorMessage` of a failed one, else nothing.
#[must_use]
pub fn error_message<'d>(
    invoked: Invoked,
    output: &'d [u8],
    document: &'d mut Document,
) -> Cow<'d, str> {
    match invoked {
        Invoked::FunctionError => message_of(output, document).unwrap_or(Cow::Borrowed("")),
        Invoked::Output | Invoked::Accepted => Cow::Borrowed(""),
    }
}

fn message_of<'d>(output: &'d [u8], document: &'d mut Document) -> Option<Cow<'d, str>> {
    let text = std::str::from_utf8(output).ok()?;
    let root = document.parse(text).ok()??;
    let mut members = root.members()?;
    let (_, message) = members.find(|(name, _)| *name == "errorMessage")?;
    message.scalar()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_calls() {
        let failed: Option<&[u8]> = Some(b"Unhandled");
        let rows = [
            (200, None, Ok(Invoked::Output)),
            (200, failed, Ok(Invoked::FunctionError)),
            (202, None, Ok(Invoked::Accepted)),
            (204, None, Ok(Invoked::Accepted)),
            (400, None, Err((InvokeFault::Refused(400), 500))),
            (403, None, Err((InvokeFault::Denied, 500))),
            (404, None, Err((InvokeFault::NotFound, 500))),
            (409, None, Err((InvokeFault::Refused(409), 500))),
            (413, None, Err((InvokeFault::Refused(413), 500))),
            (429, None, Err((InvokeFault::Throttled, 500))),
            (500, None, Err((InvokeFault::Service(500), 502))),
            (502, failed, Err((InvokeFault::Service(502), 502))),
            (302, None, Err((InvokeFault::Service(302), 502))),
        ];
        for (status, error, expected) in rows {
            let found = invoked(status, error).map_err(|fault| (fault, fault.status()));
            assert_eq!(found, expected, "{status}");
        }
        assert_eq!(InvokeFault::FunctionError.status(), 502);
    }

    #[test]
    fn messages_of_errors() {
        let rows = [
            (
                r#"{"errorMessage":"four hundred","errorType":"E"}"#,
                "four hundred",
            ),
            (r#"{"errorMessage":"a\nb"}"#, "a\nb"),
            (r#"{"errorMessage":null}"#, ""),
            (r#"{"errorType":"E"}"#, ""),
            ("[]", ""),
            ("no JSON", ""),
            ("\u{ff}", ""),
        ];
        let mut document = Document::new();
        for (output, expected) in rows {
            let bytes = output.as_bytes();
            let found = error_message(Invoked::FunctionError, bytes, &mut document);
            assert_eq!(found, expected, "{output}");
        }
        let success = rows[0].0.as_bytes();
        assert_eq!(error_message(Invoked::Output, success, &mut document), "");
    }
}
