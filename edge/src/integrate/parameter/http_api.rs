//! Parameter mappings of HTTP APIs.
//!
//! Shape: rows of `append|overwrite|remove:place.name` and a text with variables in it. Units:
//! bytes. Errors: [`RowFault`] when compiled, [`MappingFault`] when run. Source: Amazon API Gateway
//! developer guide, "transform API requests and responses for HTTP APIs": `$request.header.N`,
//! `${…}` inside of texts, names that are reserved. A payload that is broken JSON has no values,
//! and a row whose value comes out empty does nothing.

use super::{
    fault::{MappingFault, RowFault, RowPart},
    memory::{MappingMemory, Rules, Sink},
    rest::check_field,
    source::{Phase, Reading, Source, SourceFault},
};
use crate::{
    integrate::headers::is_reserved_in_http_apis,
    mapping::{ParameterPlace, Variables},
    wire::token,
};

/// The rows of one direction; those of answers belong to one status.
#[derive(Clone, Debug)]
pub struct HttpApiMapping(Rules<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    edit: Edit,
    target: Target,
    pieces: Box<[Piece]>,
}

/// What is done to a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit {
    /// One more value.
    Append,
    /// In place of all values.
    Overwrite,
    /// No values; there is no value to it.
    Remove,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Target {
    Header(Box<str>),
    Query(Box<str>),
    Path,
    Status,
}

/// A parameter that is edited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditTarget<'m> {
    /// Fields of this name.
    Header(&'m str),
    /// Pairs of the query.
    Query(&'m str),
    /// The path of the request.
    Path,
    /// The status of the answer.
    Status,
}

/// One edit, to be done in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedEdit<'m> {
    /// What is done.
    pub edit: Edit,
    /// To what.
    pub target: EditTarget<'m>,
    /// Empty for [`Edit::Remove`] alone; that of a field can be sent, that of a status is one.
    pub value: &'m [u8],
}

/// A part of a value.
#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<str>),
    Source(Source),
}

impl HttpApiMapping {
    /// Edits of the request.
    ///
    /// # Errors
    /// The first row that is not as it must be.
    pub fn compile_request<'t>(
        rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<HttpApiMapping, RowFault> {
        compile(Phase::Request, rows)
    }

    /// Edits of an answer.
    ///
    /// # Errors
    /// The first row that is not as it must be.
    pub fn compile_answer<'t>(
        rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<HttpApiMapping, RowFault> {
        compile(Phase::Answer, rows)
    }

    /// Whether there is nothing to edit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row needs the payload.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.0.reads_body()
    }

    /// The edits of one exchange, in document order.
    ///
    /// # Errors
    /// What makes the exchange fail.
    pub fn run<'m>(
        &'m self,
        variables: &dyn Variables,
        memory: &'m mut MappingMemory,
    ) -> Result<impl Iterator<Item = MappedEdit<'m>>, MappingFault> {
        let values = self.0.run(variables, memory, true, Rule::run)?;
        Ok(values.map(|(rule, value)| MappedEdit {
            edit: rule.edit,
            target: match &rule.target {
                Target::Header(name) => EditTarget::Header(name),
                Target::Query(name) => EditTarget::Query(name),
                Target::Path => EditTarget::Path,
                Target::Status => EditTarget::Status,
            },
            value,
        }))
    }
}

impl Rule {
    fn reads_body(&self) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|piece| matches!(piece, Piece::Source(source) if source.reads_body()))
    }

    fn run(
        &self,
        at: usize,
        reading: &mut Reading<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), MappingFault> {
        if self.edit == Edit::Remove {
            sink.mark(at);
            return Ok(());
        }
        let start = sink.text.len();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => sink.text.extend_from_slice(text.as_bytes()),
                Piece::Source(source) => reading.value(source, sink.text)?,
            }
        }
        if self.target == Target::Status && !is_status(sink.since(start)) {
            sink.text.truncate(start);
        }
        let value = sink.take(at, start);
        if let Target::Header(name) = &self.target {
            check_field(reading.phase, name, value)?;
        }
        Ok(())
    }
}

