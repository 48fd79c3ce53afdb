//! Takes Cache-Control apart into directives.
//!
//! Shape: one line in, names and arguments out, slices of it; commas within quotes part nothing.
//! Units: bytes. Ranges: any bytes. Errors: what has no name is passed over, an argument that is
//! neither token nor string is [`Argument::Broken`], and a line that ends within a string says so.
//! Source: RFC 9111 section 5.2; RFC 9110 sections 5.6.1, 5.6.4.

use super::directives;
use crate::wire::token::{self, TOKEN};

/// One directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: Argument<'a>,
}

/// What follows a directive's name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    None,
    Token(&'a [u8]),
    /// Between the quotes, still escaped.
    Quoted(&'a [u8]),
    /// Neither: blanks around `=`, a decimal point, single quotes.
    Broken,
}

impl<'a> Argument<'a> {
    /// The number of seconds that it says.
    pub(super) fn seconds(&self) -> Option<u32> {
        match self {
            Argument::Token(text) | Argument::Quoted(text) => directives::seconds(text),
            Argument::None | Argument::Broken => None,
        }
    }

    /// The quoted list of field names; an empty one is none, and a token is no list: the directive
    /// then counts in full.
    pub(super) fn field_names(&self) -> Option<&'a [u8]> {
        match self {
            Argument::Quoted(names)
                if token::list(names).next().is_some()
                    && token::list(names).all(token::is_token) =>
            {
                Some(names)
            }
            _ => None,
        }
    }
}

/// The directives of one line, in order.
pub(super) struct Directives<'a> {
    rest: &'a [u8],
    /// The line ended within a quoted string.
    pub(super) is_open: bool,
}

impl<'a> Directives<'a> {
    pub(super) fn of(line: &'a [u8]) -> Directives<'a> {
        Directives {
            rest: line,
            is_open: false,
        }
    }

    /// The bytes up to the next comma outside quotes.
    fn element(&mut self) -> &'a [u8] {
        let mut quoted = false;
        let mut escaped = false;
        let mut end = self.rest.len();
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        self.is_open |= quoted && end == self.rest.len();
        let (element, rest) = self.rest.split_at(end);
        self.rest = rest.split_first().map_or(&[], |(_, rest)| rest);
        token::trim(element)
    }
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        while !self.rest.is_empty() {
            let element = self.element();
            let name_bytes = element
                .iter()
                .take_while(|byte| token::is(**byte, TOKEN))
                .count();
            let (name, rest) = element.split_at(name_bytes);
            if name.is_empty() {
                continue;
            }
            let argument = match rest {
                [] => Argument::None,
                [b'=', b'"', inner @ .., b'"'] => Argument::Quoted(inner),
                [b'=', value @ ..] if token::is_token(value) => Argument::Token(value),
                _ => Argument::Broken,
            };
            return Some(Directive { name, argument });
        }
        None
    }
}
