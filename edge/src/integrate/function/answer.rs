//! What a function's output says to the client.
//!
//! Shape: an [`AnswerReader`] keeps memory for one output after the other; a [`FunctionAnswer`]
//! borrows from both. Units: status numbers, bytes. Ranges: statuses 200 to 599,
//! [`ANSWER_HEADERS_MAX`] fields. Errors: [`AnswerFault`]; a REST API answers 502, an HTTP API 500.
//! Source: Amazon API Gateway developer guide, "output format of a Lambda function for proxy
//! integration"; recorded rows.

use super::{answer_streamed, answer_v1, answer_v2};
use crate::{
    base::base64::{self, NotBase64},
    mapping::{Document, Node},
    wire::token,
};
use std::borrow::Cow;

/// Most header lines of an answer.
pub const ANSWER_HEADERS_MAX: usize = 256;

/// Which format an output has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerFormat {
    /// Of REST APIs, and of HTTP APIs whose integration says so.
    V1,
    /// Of HTTP APIs.
    V2,
    /// The metadata of an output that streams.
    Streamed,
}

/// Reads outputs; one serves one core.
#[derive(Debug, Default)]
pub struct AnswerReader {
    document: Document,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionAnswer<'a> {
    /// 200 to 599.
    pub status: u16,
    /// In the order in which they are sent; names may repeat. What becomes of each, see
    /// [`crate::integrate::headers::fate`].
    pub headers: Vec<AnswerHeader<'a>>,
    /// As the function gave it.
    pub body: &'a [u8],
    /// Whether the function says that the body is Base64.
    pub is_base64: bool,
}

/// One header line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerHeader<'a> {
    /// A token, as the function spelled it.
    pub name: &'a str,
    /// A field value.
    pub value: Cow<'a, str>,
}

/// Why an output is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerFault {
    #[error("the output is no JSON")]
    NotJson,
    #[error("the output is no object")]
    NotAnObject,
    #[error("the output has more values than are read")]
    TooComplex,
    #[error("`{0}` is no member of an answer")]
    UnknownMember(String),
    #[error("`statusCode` is no status from 200 to 599")]
    StatusCode,
    #[error("`{0}` is not as it must be")]
    Member(&'static str),
    #[error("the header `{0}` has no name or value that can be sent")]
    Header(String),
    #[error("there are more than {ANSWER_HEADERS_MAX} header lines")]
    TooManyHeaders,
}

impl FunctionAnswer<'_> {
    /// The body for the client. `decodes` says whether a body of Base64 is decoded: by a REST API
    /// if the client's `Accept` is binary
    /// ([`crate::integrate::content::BinaryTypes::is_accepted`]), by an HTTP API always. The type
    /// of the answer does not matter.
    ///
    /// # Errors
    /// A body that is no Base64; both kinds of API answer 500.
    pub fn client_body(&self, decodes: bool) -> Result<Cow<'_, [u8]>, NotBase64> {
        if !(self.is_base64 && decodes) {
            return Ok(Cow::Borrowed(self.body));
        }
        let mut bytes = Vec::new();
        base64::decode(&mut bytes, self.body)?;
        Ok(Cow::Owned(bytes))
    }
}

impl AnswerReader {
    /// A new one.
    #[must_use]
    pub fn new() -> AnswerReader {
        AnswerReader::default()
    }

    /// Reads the output of a function that did not fail.
    ///
    /// # Errors
    /// The first thing that makes it no answer.
    pub fn read<'a>(
        &'a mut self,
        format: AnswerFormat,
        output: &'a [u8],
    ) -> Result<FunctionAnswer<'a>, AnswerFault> {
        let text = std::str::from_utf8(output).map_err(|_| AnswerFault::NotJson)?;
        match (self.document.parse(text), format) {
            (Ok(Some(root)), AnswerFormat::V1) => answer_v1::read(root),
            (Ok(Some(root)), AnswerFormat::V2) => answer_v2::read(root, output),
            (Ok(None), _) => Err(AnswerFault::NotJson),
            (Err(_), AnswerFormat::V2) => answer_v2::read_whole(output),
            (Ok(Some(root)), AnswerFormat::Streamed) => answer_streamed::read(root),
            (Err(_), AnswerFormat::V1 | AnswerFormat::Streamed) => Err(AnswerFault::TooComplex),
        }
    }
}

