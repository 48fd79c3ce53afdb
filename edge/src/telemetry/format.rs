//! Access-log formats: `$context.…` text compiled once, printed per request without allocating.
//!
//! Shape: segments of literal bytes, each followed by a field and how it is escaped, and a tail.
//! A format that reads as JSON prints JSON: values within strings are escaped, values outside
//! become whole JSON values (`null` when missing). One that opens with `<` is XML, all else plain.
//! Units and ranges: format text at most 8 KiB and 128 variables; a printed field at most 8 KiB; a
//! line cut to [`FIELD_BYTES_MIN`] a field always fits [`LINE_BYTES_MIN`] bytes.
//! Errors: [`FormatError`] gives the byte in the text, what is wrong and a likely cure.
//! Source: AWS guide, "Set up CloudWatch API logging" (formats CLF, JSON; required request id).

use super::{
    context::{self, Field},
    escape::{Escape, Line},
    record::{AccessRecord, Value},
    stamp::Stamp,
};

/// A compiled log format.
#[derive(Clone, Debug)]
pub struct LogFormat {
    segments: Box<[Segment]>,
    tail: Box<[u8]>,
    unfilled: Box<[Box<str>]>,
    field_bytes_max: usize,
}

/// Why a format text was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message} (at byte {position})")]
pub struct FormatError {
    /// Byte offset into the format text.
    pub position: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it, when that is known.
    pub hint: Option<String>,
}

/// The default: one JSON object with the names log tools for the AWS gateway know, and more.
pub const JSON: &str = concat!(
    r#"{"requestId":"$context.requestId","extendedRequestId":"$context.extendedRequestId","#,
    r#""ip":"$context.identity.sourceIp","requestTime":"$context.requestTime","#,
    r#""httpMethod":"$context.httpMethod","resourcePath":"$context.resourcePath","#,
    r#""path":"$context.path","protocol":"$context.protocol","status":"$context.status","#,
    r#""responseLength":"$context.responseLength","responseLatency":"$context.responseLatency","#,
    r#""integrationStatus":"$context.integrationStatus","#,
    r#""integrationLatency":"$context.integrationLatency","apiId":"$context.apiId","#,
    r#""stage":"$context.stage","region":"$context.origin.region","#,
    r#""userAgent":"$context.identity.userAgent","errorType":"$context.error.responseType"}"#
);

/// The common log format as the AWS console offers it.
pub const CLF: &str = concat!(
    "$context.identity.sourceIp $context.identity.caller $context.identity.user ",
    "[$context.requestTime] \"$context.httpMethod $context.resourcePath $context.protocol\" ",
    "$context.status $context.responseLength $context.requestId $context.extendedRequestId"
);

/// Bytes that one field may take in print.
pub const FIELD_BYTES_MAX: usize = 8 * 1024;

/// What a field is cut to when a line would not fit an empty buffer otherwise.
pub const FIELD_BYTES_MIN: usize = 256;

/// A buffer of this size holds every line whose fields are cut to [`FIELD_BYTES_MIN`].
pub const LINE_BYTES_MIN: usize = 48 * 1024;

impl LogFormat {
    /// The format named `json` or `clf`, else `text` compiled as a format of its own.
    pub fn named(text: &str) -> Result<LogFormat, FormatError> {
        match text {
            "json" => LogFormat::compile(JSON),
            "clf" => LogFormat::compile(CLF),
            _ => LogFormat::compile(text),
        }
    }

    /// Compiles a `$context.…` format.
    pub fn compile(text: &str) -> Result<LogFormat, FormatError> {
        check_text(text)?;
        let parts = split(text)?;
        check_parts(text, &parts)?;
        let syntax = Syntax::of(text, &parts);
        let unfilled = parts.iter().filter(|part| part.field.is_none());
        let mut quotes = Quotes::new(syntax);
        let mut literal = Vec::new();
        let mut segments = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            quotes.walk(part.literal);
            literal.extend_from_slice(part.literal.as_bytes());
            let next = parts
                .get(i + 1)
                .map_or(tail_of(text, &parts), |p| p.literal);
            let place = quotes.place(next);
            match part.field {
                Some(field) => segments.push(Segment {
                    literal: std::mem::take(&mut literal).into(),
                    field,
                    place,
                }),
                // Never filled in this release: what it prints is known now.
                None => literal.extend_from_slice(place.missing()),
            }
        }
        literal.extend_from_slice(tail_of(text, &parts).as_bytes());
        literal.push(b'\n');
        Ok(LogFormat {
            unfilled: unfilled.map(|part| part.name.into()).collect(),
            segments: segments.into(),
            tail: literal.into(),
            field_bytes_max: FIELD_BYTES_MAX,
        })
    }

    /// The same format, with fields cut at `bytes`.
    #[must_use]
    pub fn with_field_bytes_max(self, bytes: usize) -> LogFormat {
        LogFormat {
            field_bytes_max: bytes.min(FIELD_BYTES_MAX),
            ..self
        }
    }

    /// Where fields are cut.
    pub(super) fn field_bytes_max(&self) -> usize {
        self.field_bytes_max
    }

    /// Variables of the format that are known, but always `-` in this release.
    pub fn unfilled(&self) -> impl Iterator<Item = &str> {
        self.unfilled.iter().map(AsRef::as_ref)
    }

    /// Prints one line, newline included, to the front of `out` and returns its bytes; `None` when
    /// it does not fit. Each field takes at most `field_bytes_max` bytes. Never allocates.
    #[must_use]
    pub fn write(
        &self,
        record: &AccessRecord<'_>,
        stamp: &mut Stamp,
        field_bytes_max: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let mut line = Line::new(out);
        for segment in &self.segments {
            line.put(&segment.literal);
            segment.place.put(
                &mut line,
                record.value(segment.field),
                stamp,
                field_bytes_max,
            );
            if line.overflowed() {
                return None;
            }
        }
        line.put(&self.tail);
        line.finish()
    }
}

