//! Payloads between text and bytes, and which template a request or an answer takes.
//!
//! Shape: [`BinaryTypes`] says which media types are binary, [`request_conversion`] and
//! [`response_conversion`] what happens to a payload, [`Templates`] which template renders it.
//! Units: bytes. Ranges: media types in any case, without their parameters. Errors:
//! [`NotBase64`], answered with 500. Source: Amazon API Gateway developer guide, "binary media
//! types", "content type conversions" and "passthrough behaviors"; recorded rows.

use crate::base::{
    base64::{self, NotBase64},
    text::lossy,
};
use std::borrow::Cow;

/// The media type of a request or answer that names none.
pub const MEDIA_TYPE_DEFAULT: &str = "application/json";

/// A field value without its parameters.
#[must_use]
pub fn media_type_of(value: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_ascii()
}

/// The first media type of an `Accept` field, without its parameters.
#[must_use]
pub fn first_accepted(accept: &[u8]) -> &[u8] {
    let end = memchr::memchr(b',', accept).unwrap_or(accept.len());
    media_type_of(accept.get(..end).unwrap_or(accept))
}

/// The media types that an API treats as binary.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BinaryTypes {
    /// `*/*` is listed.
    all: bool,
    /// `type/` of each `type/*`, in lower case.
    kinds: Box<[Box<str>]>,
    /// In lower case.
    exact: Box<[Box<str>]>,
}

impl BinaryTypes {
    /// Sorts the entries of `binaryMediaTypes`; one with a wildcard on its left never matches.
    #[must_use]
    pub fn new<'e>(entries: impl IntoIterator<Item = &'e str>) -> BinaryTypes {
        let (mut kinds, mut exact) = (Vec::new(), Vec::new());
        let mut all = false;
        for entry in entries {
            let entry = entry.trim().to_ascii_lowercase();
            match entry.split_once('/') {
                Some(("*", "*")) => all = true,
                Some(("*", _)) => {}
                Some((kind, "*")) => kinds.push(format!("{kind}/").into()),
                _ => exact.push(entry.into()),
            }
        }
        BinaryTypes {
            all,
            kinds: kinds.into(),
            exact: exact.into(),
        }
    }

    /// Whether a payload with this `Content-Type` is binary; none is JSON.
    #[must_use]
    pub fn is_binary(&self, content_type: Option<&[u8]>) -> bool {
        self.matches(content_type.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), media_type_of))
    }

    /// Whether an `Accept` field asks for binary: its first media type is listed.
    #[must_use]
    pub fn is_accepted(&self, accept: Option<&[u8]>) -> bool {
        self.matches(accept.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), first_accepted))
    }

    fn matches(&self, media_type: &[u8]) -> bool {
        let starts = |kind: &str| {
            let start = media_type.get(..kind.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
        };
        self.all
            || (self.exact.iter()).any(|known| media_type.eq_ignore_ascii_case(known.as_bytes()))
            || self.kinds.iter().any(|kind| starts(kind))
    }
}

/// Whether an HTTP API hands a payload with this `Content-Type` to a function as text; any other
/// goes as Base64.
#[must_use]
pub fn is_text_in_http_apis(content_type: Option<&[u8]>) -> bool {
    const TYPES: &[&[u8]] = &[
        b"application/json",
        b"application/javascript",
        b"application/xml",
    ];
    let media_type = content_type.map_or(&b""[..], media_type_of);
    let starts = |prefix: &[u8]| {
        (media_type.get(..prefix.len())).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let ends = |suffix: &[u8]| {
        let from = media_type.len().saturating_sub(suffix.len());
        (media_type.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    starts(b"text/")
        || TYPES
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known))
        || ends(b"+json")
        || ends(b"+xml")
}

/// `contentHandling`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ContentHandling {
    /// Not set.
    #[default]
    Unset,
    /// `CONVERT_TO_BINARY`.
    ToBinary,
    /// `CONVERT_TO_TEXT`.
    ToText,
}

/// What happens to a payload before its template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conversion {
    /// UTF-8; whatever is none becomes U+FFFD.
    Text,
    /// Base64 text to its bytes.
    Decode,
    /// Bytes as they are.
    Raw,
    /// Bytes to Base64 text.
    Encode,
}

