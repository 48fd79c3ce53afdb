//! Templates of gateway responses: text with variables in it, and nothing else.
//!
//! Shape: [`Pieces`] are spans of the template and [`Place`]s, found once. Units: bytes. Errors:
//! none when compiled, as text that names no variable stands for itself; a render that grows too
//! long ends. A variable without a value prints nothing, but the quoted message prints `null`.
//! Source: Amazon API Gateway developer guide, "gateway responses to customize error responses".

use super::{ParameterPlace, TooLong, Variables, quote};
use std::{borrow::Cow, ops::Range};

/// A compiled template.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    source: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Range<usize>),
    Variable(Place),
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Context(Box<str>),
    /// `$context.error.messageString`.
    QuotedMessage,
    StageVariable(Box<str>),
    Parameter(ParameterPlace, Box<str>),
}

impl Pieces {
    pub(super) fn compile(template: &str) -> Pieces {
        let mut pieces = Vec::new();
        let (mut from, mut search) = (0, 0);
        while let Some(at) = template.get(search..).and_then(|rest| rest.find('$')) {
            let dollar = search.saturating_add(at);
            let behind = dollar.saturating_add(1);
            let Some((place, bytes)) = Place::at(template.get(behind..).unwrap_or("")) else {
                search = behind;
                continue;
            };
            if from < dollar {
                pieces.push(Piece::Text(from..dollar));
            }
            pieces.push(Piece::Variable(place));
            from = behind.saturating_add(bytes);
            search = from;
        }
        if from < template.len() {
            pieces.push(Piece::Text(from..template.len()));
        }
        Pieces {
            source: template.into(),
            pieces: pieces.into(),
        }
    }

    /// Appends the text until `out` is `end` bytes long.
    pub(super) fn render(
        &self,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
        end: usize,
    ) -> Result<(), TooLong> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(span) => {
                    put(
                        out,
                        self.source.get(span.clone()).unwrap_or("").as_bytes(),
                        end,
                    )?;
                }
                Piece::Variable(place) => {
                    if let Some(value) = place.value(variables) {
                        put(out, &value, end)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8], end: usize) -> Result<(), TooLong> {
    if bytes.len() > end.saturating_sub(out.len()) {
        return Err(TooLong);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

impl Place {
    /// The whole of `text` as a place, as parameters of a response name it.
    pub(super) fn parse(text: &str) -> Option<Place> {
        let (place, bytes) = Place::at(text)?;
        (bytes == text.len()).then_some(place)
    }

    /// The place that `text`, behind a `$`, begins with, and its length.
    fn at(text: &str) -> Option<(Place, usize)> {
        let parse = |prefix: &str, more: &[u8], place: &dyn Fn(&str) -> Place| {
            let name = name_at(text.strip_prefix(prefix)?, more);
            let bytes = prefix.len().saturating_add(name.len());
            (!name.is_empty()).then(|| (place(name), bytes))
        };
        // Keys of authorizers are their owners' choice.
        let in_context: &[u8] = match text.starts_with("context.authorizer.") {
            true => b"._:-",
            false => b"._",
        };
        let parameter = |(prefix, more, at): &(&str, &[u8], ParameterPlace)| {
            parse(prefix, more, &|name| Place::Parameter(*at, name.into()))
        };
        parse("context.", in_context, &Place::of_context)
            .or_else(|| {
                parse("stageVariables.", b"_", &|name| {
                    Place::StageVariable(name.into())
                })
            })
            .or_else(|| PARAMETERS.iter().find_map(parameter))
    }

    fn of_context(name: &str) -> Place {
        match name {
            "error.messageString" => Place::QuotedMessage,
            name => Place::Context(name.into()),
        }
    }

    /// Its value in one exchange.
    pub(super) fn value<'v>(&self, variables: &'v dyn Variables) -> Option<Cow<'v, [u8]>> {
        match self {
            Place::Context(name) => variables.context(name),
            Place::QuotedMessage => Some(match variables.context("error.message") {
                Some(message) => {
                    let mut quoted = Vec::with_capacity(message.len().saturating_add(2));
                    quote(&message, &mut quoted);
                    Cow::Owned(quoted)
                }
                None => Cow::Borrowed(b"null"),
            }),
            Place::StageVariable(name) => variables.stage_variable(name),
            Place::Parameter(at, name) => variables.parameter(*at, name),
        }
    }
}

/// Parameters of the request, with the bytes that their names may have besides letters and digits.
const PARAMETERS: &[(&str, &[u8], ParameterPlace)] = &[
    ("method.request.header.", b"-_.", ParameterPlace::Header),
    ("method.request.path.", b"-_", ParameterPlace::Path),
    ("method.request.querystring.", b"-_.", ParameterPlace::Query),
];

/// The longest name at the start of `text`, of letters, digits and `more`; it ends in none of its
/// dots, dashes and colons.
fn name_at<'t>(text: &'t str, more: &[u8]) -> &'t str {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    let end = text
        .bytes()
        .position(|byte| !is_name(byte))
        .unwrap_or(text.len());
    text.get(..end)
        .unwrap_or("")
        .trim_end_matches(['.', '-', ':'])
}