/// Literal bytes and the field behind them.
#[derive(Clone, Debug)]
struct Segment {
    literal: Box<[u8]>,
    field: Field,
    place: Place,
}

/// What surrounds a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Within a string, an attribute or plain text: escaped as given, `-` when missing.
    Inside(Escape),
    /// Where JSON expects a value: texts get their own quotes, a missing one is `null`.
    JsonValue,
}

impl Place {
    fn missing(self) -> &'static [u8] {
        match self {
            Place::Inside(_) => b"-",
            Place::JsonValue => b"null",
        }
    }

    #[inline]
    fn put(self, line: &mut Line<'_>, value: Value<'_>, stamp: &mut Stamp, bytes_max: usize) {
        match (self, value) {
            (_, Value::Missing) => line.put(self.missing()),
            (_, Value::Number(number)) => line.put_number(number),
            (Place::Inside(escape), Value::Text(text)) => line.put_value(text, escape, bytes_max),
            (Place::Inside(_), Value::Time(at)) => line.put(stamp.text(at)),
            (Place::Inside(escape), Value::Quoted(text)) => {
                let quote: &[u8] = match escape {
                    Escape::Json => b"\\\"",
                    Escape::Xml => b"&quot;",
                    Escape::Plain(_) => b"\"",
                };
                line.put(quote);
                line.put_value(text, escape, bytes_max);
                line.put(quote);
            }
            (Place::JsonValue, Value::Text(text) | Value::Quoted(text)) => {
                line.put(b"\"");
                line.put_value(text, Escape::Json, bytes_max);
                line.put(b"\"");
            }
            (Place::JsonValue, Value::Time(at)) => {
                line.put(b"\"");
                line.put(stamp.text(at));
                line.put(b"\"");
            }
        }
    }
}

/// What the whole format is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Syntax {
    Json,
    Xml,
    Plain,
}

impl Syntax {
    /// A format is JSON when it is one JSON value once every variable reads `null`: within a
    /// string that changes nothing, outside it parses only where a whole value may stand.
    fn of(text: &str, parts: &[Part<'_>]) -> Syntax {
        let start = text.trim_start();
        if start.starts_with('<') {
            return Syntax::Xml;
        }
        if start.starts_with(['{', '[']) {
            let mut sample: String = parts
                .iter()
                .flat_map(|part| [part.literal, "null"])
                .collect();
            sample.push_str(tail_of(text, parts));
            if serde_json::from_str::<serde_json::Value>(&sample).is_ok() {
                return Syntax::Json;
            }
        }
        Syntax::Plain
    }
}

/// Follows the quotes of the literals, to know what surrounds the next field.
struct Quotes {
    syntax: Syntax,
    open: bool,
    escaped: bool,
}

impl Quotes {
    fn new(syntax: Syntax) -> Quotes {
        Quotes {
            syntax,
            open: false,
            escaped: false,
        }
    }

    fn walk(&mut self, literal: &str) {
        for byte in literal.bytes() {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'"' {
                self.open = !self.open;
            } else if byte == b'\\' && self.open && self.syntax == Syntax::Json {
                self.escaped = true;
            }
        }
        self.escaped = false;
    }

    /// The place of a field here, with `next` behind it.
    fn place(&self, next: &str) -> Place {
        match self.syntax {
            Syntax::Json if !self.open => Place::JsonValue,
            Syntax::Json => Place::Inside(Escape::Json),
            Syntax::Xml => Place::Inside(Escape::Xml),
            Syntax::Plain => {
                let separator = next.bytes().next().unwrap_or(0);
                let parts_fields = matches!(separator, b' ' | b'\t' | b',' | b';' | b'|' | b']');
                let alone = !self.open && parts_fields;
                Place::Inside(Escape::Plain(if alone { separator } else { 0 }))
            }
        }
    }
}

/// A literal and the variable behind it.
struct Part<'a> {
    literal: &'a str,
    name: &'a str,
    field: Option<Field>,
    end: usize,
}

