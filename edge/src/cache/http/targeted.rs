//! CDN-Cache-Control: directives meant for caches like this one, as a structured field.
//!
//! What it is: a strict reader of RFC 8941 dictionaries, which keeps nothing but the directives.
//! Shape: field lines in, [`ResponseDirectives`] out. Units: seconds. Ranges: integers of up to
//! fifteen digits; above 2^31 they count as 2^31, below 0 as 0. Errors: `None` for an empty field,
//! for what is no dictionary, and for a number of another type; the field then counts as absent.
//! Source: RFC 9213 section 2; RFC 8941 sections 3.2 and 4.2 (dates and display strings of
//! RFC 9651 too).

use super::directives::{ResponseDirectives, SECONDS_MAX, Word};
use crate::wire::token::{self, TOKEN};

/// The name of the field.
pub const CDN_CACHE_CONTROL: &[u8] = b"cdn-cache-control";

/// Reads the lines of a targeted field. Of a repeated directive the last counts.
pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<ResponseDirectives> {
    let mut allows = ResponseDirectives::default();
    let mut is_empty = true;
    // Each line must be a dictionary of its own: no member may span two.
    for line in lines {
        is_empty = false;
        let mut input = Input(line);
        input.skip(b" ");
        loop {
            let key = input.key()?;
            let value = if input.eat(b'=') {
                input.item_or_list()?
            } else {
                Value::Boolean(true)
            };
            input.parameters()?;
            take(&mut allows, key, value)?;
            input.skip(b" \t");
            if input.0.is_empty() {
                break;
            }
            if !input.eat(b',') {
                return None;
            }
            input.skip(b" \t");
        }
    }
    (!is_empty).then_some(allows)
}

fn take(allows: &mut ResponseDirectives, key: &[u8], value: Value<'_>) -> Option<()> {
    let word = Word::of(key);
    let is_on = value != Value::Boolean(false);
    match word {
        Word::MaxAge => allows.max_age_s = Some(value.seconds()?),
        Word::SMaxage => allows.s_maxage_s = Some(value.seconds()?),
        Word::StaleWhileRevalidate => allows.stale_while_revalidate_s = Some(value.seconds()?),
        Word::StaleIfError => allows.stale_if_error_s = Some(value.seconds()?),
        // What restricts holds whatever its value, unless it is plainly switched off.
        Word::NoStore => allows.no_store = is_on,
        Word::NoCache if value.field_names() => allows.withholds = true,
        Word::Private if value.field_names() => allows.withholds = true,
        Word::NoCache => allows.no_cache = is_on,
        Word::Private => allows.private = is_on,
        Word::MustRevalidate => allows.must_revalidate = is_on,
        Word::ProxyRevalidate => allows.proxy_revalidate = is_on,
        Word::MustUnderstand => allows.must_understand = is_on,
        Word::Public => allows.public = value == Value::Boolean(true),
        Word::Immutable => allows.immutable = value == Value::Boolean(true),
        _ => {}
    }
    Some(())
}

/// A member's value, as far as directives need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value<'a> {
    Boolean(bool),
    Integer(i64),
    /// Between the quotes, still escaped.
    String(&'a [u8]),
    Other,
}