/// What happens to a request's payload; `is_binary` says whether its type is listed.
#[must_use]
pub fn request_conversion(is_binary: bool, handling: ContentHandling) -> Conversion {
    match (is_binary, handling) {
        (false, ContentHandling::Unset | ContentHandling::ToText) => Conversion::Text,
        (false, ContentHandling::ToBinary) => Conversion::Decode,
        (true, ContentHandling::Unset | ContentHandling::ToBinary) => Conversion::Raw,
        (true, ContentHandling::ToText) => Conversion::Encode,
    }
}

/// What happens to an answer's payload, by its type and by what the client accepts.
#[must_use]
pub fn response_conversion(
    is_binary: bool,
    is_binary_accepted: bool,
    handling: ContentHandling,
) -> Conversion {
    match (handling, is_binary, is_binary_accepted) {
        (ContentHandling::Unset, false, false) => Conversion::Text,
        (ContentHandling::Unset, false, true) => Conversion::Decode,
        (ContentHandling::Unset, true, false) => Conversion::Encode,
        (ContentHandling::Unset, true, true) => Conversion::Raw,
        (handling, is_binary, _) => request_conversion(is_binary, handling),
    }
}

/// A payload after its conversion; borrowed where nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Converted<'p> {
    /// It is known to be a text.
    Text(Cow<'p, str>),
    /// It can be anything.
    Bytes(Cow<'p, [u8]>),
}

impl<'p> Converted<'p> {
    /// As a template reads it: what is no UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Converted::Text(text) => Cow::Borrowed(text),
            Converted::Bytes(bytes) => lossy(bytes),
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn into_bytes(self) -> Cow<'p, [u8]> {
        match self {
            Converted::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            Converted::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            Converted::Bytes(bytes) => bytes,
        }
    }
}

impl Conversion {
    /// The payload after the conversion.
    pub fn apply(self, payload: &[u8]) -> Result<Converted<'_>, NotBase64> {
        Ok(match self {
            Conversion::Raw => Converted::Bytes(Cow::Borrowed(payload)),
            Conversion::Text => Converted::Text(lossy(payload)),
            Conversion::Decode => {
                let mut out = Vec::new();
                base64::decode(&mut out, payload)?;
                Converted::Bytes(Cow::Owned(out))
            }
            Conversion::Encode => {
                let mut out = Vec::new();
                base64::encode(&mut out, payload);
                Converted::Bytes(Cow::Owned(out))
            }
        })
    }
}

/// What happens to a request without a template for its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PassthroughBehavior {
    /// `WHEN_NO_MATCH`.
    #[default]
    WhenNoMatch,
    /// `WHEN_NO_TEMPLATES`.
    WhenNoTemplates,
    /// `NEVER`.
    Never,
}

/// What a request's payload becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestTemplate<'t, T> {
    /// What this template renders.
    Render(&'t T),
    /// Itself.
    Pass,
    /// 415.
    Unsupported,
}

/// Templates by media type, in document order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Templates<T> {
    /// In lower case, without parameters.
    entries: Box<[(Box<str>, T)]>,
}