/// A status: an integer, or a text that is one.
pub(super) fn status(node: Node<'_>) -> Result<u16, AnswerFault> {
    let number = match node.text() {
        Some(text) => text.parse().ok(),
        None => node.int(),
    };
    let status = number.and_then(|number| u16::try_from(number).ok());
    let status = status.filter(|status| (200..=599).contains(status));
    status.ok_or(AnswerFault::StatusCode)
}

/// A truth value, or a text that is one; null is false.
pub(super) fn flag(node: Node<'_>) -> Result<bool, AnswerFault> {
    match (node.bool(), node.text()) {
        (Some(value), _) => Ok(value),
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        _ if node.is_null() => Ok(false),
        _ => Err(AnswerFault::Member("isBase64Encoded")),
    }
}

/// A body: a text, or null for none.
pub(super) fn body(node: Node<'_>) -> Result<&[u8], AnswerFault> {
    match node.text() {
        Some(text) => Ok(text.as_bytes()),
        None if node.is_null() => Ok(&[]),
        None => Err(AnswerFault::Member("body")),
    }
}

/// Adds a header line; a null adds none.
pub(super) fn add<'a>(
    headers: &mut Vec<AnswerHeader<'a>>,
    name: &'a str,
    value: Node<'a>,
) -> Result<(), AnswerFault> {
    if value.is_null() {
        return Ok(());
    }
    let refused = || AnswerFault::Header(name.chars().take(80).collect());
    let value = value.scalar().ok_or_else(refused)?;
    let value = match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches([' ', '\t'])),
        Cow::Owned(number) => Cow::Owned(number),
    };
    if !token::is_token(name.as_bytes()) || !token::all(value.as_bytes(), token::VALUE) {
        return Err(refused());
    }
    if headers.len() >= ANSWER_HEADERS_MAX {
        return Err(AnswerFault::TooManyHeaders);
    }
    headers.push(AnswerHeader { name, value });
    Ok(())
}

/// The answer to `output` as one line, or the fault: how tests look at it.
#[cfg(test)]
pub(super) fn shown(format: AnswerFormat, output: &str) -> Result<String, String> {
    let mut reader = AnswerReader::new();
    let answer = reader.read(format, output.as_bytes());
    let answer = answer.map_err(|fault| fault.to_string())?;
    let headers = answer.headers.iter();
    let headers: Vec<_> = headers
        .map(|line| format!("{}={}", line.name, line.value))
        .collect();
    let body = String::from_utf8_lossy(answer.body);
    let mark = if answer.is_base64 { " base64" } else { "" };
    Ok(format!(
        "{} [{}] {body}{mark}",
        answer.status,
        headers.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_for_those_who_accept_bytes() {
        let rows: &[(&str, bool, Result<&[u8], NotBase64>)] = &[
            (
                r#"{"isBase64Encoded":true,"body":"Yf8="}"#,
                true,
                Ok(b"a\xff"),
            ),
            (
                r#"{"isBase64Encoded":true,"body":"Yf8="}"#,
                false,
                Ok(b"Yf8="),
            ),
            (
                r#"{"isBase64Encoded":false,"body":"Yf8="}"#,
                true,
                Ok(b"Yf8="),
            ),
            (
                r#"{"isBase64Encoded":true,"body":"{}"}"#,
                true,
                Err(NotBase64),
            ),
            (r#"{"isBase64Encoded":true,"body":"{}"}"#, false, Ok(b"{}")),
            (r#"{"isBase64Encoded":true}"#, true, Ok(b"")),
        ];
        let mut reader = AnswerReader::new();
        for (output, decodes, expected) in rows {
            let answer = reader
                .read(AnswerFormat::V1, output.as_bytes())
                .expect(output);
            let found = answer.client_body(*decodes);
            assert_eq!(found.as_deref(), expected.as_deref(), "{output} {decodes}");
        }
    }
}
