//! Parameter mappings of REST APIs, and those of gateway responses.
//!
//! Shape: rows of a key and a source; a row whose field would be left out anyway is not kept.
//! Units: bytes. Errors: [`RowFault`] when compiled, [`MappingFault`] when run. Source: Amazon API
//! Gateway developer guide, "request and response data mapping reference"; recorded: an absent or
//! empty source sends nothing; some fields are refused with 500, some renamed.

use super::{
    fault::{MappingFault, RowFault, RowPart},
    memory::{MappingMemory, Rules, Sink},
    source::{Phase, Reading, Source},
};
use crate::{
    integrate::headers::{self, Fate, Kind, REMAPPED_PREFIX, Way},
    mapping::{ParameterPlace, Variables},
    wire::token,
};

/// The rows of one direction.
#[derive(Clone, Debug)]
pub struct ParameterMapping(Rules<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    place: ParameterPlace,
    name: Box<str>,
    source: Source,
    is_refused: bool,
}

/// A parameter that is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedValue<'m> {
    /// Where it goes.
    pub place: ParameterPlace,
    /// Its name there; that of a field is a token, behind its prefix if it has to be renamed.
    pub name: &'m str,
    /// Never empty; that of a field can be sent.
    pub value: &'m [u8],
    /// Whether it comes from the request's path, percent-encoded as it was there.
    pub is_encoded: bool,
}

impl ParameterMapping {
    /// `integration.request.{header|path|querystring}.NAME` of an integration of `kind`.
    ///
    /// # Errors
    /// The first row that is not as it must be.
    pub fn compile_request<'t>(
        kind: Kind,
        rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<ParameterMapping, RowFault> {
        let places = [
            ("integration.request.header.", ParameterPlace::Header),
            ("integration.request.path.", ParameterPlace::Path),
            ("integration.request.querystring.", ParameterPlace::Query),
        ];
        compile(Phase::Request, &places, rows, |place, name| match place {
            ParameterPlace::Header => headers::fate(Way::MappingToBackend, kind, name.as_bytes()),
            // What a function gets is the event, whatever is mapped.
            _ if kind == Kind::AwsProxy => Fate::Drop,
            _ => Fate::Pass,
        })
    }

    /// `method.response.header.NAME` of an integration of `kind`.
    ///
    /// # Errors
    /// The first row that is not as it must be.
    pub fn compile_answer<'t>(
        kind: Kind,
        rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<ParameterMapping, RowFault> {
        let places = [("method.response.header.", ParameterPlace::Header)];
        compile(Phase::Answer, &places, rows, |_, name| {
            headers::fate(Way::MappingToClient, kind, name.as_bytes())
        })
    }

    /// `gatewayresponse.header.NAME`.
    ///
    /// # Errors
    /// The first row that is not as it must be.
    pub fn compile_gateway_response<'t>(
        rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<ParameterMapping, RowFault> {
        let places = [("gatewayresponse.header.", ParameterPlace::Header)];
        compile(Phase::GatewayResponse, &places, rows, |_, name| {
            headers::fate(Way::MappingToClient, Kind::Mock, name.as_bytes())
        })
    }

    /// Whether there is nothing to map.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row needs the payload.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.0.reads_body()
    }

    /// The parameters of one exchange, in document order; those with several values in the query
    /// come once for each.
    ///
    /// # Errors
    /// What makes the exchange fail.
    pub fn run<'m>(
        &'m self,
        variables: &dyn Variables,
        memory: &'m mut MappingMemory,
    ) -> Result<impl Iterator<Item = MappedValue<'m>>, MappingFault> {
        let values = self.0.run(variables, memory, false, Rule::run)?;
        Ok(values.map(|(rule, value)| MappedValue {
            place: rule.place,
            name: &rule.name,
            value,
            is_encoded: matches!(rule.source, Source::Parameter(ParameterPlace::Path, _)),
        }))
    }
}

impl Rule {
    fn run(
        &self,
        at: usize,
        reading: &mut Reading<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), MappingFault> {
        if let Source::Parameters(from @ ParameterPlace::Query, name) = &self.source
            && self.place == ParameterPlace::Query
        {
            let mut each = |value: &[u8]| {
                let start = sink.text.len();
                sink.text.extend_from_slice(value);
                sink.take(at, start);
            };
            reading.variables.each_parameter(*from, name, &mut each);
            return Ok(());
        }
        let start = sink.text.len();
        reading.value(&self.source, sink.text)?;
        let value = sink.take(at, start);
        if value.is_empty() || self.place != ParameterPlace::Header {
            return Ok(());
        }
        if self.is_refused {
            return Err(MappingFault::Refused(self.name.to_string()));
        }
        check_field(reading.phase, &self.name, value)
    }
}

/// Whether a field can hold `value`.
pub(super) fn check_field(phase: Phase, name: &str, value: &[u8]) -> Result<(), MappingFault> {
    if token::all(value, token::VALUE) {
        return Ok(());
    }
    let name = name.to_owned();
    Err(match phase {
        Phase::Answer => MappingFault::AnswerValue(name),
        Phase::Request | Phase::GatewayResponse => MappingFault::RequestValue(name),
    })
}

fn compile<'t>(
    phase: Phase,
    places: &[(&str, ParameterPlace)],
    rows: impl IntoIterator<Item = (&'t str, &'t str)>,
    fate: impl Fn(ParameterPlace, &str) -> Fate,
) -> Result<ParameterMapping, RowFault> {
    let mut rules = Vec::new();
    for (row, (key, value)) in rows.into_iter().enumerate() {
        let key_fault = |at: usize, reason: &str| RowFault {
            row,
            part: RowPart::Key,
            at,
            reason: reason.to_owned(),
        };
        let found = places.iter().find_map(|(prefix, place)| {
            let name = key.strip_prefix(prefix)?;
            Some((*place, name, prefix.len()))
        });
        let Some((place, name, at)) = found else {
            let known: Vec<&str> = places.iter().map(|(prefix, _)| *prefix).collect();
            let reason = format!("a key begins with {}", known.join(" or "));
            return Err(key_fault(0, &reason));
        };
        if name.is_empty() {
            return Err(key_fault(at, "a name must follow"));
        }
        if place == ParameterPlace::Header && !token::is_token(name.as_bytes()) {
            return Err(key_fault(at, "this is no name of a header field"));
        }
        let source = Source::parse(value, phase).map_err(|(at, reason)| RowFault {
            row,
            part: RowPart::Value,
            at,
            reason,
        })?;
        let (name, is_refused): (Box<str>, bool) = match fate(place, name) {
            Fate::Drop => continue,
            Fate::Pass => (name.into(), false),
            Fate::Refuse => (name.into(), true),
            Fate::Rename => (format!("{REMAPPED_PREFIX}{name}").into(), false),
        };
        rules.push(Rule {
            place,
            name,
            source,
            is_refused,
        });
    }
    let reads_body = |rule: &Rule| rule.source.reads_body();
    Ok(ParameterMapping(Rules::new(phase, rules, reads_body)))
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