impl<T> Templates<T> {
    /// Keeps templates with the keys of the document.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (String, T)>) -> Templates<T> {
        let entries = entries.into_iter().map(|(key, template)| {
            let key = String::from_utf8_lossy(media_type_of(key.as_bytes())).to_ascii_lowercase();
            (key.into(), template)
        });
        Templates {
            entries: entries.collect(),
        }
    }

    /// Whether there is no template at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Media types and templates, in document order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries
            .iter()
            .map(|(key, template)| (&**key, template))
    }

    /// What a request with this `Content-Type` gets; none is JSON.
    #[must_use]
    pub fn for_request(
        &self,
        content_type: Option<&[u8]>,
        passthrough: PassthroughBehavior,
    ) -> RequestTemplate<'_, T> {
        let media_type = content_type.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), media_type_of);
        if let Some((_, template)) = self.named(media_type).or_else(|| self.named(b"$default")) {
            return RequestTemplate::Render(template);
        }
        match passthrough {
            PassthroughBehavior::WhenNoMatch => RequestTemplate::Pass,
            PassthroughBehavior::WhenNoTemplates if self.is_empty() => RequestTemplate::Pass,
            PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never => {
                RequestTemplate::Unsupported
            }
        }
    }

    /// The template for a client's `Accept`: of its first media type, of JSON, the first one; with
    /// the type it is for. None: the payload passes.
    #[must_use]
    pub fn for_answer(&self, accept: Option<&[u8]>) -> Option<(&str, &T)> {
        let accepted = accept.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), first_accepted);
        self.named(accepted)
            .or_else(|| self.named(MEDIA_TYPE_DEFAULT.as_bytes()))
            .or_else(|| self.iter().next())
    }

    fn named(&self, media_type: &[u8]) -> Option<(&str, &T)> {
        self.iter()
            .find(|(key, _)| media_type.eq_ignore_ascii_case(key.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<&[u8]> {
        (!text.is_empty()).then_some(text.as_bytes())
    }

    #[test]
    fn binary_types_match_by_type_kind_and_everything() {
        let rows: &[(&[&str], &str, bool, bool)] = &[
            // Entries, field, as Content-Type, as Accept.
            (&["image/png"], "image/png", true, true),
            (&["image/png"], "Image/PNG; q=1", true, true),
            (&["IMAGE/png"], "image/png", true, true),
            (&["image/png"], "image/jpeg", false, false),
            (&["image/*"], "image/jpeg", true, true),
            (&["image/*"], "imagery/jpeg", false, false),
            (&["image/*"], "image/*", true, true),
            (&["image/*"], "*/*", false, false),
            (&["image/png"], "*/*", false, false),
            (&["*/*"], "*/*", true, true),
            (&["*/*"], "text/plain", true, true),
            (&["*/*"], "", true, true),
            (&["*/png"], "image/png", false, false),
            (&[], "image/png", false, false),
            (&["application/json"], "", true, true),
            (&["image/png"], "", false, false),
            (&["image/png"], "image/png, text/html", false, true),
            (&["image/png"], "text/html, image/png", false, false),
        ];
        for (entries, field, typed, accepted) in rows {
            let types = BinaryTypes::new(entries.iter().copied());
            assert_eq!(types.is_binary(bytes(field)), *typed, "{entries:?} {field}");
            assert_eq!(
                types.is_accepted(bytes(field)),
                *accepted,
                "{entries:?} {field}"
            );
        }
    }

    #[test]
    fn texts_of_http_apis() {
        let texts = "text/plain text/html;charset=utf-8 application/json application/xml \
            application/javascript application/problem+json image/svg+xml TEXT/CSV";
        for media_type in texts.split_whitespace() {
            assert!(
                is_text_in_http_apis(Some(media_type.as_bytes())),
                "{media_type}"
            );
        }
        for media_type in ["application/octet-stream", "image/png", "json", "+jso", ""] {
            assert!(
                !is_text_in_http_apis(Some(media_type.as_bytes())),
                "{media_type}"
            );
        }
        assert!(!is_text_in_http_apis(None));
    }

    #[test]
    fn conversions_of_requests() {
        use {ContentHandling as H, Conversion as C};
        let rows = [
            (false, H::Unset, C::Text),
            (false, H::ToText, C::Text),
            (false, H::ToBinary, C::Decode),
            (true, H::Unset, C::Raw),
            (true, H::ToBinary, C::Raw),
            (true, H::ToText, C::Encode),
        ];
        for (is_binary, handling, expected) in rows {
            assert_eq!(request_conversion(is_binary, handling), expected);
        }
    }

    #[test]
    fn conversions_of_answers() {
        use {ContentHandling as H, Conversion as C};
        let rows = [
            (false, false, H::Unset, C::Text),
            (false, true, H::Unset, C::Decode),
            (true, false, H::Unset, C::Encode),
            (true, true, H::Unset, C::Raw),
            (false, false, H::ToBinary, C::Decode),
            (false, true, H::ToBinary, C::Decode),
            (true, false, H::ToBinary, C::Raw),
            (true, true, H::ToBinary, C::Raw),
            (false, false, H::ToText, C::Text),
            (false, true, H::ToText, C::Text),
            (true, false, H::ToText, C::Encode),
            (true, true, H::ToText, C::Encode),
        ];
        for (is_binary, is_accepted, handling, expected) in rows {
            let found = response_conversion(is_binary, is_accepted, handling);
            assert_eq!(found, expected, "{is_binary} {is_accepted} {handling:?}");
        }
    }

    #[test]
    fn conversions_of_payloads() {
        use Conversion as C;
        let rows: &[(C, &[u8], Result<&[u8], NotBase64>)] = &[
            (C::Text, b"a\xc3\xa9", Ok(b"a\xc3\xa9")),
            (C::Text, b"a\xff", Ok(b"a\xef\xbf\xbd")),
            (C::Raw, b"a\xff", Ok(b"a\xff")),
            (C::Encode, b"a\xff", Ok(b"Yf8=")),
            (C::Decode, b"Yf8=", Ok(b"a\xff")),
            (C::Decode, b"{}", Err(NotBase64)),
            (C::Decode, b"", Ok(b"")),
        ];
        for (conversion, payload, expected) in rows {
            let found = conversion.apply(payload).map(Converted::into_bytes);
            assert_eq!(
                found.as_deref(),
                expected.as_deref(),
                "{conversion:?} {payload:?}"
            );
        }
    }

    #[test]
    fn templates_of_requests() {
        use {PassthroughBehavior as P, RequestTemplate as R};
        let none: &[&str] = &[];
        let json: &[&str] = &["application/json"];
        let xml: &[&str] = &["application/xml"];
        let caught: &[&str] = &["$default", "application/xml"];
        let rows = [
            (none, "text/plain", P::WhenNoMatch, R::Pass),
            (none, "text/plain", P::WhenNoTemplates, R::Pass),
            (none, "text/plain", P::Never, R::Unsupported),
            (json, "application/json", P::WhenNoMatch, R::Render(&0)),
            (json, "application/json", P::WhenNoTemplates, R::Render(&0)),
            (json, "application/json", P::Never, R::Render(&0)),
            (json, "text/plain", P::WhenNoMatch, R::Pass),
            (json, "text/plain", P::WhenNoTemplates, R::Unsupported),
            (json, "text/plain", P::Never, R::Unsupported),
            (json, "", P::Never, R::Render(&0)),
            (
                json,
                "Application/JSON; charset=utf-8",
                P::Never,
                R::Render(&0),
            ),
            (xml, "", P::Never, R::Unsupported),
            (caught, "text/plain", P::Never, R::Render(&0)),
            (caught, "application/xml", P::Never, R::Render(&1)),
            (caught, "", P::Never, R::Render(&0)),
        ];
        for (keys, content_type, passthrough, expected) in rows {
            let templates = Templates::new(keys.iter().map(|key| (*key).to_owned()).zip(0..));
            let found = templates.for_request(bytes(content_type), passthrough);
            assert_eq!(found, expected, "{keys:?} {content_type:?} {passthrough:?}");
        }
    }

    #[test]
    fn templates_of_answers() {
        let html_first: &[&str] = &["text/html", "application/json", "application/xml"];
        let no_json: &[&str] = &["text/html", "application/xml"];
        let rows = [
            (html_first, "application/xml", Some(2)),
            (html_first, "Application/XML;q=0.9, text/html", Some(2)),
            (html_first, "text/plain", Some(1)),
            (html_first, "*/*", Some(1)),
            (html_first, "", Some(1)),
            (no_json, "text/plain", Some(0)),
            (no_json, "", Some(0)),
            (no_json, "application/xml", Some(1)),
            (&[], "text/plain", None),
        ];
        for (keys, accept, expected) in rows {
            let entries = keys.iter().map(|key| (*key).to_owned()).zip(0..);
            let templates = Templates::new(entries);
            let found = templates
                .for_answer(bytes(accept))
                .map(|(_, template)| *template);
            assert_eq!(found, expected, "{keys:?} {accept:?}");
        }
    }
}