/// Whether `text` is a status of a final answer.
fn is_status(text: &[u8]) -> bool {
    matches!(text, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'])
}

fn compile<'t>(
    phase: Phase,
    rows: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<HttpApiMapping, RowFault> {
    let mut rules = Vec::new();
    for (row, (key, value)) in rows.into_iter().enumerate() {
        let fault = |part: RowPart| {
            move |(at, reason): SourceFault| RowFault {
                row,
                part,
                at,
                reason,
            }
        };
        let (edit, target) = parse_key(key, phase).map_err(fault(RowPart::Key))?;
        let pieces = match edit {
            Edit::Remove => Vec::new(),
            Edit::Append | Edit::Overwrite => {
                parse_value(value, phase).map_err(fault(RowPart::Value))?
            }
        };
        if let (Target::Status, [Piece::Literal(text)]) = (&target, &pieces[..])
            && !is_status(text.as_bytes())
        {
            let reason = "a status is a number from 200 to 599".to_owned();
            return Err(fault(RowPart::Value)((0, reason)));
        }
        rules.push(Rule {
            edit,
            target,
            pieces: pieces.into(),
        });
    }
    Ok(HttpApiMapping(Rules::new(phase, rules, Rule::reads_body)))
}

fn parse_key(key: &str, phase: Phase) -> Result<(Edit, Target), SourceFault> {
    let refused = |at: usize, reason: &str| Err((at, reason.to_owned()));
    let (edit, rest) = match key.split_once(':') {
        Some(("append", rest)) => (Edit::Append, rest),
        Some(("overwrite", rest)) => (Edit::Overwrite, rest),
        Some(("remove", rest)) => (Edit::Remove, rest),
        _ => return refused(0, "a key begins with append:, overwrite: or remove:"),
    };
    let at = key.len().saturating_sub(rest.len());
    if let Some(name) = rest.strip_prefix("header.") {
        let at = at.saturating_add("header.".len());
        if !token::is_token(name.as_bytes()) {
            return refused(at, "this is no name of a header field");
        }
        if is_reserved_in_http_apis(name.as_bytes()) {
            return refused(at, "this field is reserved and cannot be mapped");
        }
        return Ok((edit, Target::Header(name.into())));
    }
    match (rest.strip_prefix("querystring."), phase) {
        (Some(""), Phase::Request) => refused(key.len(), "a name must follow"),
        (Some(name), Phase::Request) => Ok((edit, Target::Query(name.into()))),
        _ => match (edit, rest, phase) {
            (Edit::Overwrite, "path", Phase::Request) => Ok((edit, Target::Path)),
            (Edit::Overwrite, "statuscode", Phase::Answer) => Ok((edit, Target::Status)),
            (_, _, Phase::Answer) => {
                refused(at, "header.NAME must follow, or overwrite:statuscode")
            }
            _ => refused(
                at,
                "header.NAME or querystring.NAME must follow, or overwrite:path",
            ),
        },
    }
}

/// Cuts a value at its variables.
fn parse_value(text: &str, phase: Phase) -> Result<Vec<Piece>, SourceFault> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(after) = rest.strip_prefix('$') else {
            let end = rest.find('$').unwrap_or(rest.len());
            literal.push_str(rest.get(..end).unwrap_or(rest));
            at = at.saturating_add(end.max(1));
            continue;
        };
        let (name, name_at, bytes) = if let Some(inner) = after.strip_prefix('{') {
            let Some((name, _)) = inner.split_once('}') else {
                return Err((at, "`${` without `}`".to_owned()));
            };
            (name, at.saturating_add(2), name.len().saturating_add(3))
        } else if after.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let name = bare_name(after);
            (name, at.saturating_add(1), name.len().saturating_add(1))
        } else {
            literal.push('$');
            at = at.saturating_add(1);
            continue;
        };
        let source = reference(name, phase);
        let source = source.map_err(|(within, reason)| (name_at.saturating_add(within), reason))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
        }
        pieces.push(Piece::Source(source));
        at = at.saturating_add(bytes);
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    match pieces.iter().find_map(|piece| match piece {
        Piece::Literal(text) => text.bytes().position(|byte| !token::is(byte, token::VALUE)),
        Piece::Source(_) => None,
    }) {
        Some(_) => Err((0, "the text holds a control character".to_owned())),
        None => Ok(pieces),
    }
}

/// A name without braces: as far as names go; a path into a payload goes to the end.
fn bare_name(text: &str) -> &str {
    if text.starts_with("request.body.") || text.starts_with("response.body.") {
        return text;
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let end = text.bytes().position(|byte| !is_name(byte));
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// What a variable stands for; without its `$`.
fn reference(name: &str, phase: Phase) -> Result<Source, SourceFault> {
    if let Some(source) = Source::of_variables(name) {
        return source;
    }
    let refused = |at: usize, reason: &str| Err((at, reason.to_owned()));
    let (rest, is_here) = match (
        name.strip_prefix("request."),
        name.strip_prefix("response."),
    ) {
        (Some(rest), _) => (rest, phase == Phase::Request),
        (_, Some(rest)) => (rest, phase == Phase::Answer),
        _ => {
            return refused(
                0,
                "there is no such variable; known are request, response, context and \
                 stageVariables",
            );
        }
    };
    if !is_here {
        return refused(0, "there is no such value in this direction");
    }
    let at = name.len().saturating_sub(rest.len());
    let is_request = phase == Phase::Request;
    if let Some(source) = Source::of_body(rest, at) {
        return source;
    }
    if rest == "path" && is_request {
        return Ok(Source::Path);
    }
    match rest.split_once('.') {
        Some((_, "")) => refused(name.len(), "a name must follow"),
        Some(("header", name)) if is_request => {
            Ok(Source::Parameters(ParameterPlace::Header, name.into()))
        }
        Some(("header", name)) => Ok(Source::AnswerHeaders(name.into())),
        Some(("querystring", name)) if is_request => {
            Ok(Source::Parameters(ParameterPlace::Query, name.into()))
        }
        Some(("path", name)) if is_request => {
            Ok(Source::Parameter(ParameterPlace::Path, name.into()))
        }
        _ if is_request => refused(at, "header, querystring, path or body must follow"),
        _ => refused(at, "header or body must follow"),
    }
}

#[cfg(test)]
#[path = "http_api_tests.rs"]
mod tests;
