//! Where a mapping's value comes from: read when compiled, looked up when run.
//!
//! Shape: a [`Source`] is a name with its kind; a [`Reading`] is one run over one exchange, which
//! reads the payload as JSON only when it is first asked for. Units: bytes, byte offsets. Errors:
//! what is wrong with a source and where; [`MappingFault`] when run. Source: Amazon API Gateway
//! developer guide, "data mapping source"; recorded: an empty payload is `{}`, one that does not
//! begin with `{`, `[`, `'` or `"` is a plain text.

use super::fault::MappingFault;
use crate::{
    mapping::{BodyPath, Finder, ParameterPlace, Variables},
    wire::token,
};

/// What is being mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// A request on its way to the integration.
    Request,
    /// The integration's answer.
    Answer,
    /// An error of the gateway's own.
    GatewayResponse,
}

/// One source.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The last value of a parameter.
    Parameter(ParameterPlace, Box<str>),
    /// All of its values.
    Parameters(ParameterPlace, Box<str>),
    /// The whole path of the request.
    Path,
    AnswerHeader(Box<str>),
    AnswerHeaders(Box<str>),
    /// The payload of the phase.
    Body,
    BodyAt(Box<BodyPath>),
    Context(Box<str>),
    StageVariable(Box<str>),
    Static(Box<str>),
}

/// What is wrong with a source: the offset and the reason.
pub(super) type SourceFault = (usize, String);

fn refused<T>(at: usize, reason: &str) -> Result<T, SourceFault> {
    Err((at, reason.to_owned()))
}

impl Source {
    /// Reads a source of a REST API.
    pub(super) fn parse(text: &str, phase: Phase) -> Result<Source, SourceFault> {
        if let Some(rest) = text.strip_prefix('\'') {
            let Some(inner) = rest.strip_suffix('\'') else {
                return refused(text.len(), "the closing quote is missing");
            };
            if let Some(at) = inner
                .bytes()
                .position(|byte| !token::is(byte, token::VALUE))
            {
                return refused(at.saturating_add(1), "a control character");
            }
            return Ok(Source::Static(inner.into()));
        }
        if let Some(source) = Source::of_variables(text) {
            return source;
        }
        if let Some(rest) = text.strip_prefix("method.request.")
            && phase != Phase::Answer
        {
            return Source::of_request(rest, phase, text.len().saturating_sub(rest.len()));
        }
        if let Some(rest) = text.strip_prefix("integration.response.")
            && phase == Phase::Answer
        {
            return Source::of_answer(rest, text.len().saturating_sub(rest.len()));
        }
        let reason = match phase {
            Phase::Answer => {
                "a source is integration.response.…, context.…, stageVariables.… or a text in \
                 single quotes"
            }
            Phase::Request | Phase::GatewayResponse => {
                "a source is method.request.…, context.…, stageVariables.… or a text in single \
                 quotes"
            }
        };
        refused(0, reason)
    }

    /// `context.NAME` and `stageVariables.NAME`, which all APIs have.
    pub(super) fn of_variables(text: &str) -> Option<Result<Source, SourceFault>> {
        let (make, name): (fn(Box<str>) -> Source, &str) =
            if let Some(name) = text.strip_prefix("context.") {
                (Source::Context, name)
            } else {
                (Source::StageVariable, text.strip_prefix("stageVariables.")?)
            };
        let at = text.len().saturating_sub(name.len());
        Some(named(name, at).map(make))
    }

    fn of_request(rest: &str, phase: Phase, at: usize) -> Result<Source, SourceFault> {
        const PLACES: [(&str, ParameterPlace, bool); 5] = [
            ("path.", ParameterPlace::Path, false),
            ("querystring.", ParameterPlace::Query, false),
            ("header.", ParameterPlace::Header, false),
            ("multivaluequerystring.", ParameterPlace::Query, true),
            ("multivalueheader.", ParameterPlace::Header, true),
        ];
        for (prefix, place, is_multiple) in PLACES {
            if let Some(name) = rest.strip_prefix(prefix) {
                let name = named(name, at.saturating_add(prefix.len()))?;
                return Ok(if is_multiple {
                    Source::Parameters(place, name)
                } else {
                    Source::Parameter(place, name)
                });
            }
        }
        match Source::of_body(rest, at) {
            Some(body) if phase == Phase::Request => body,
            _ => refused(
                at,
                "path, querystring, header, their multivalue forms or body must follow",
            ),
        }
    }