fn tail_of<'a>(text: &'a str, parts: &[Part<'_>]) -> &'a str {
    let from = parts.last().map_or(0, |part| part.end);
    text.get(from..).unwrap_or_default()
}

fn check_text(text: &str) -> Result<(), FormatError> {
    if text.len() > FORMAT_BYTES_MAX {
        return Err(FormatError {
            position: FORMAT_BYTES_MAX,
            message: format!("a log format holds at most {FORMAT_BYTES_MAX} bytes"),
            hint: None,
        });
    }
    let control = text
        .char_indices()
        .find(|(_, c)| c.is_control() && *c != '\t');
    if let Some((position, c)) = control {
        let newline = matches!(c, '\n' | '\r');
        return Err(FormatError {
            position,
            message: if newline {
                "a log format is one line".to_owned()
            } else {
                format!("control character {} in a log format", c.escape_default())
            },
            hint: newline.then(|| "take the line break out; each line gets its own".to_owned()),
        });
    }
    Ok(())
}

fn split(text: &str) -> Result<Vec<Part<'_>>, FormatError> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut search = 0;
    while let Some(at) = text.get(search..).and_then(|rest| rest.find('$')) {
        let dollar = search + at;
        let rest = text.get(dollar + 1..).unwrap_or_default();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{') {
            search = dollar + 1;
            continue;
        }
        let Some(behind) = rest.strip_prefix("context.") else {
            return Err(not_context(dollar, rest));
        };
        let name = name_at(behind);
        let row = context::find(name).filter(|row| row.in_logs());
        let Some(row) = row else {
            return Err(unknown(dollar, name));
        };
        let end = dollar + "$context.".len() + name.len();
        parts.push(Part {
            literal: text.get(from..dollar).unwrap_or_default(),
            name,
            field: row.field,
            end,
        });
        from = end;
        search = end;
    }
    Ok(parts)
}

/// The name at the start of `text`: dotted words, with `:` in keys of an authorizer (`custom:x`).
fn name_at(text: &str) -> &str {
    let open = text.starts_with("authorizer.");
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || (open && c == ':')))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches('.')
}

fn not_context(position: usize, rest: &str) -> FormatError {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '{' | '}')));
    let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let bare = word.trim_matches(['{', '}']).trim_start_matches("context.");
    FormatError {
        position,
        message: format!("`${word}` is no variable of a log format"),
        hint: Some(match context::nearest(bare) {
            Some(name) => {
                format!("variables are written `$context.…`; did you mean `$context.{name}`?")
            }
            None => {
                "variables are written `$context.…`, for example `$context.requestId`".to_owned()
            }
        }),
    }
}

fn unknown(position: usize, name: &str) -> FormatError {
    let template = context::find(name).is_some();
    FormatError {
        position,
        message: if template {
            format!("`$context.{name}` is for templates and not known in a log format")
        } else {
            format!("unknown variable `$context.{name}`")
        },
        hint: context::nearest(name)
            .filter(|_| !template)
            .map(|near| format!("did you mean `$context.{near}`?")),
    }
}

fn check_parts(text: &str, parts: &[Part<'_>]) -> Result<(), FormatError> {
    if parts.len() > VARIABLES_MAX {
        return Err(FormatError {
            position: parts.get(VARIABLES_MAX).map_or(text.len(), |part| part.end),
            message: format!("a log format holds at most {VARIABLES_MAX} variables"),
            hint: None,
        });
    }
    let ids = [Field::RequestId, Field::ExtendedRequestId];
    if !parts
        .iter()
        .any(|p| p.field.is_some_and(|f| ids.contains(&f)))
    {
        return Err(FormatError {
            position: text.len(),
            message: "a log format must hold `$context.requestId` or `$context.extendedRequestId`"
                .to_owned(),
            hint: Some("add `$context.requestId`, or use the preset `json` or `clf`".to_owned()),
        });
    }
    Ok(())
}

const FORMAT_BYTES_MAX: usize = 8 * 1024;
const VARIABLES_MAX: usize = 128;
/// The quotes around a value, at their longest (`&quot;` twice).
const QUOTES_BYTES_MAX: usize = 12;
const _: () = assert!(
    FORMAT_BYTES_MAX + 1 + VARIABLES_MAX * (FIELD_BYTES_MIN + QUOTES_BYTES_MAX) <= LINE_BYTES_MIN
);

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