impl Value<'_> {
    fn seconds(&self) -> Option<u32> {
        match self {
            Value::Integer(number) => {
                let number = (*number).clamp(0, i64::from(SECONDS_MAX));
                u32::try_from(number).ok()
            }
            _ => None,
        }
    }

    fn field_names(&self) -> bool {
        match self {
            Value::String(names) => {
                token::list(names).next().is_some() && token::list(names).all(token::is_token)
            }
            _ => false,
        }
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip(&mut self, blanks: &[u8]) {
        self.take_while(|byte| blanks.contains(&byte));
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.0.iter().take_while(|byte| wanted(**byte)).count();
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'*';
        self.0.first().filter(|byte| is_first(**byte))?;
        Some(self.take_while(|byte| {
            is_first(byte) || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.')
        }))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.skip(b" ");
            self.key()?;
            if self.eat(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn item_or_list(&mut self) -> Option<Value<'a>> {
        if !self.eat(b'(') {
            return self.bare_item();
        }
        loop {
            self.skip(b" ");
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn bare_item(&mut self) -> Option<Value<'a>> {
        match *self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => {
                self.eat(b'"');
                self.string()
            }
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => {
                self.take_while(|byte| token::is(byte, TOKEN) || matches!(byte, b':' | b'/'));
                Some(Value::Other)
            }
            b':' => {
                self.eat(b':');
                let is_base64 =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                self.take_while(is_base64);
                self.eat(b':').then_some(Value::Other)
            }
            b'?' => {
                self.eat(b'?');
                let is_true = self.eat(b'1');
                (is_true || self.eat(b'0')).then_some(Value::Boolean(is_true))
            }
            b'@' => {
                self.eat(b'@');
                self.number().filter(|value| *value != Value::Other)?;
                Some(Value::Other)
            }
            b'%' => {
                self.eat(b'%');
                self.eat(b'"').then(|| self.string())??;
                Some(Value::Other)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let sign = if self.eat(b'-') { -1 } else { 1 };
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if self.eat(b'.') {
            let decimals = self.take_while(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&decimals.len());
            return fits.then_some(Value::Other);
        }
        if !(1..=15).contains(&digits.len()) {
            return None;
        }
        let number = digits
            .iter()
            .fold(0i64, |value, byte| value * 10 + i64::from(byte - b'0'));
        Some(Value::Integer(sign * number))
    }

    /// Behind the first quote, up to and with the last.
    fn string(&mut self) -> Option<Value<'a>> {
        let mut escaped = false;
        for (at, &byte) in self.0.iter().enumerate() {
            match byte {
                _ if escaped && matches!(byte, b'"' | b'\\') => escaped = false,
                b'"' if !escaped => {
                    let (text, rest) = self.0.split_at(at);
                    self.0 = rest.get(1..)?;
                    return Some(Value::String(text));
                }
                b'\\' if !escaped => escaped = true,
                b' '..=b'~' if !escaped => {}
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(lines: &[&str]) -> Option<ResponseDirectives> {
        read(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn lifetimes() {
        let rows: &[(&[&str], u32)] = &[
            (&["max-age=3600"], 3600),
            (&["max-age=2147483648"], SECONDS_MAX),
            (&["max-age=99999999999"], SECONDS_MAX),
            (&["max-age=-5"], 0),
            (&["max-age=5;x=\"y\" ,\t foo"], 5),
            (&["foobar, max-age=3600"], 3600),
            (&["max-age=1", "max-age=7"], 7),
            (&["a=(1 \"b\" c;d);e=?0, b=:YQ==:, max-age=9"], 9),
            (&["c=*x/y:z, d=-1.5, f=@12, g=%\"%20\", h=(), max-age=9"], 9),
            (&["  max-age=9 "], 9),
        ];
        for (lines, expected) in rows {
            let found = read_all(lines).and_then(|allows| allows.max_age_s);
            assert_eq!(found, Some(*expected), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_dictionary_counts_as_absent() {
        let rows: &[&[&str]] = &[
            &[],
            &[""],
            &["max-age =100"],
            &["max-age= 100"],
            &["max-age=10000, &&&&&"],
            &["max-age=\"10000\""],
            &["max-age=1.0"],
            &["max-age"],
            &["max-age=1234567890123456"],
            &["MaX-aGe=3600"],
            &["max-age=1,"],
            &["max-age=1", ""],
            &["max-age=1 max-age=2"],
            &["a=\"b"],
            &["a=\"\\x\""],
            &["a=\"\u{e9}\""],
            &["a=("],
            &["a=(1\t2)"],
            &["a=(1\"b\")"],
            &["a=:Y*:"],
            &["a=?2"],
            &["a=-"],
            &["a=1."],
            &["a=-.5"],
            &["a=1.2345"],
            &["a=1234567890123.5"],
            &["a=@1.5"],
            &["a=%x"],
            &["a;B"],
        ];
        for lines in rows {
            assert_eq!(read_all(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn words() {
        type Holds = fn(&ResponseDirectives) -> bool;
        let rows: &[(&str, Holds, bool)] = &[
            (
                "foo",
                |allows| *allows == ResponseDirectives::default(),
                true,
            ),
            ("no-store", |allows| allows.no_store, true),
            ("no-store=1", |allows| allows.no_store, true),
            ("no-store=?0", |allows| allows.no_store, false),
            ("private", |allows| allows.private, true),
            ("private=\"a, b\"", |allows| allows.private, false),
            ("private=\"a, b\"", |allows| allows.withholds, true),
            ("private=\"a b\"", |allows| allows.private, true),
            ("no-cache=()", |allows| allows.no_cache, true),
            ("public", |allows| allows.public, true),
            ("public=1", |allows| allows.public, false),
            ("immutable", |allows| allows.immutable, true),
            ("must-revalidate", |allows| allows.must_revalidate, true),
            ("proxy-revalidate", |allows| allows.proxy_revalidate, true),
            ("must-understand", |allows| allows.must_understand, true),
        ];
        for (line, holds, expected) in rows {
            let found = read_all(&[line]).as_ref().map(holds);
            assert_eq!(found, Some(*expected), "{line}");
        }
        let windows = read_all(&["stale-while-revalidate=5, stale-if-error=6, s-maxage=7"]);
        let windows = windows.expect("a dictionary");
        assert_eq!(windows.stale_while_revalidate_s, Some(5));
        assert_eq!(
            (windows.stale_if_error_s, windows.s_maxage_s),
            (Some(6), Some(7))
        );
    }
}