    fn of_answer(rest: &str, at: usize) -> Result<Source, SourceFault> {
        if let Some(name) = rest.strip_prefix("header.") {
            return named(name, at.saturating_add(7)).map(Source::AnswerHeader);
        }
        if let Some(name) = rest.strip_prefix("multivalueheader.") {
            return named(name, at.saturating_add(17)).map(Source::AnswerHeaders);
        }
        Source::of_body(rest, at)
            .unwrap_or_else(|| refused(at, "header, multivalueheader or body must follow"))
    }

    /// `body`, or `body.` and a path.
    pub(super) fn of_body(rest: &str, at: usize) -> Option<Result<Source, SourceFault>> {
        let path = rest.strip_prefix("body")?;
        if path.is_empty() {
            return Some(Ok(Source::Body));
        }
        let at = at.saturating_add("body".len());
        let path = match path.strip_prefix('.') {
            Some(path) => path,
            None if path.starts_with('[') => path,
            None => return None,
        };
        let rooted = if path.starts_with('[') {
            format!("${path}")
        } else {
            format!("$.{path}")
        };
        let compiled = BodyPath::compile(&rooted);
        Some(match compiled {
            Ok(path) => Ok(Source::BodyAt(Box::new(path))),
            Err(fault) => Err((at, fault.to_string())),
        })
    }

    /// Whether it needs the payload.
    pub(super) fn reads_body(&self) -> bool {
        matches!(self, Source::Body | Source::BodyAt(_))
    }
}

fn named(name: &str, at: usize) -> Result<Box<str>, SourceFault> {
    if name.is_empty() {
        return refused(at, "a name must follow");
    }
    match name.bytes().position(|byte| byte <= b' ' || byte == 0x7f) {
        Some(bad) => refused(at.saturating_add(bad), "a name has no blanks"),
        None => Ok(name.into()),
    }
}

/// One run.
pub(super) struct Reading<'r> {
    pub(super) variables: &'r dyn Variables,
    pub(super) phase: Phase,
    /// The payload of the phase, without blanks at its ends.
    pub(super) finder: Finder<'r>,
    /// Whether a payload that is broken JSON has no values, instead of being a fault.
    pub(super) is_lenient: bool,
    /// Whether the payload is JSON, once it was asked for.
    pub(super) is_json: Option<bool>,
    pub(super) scratch: String,
}

impl Reading<'_> {
    /// Appends the value of `source`, several joined by commas; nothing for none.
    pub(super) fn value(&mut self, source: &Source, out: &mut Vec<u8>) -> Result<(), MappingFault> {
        let variables = self.variables;
        match source {
            Source::Parameter(place, name) => {
                out.extend_from_slice(&variables.parameter(*place, name).unwrap_or_default());
            }
            Source::Parameters(place, name) => {
                let mut join = joiner(out);
                variables.each_parameter(*place, name, &mut join);
            }
            Source::Path => out.extend_from_slice(variables.path()),
            Source::AnswerHeader(name) => {
                out.extend_from_slice(&variables.answer_header(name).unwrap_or_default());
            }
            Source::AnswerHeaders(name) => {
                let mut join = joiner(out);
                variables.each_answer_header(name, &mut join);
            }
            Source::Body => {
                self.read_body()?;
                out.extend_from_slice(self.finder.source().as_bytes());
            }
            Source::BodyAt(path) => {
                if self.read_body()? {
                    self.scratch.clear();
                    let found = self.finder.find(path, &mut self.scratch);
                    found.map_err(MappingFault::Bound)?;
                    out.extend_from_slice(self.scratch.as_bytes());
                }
            }
            Source::Context(name) => {
                out.extend_from_slice(&variables.context(name).unwrap_or_default());
            }
            Source::StageVariable(name) => {
                out.extend_from_slice(&variables.stage_variable(name).unwrap_or_default());
            }
            Source::Static(text) => out.extend_from_slice(text.as_bytes()),
        }
        Ok(())
    }

    /// Whether the payload is JSON; a plain text is none.
    fn read_body(&mut self) -> Result<bool, MappingFault> {
        if let Some(known) = self.is_json {
            return Ok(known);
        }
        let looks_like = self.finder.source().starts_with(['{', '[', '\'', '"']);
        let is_json = looks_like && self.finder.is_json().map_err(MappingFault::Bound)?;
        if looks_like && !is_json && !self.is_lenient {
            return Err(match self.phase {
                Phase::Answer => MappingFault::AnswerJson,
                Phase::Request | Phase::GatewayResponse => MappingFault::RequestJson,
            });
        }
        self.is_json = Some(is_json);
        Ok(is_json)
    }
}

/// Appends values with commas between them.
fn joiner(out: &mut Vec<u8>) -> impl FnMut(&[u8]) {
    let mut is_first = true;
    move |value| {
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        out.extend_from_slice(value);
    }
}
