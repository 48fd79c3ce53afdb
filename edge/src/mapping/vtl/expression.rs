//! What stands in the parentheses of `#set`, `#if`, `#foreach` and of methods.
//!
//! Shape: operators by precedence; arguments of methods, lists and maps are single values without
//! operators. Units: byte offsets. Errors: [`TemplateError`]. Source: Velocity 1.7, productions
//! from `ConditionalOrExpression` to `PrimaryExpression`, and `Parameter`: a minus before digits
//! belongs to the number, so `5-3` is none and `5 - 3` is two.

use super::{
    program::{Expression, Operator},
    scan::Parser,
};
use crate::mapping::error::TemplateError;
use std::borrow::Cow;

type Parsed = Result<Expression, TemplateError>;

/// Operators by precedence, loosest first; longer spellings before their beginnings.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("eq", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessEqual),
        ("le", Operator::LessEqual),
        (">=", Operator::GreaterEqual),
        ("ge", Operator::GreaterEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Modulo),
    ],
];

impl Parser<'_, '_> {
    /// A whole expression.
    pub(super) fn expression(&mut self) -> Parsed {
        self.enter()?;
        let parsed = self.level(0)?;
        self.leave();
        Ok(parsed)
    }

    fn level(&mut self, level: usize) -> Parsed {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        loop {
            self.skip_space();
            let Some(operator) = self.operator(operators) else {
                return Ok(left);
            };
            // A long chain is a deep tree.
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                let message = format!("more than {OPERATORS_MAX} operators in one directive");
                return Err(self.error(message));
            }
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new((left, right)));
        }
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        for (text, operator) in operators {
            let rest = self.rest();
            let Some(after) = rest.strip_prefix(text) else {
                continue;
            };
            let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
            if is_word && after.bytes().next().is_some_and(in_word) {
                continue;
            }
            // A minus right before digits belongs to the number.
            if *operator == Operator::Subtract && begins_number(after) {
                continue;
            }
            self.at += text.len();
            return Some(*operator);
        }
        None
    }

    fn unary(&mut self) -> Parsed {
        self.skip_space();
        let is_word = self.rest().starts_with("not") && !self.byte_after(3).is_some_and(in_word);
        if is_word || self.byte() == Some(b'!') {
            self.at += if is_word { 3 } else { 1 };
            self.enter()?;
            let inner = self.unary()?;
            self.leave();
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.eat("(") {
            let inner = self.expression()?;
            self.skip_space();
            self.expect(")", "the expression")?;
            return Ok(inner);
        }
        self.parameter()
    }

    /// A single value, without operators.
    pub(super) fn parameter(&mut self) -> Parsed {
        self.skip_space();
        let parsed = self.parameter_or_none()?;
        parsed.ok_or_else(|| self.error(format!("a value is missing; {}", self.found())))
    }

    /// A single value if one begins here.
    pub(super) fn parameter_or_none(&mut self) -> Result<Option<Expression>, TemplateError> {
        let parsed = match self.byte() {
            Some(b'$') => {
                let found = self.reference_argument()?;
                return Ok(found.map(Expression::Reference));
            }
            Some(quote @ (b'"' | b'\'')) => self.string(quote)?,
            Some(b'[') => self.list_or_range()?,
            Some(b'{') => self.map()?,
            Some(b'-' | b'.' | b'0'..=b'9') => return self.number(),
            Some(_) => {
                for (word, value) in [("true", true), ("false", false)] {
                    let is_whole = !self.byte_after(word.len()).is_some_and(in_word);
                    if is_whole && self.eat(word) {
                        return Ok(Some(Expression::Bool(value)));
                    }
                }
                return Ok(None);
            }
            None => return Ok(None),
        };
        Ok(Some(parsed))
    }

    fn number(&mut self) -> Result<Option<Expression>, TemplateError> {
        let at = self.at;
        let _ = self.eat("-");
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        let mut is_decimal = false;
        if self.byte() == Some(b'.') && self.byte_after(1) != Some(b'.') {
            let digit = self.byte_after(1).is_some_and(|byte| byte.is_ascii_digit());
            if digit || !whole.is_empty() {
                is_decimal = true;
                self.at += 1;
                self.take_while(|byte| byte.is_ascii_digit());
            }
        }
        if whole.is_empty() && !is_decimal {
            self.at = at;
            return Ok(None);
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            let signed = matches!(self.byte_after(1), Some(b'+' | b'-'));
            let digits = if signed { 2 } else { 1 };
            if self
                .byte_after(digits)
                .is_some_and(|byte| byte.is_ascii_digit())
            {
                is_decimal = true;
                self.at += digits;
                self.take_while(|byte| byte.is_ascii_digit());
            }
        }
        let text = self.source.get(at..self.at).unwrap_or("");
        if is_decimal {
            let value = text.parse().map_err(|_| self.error_at(at, "no number"))?;
            return Ok(Some(Expression::Double(value)));
        }
        Ok(Some(match text.parse() {
            Ok(value) => Expression::Int(value),
            Err(_) => Expression::Number(self.builder.text(text)),
        }))
    }

    fn list_or_range(&mut self) -> Parsed {
        let at = self.at;
        self.enter()?;
        let _ = self.eat("[");
        self.skip_space();
        let mut items = Vec::new();
        if self.eat("]") {
            self.leave();
            return Ok(Expression::List(Box::default()));
        }
        loop {
            items.push(self.parameter()?);
            self.skip_space();
            if items.len() == 1 && self.rest().starts_with("..") {
                return self.range(items, at);
            }
            if self.eat("]") {
                self.leave();
                return Ok(Expression::List(items.into_boxed_slice()));
            }
            if !self.eat(",") {
                return Err(self.error(format!("`]` of the list is missing; {}", self.found())));
            }
        }
    }

    fn range(&mut self, mut items: Vec<Expression>, at: usize) -> Parsed {
        self.at += 2;
        let to = self.parameter()?;
        let from = items.pop().unwrap_or(Expression::Bool(false));
        self.skip_space();
        self.expect("]", "the range")?;
        let is_bound =
            |bound: &Expression| matches!(bound, Expression::Int(_) | Expression::Reference(_));
        if !is_bound(&from) || !is_bound(&to) {
            return Err(self.error_at(at, "a range goes from one integer to another"));
        }
        self.leave();
        Ok(Expression::Range(Box::new((from, to))))
    }

    fn map(&mut self) -> Parsed {
        self.enter()?;
        let _ = self.eat("{");
        self.skip_space();
        let mut members = Vec::new();
        if self.eat("}") {
            self.leave();
            return Ok(Expression::Map(Box::default()));
        }
        loop {
            let key = self.parameter()?;
            self.skip_space();
            self.expect(":", "the key")?;
            let value = self.parameter()?;
            members.push((key, value));
            self.skip_space();
            if self.eat("}") {
                self.leave();
                return Ok(Expression::Map(members.into_boxed_slice()));
            }
            if !self.eat(",") {
                return Err(self.error(format!("`}}` of the map is missing; {}", self.found())));
            }
        }
    }

    /// A string; double quotes interpolate, and a doubled quote is one of its kind.
    fn string(&mut self, quote: u8) -> Parsed {
        let at = self.at;
        let length = string_bytes(self.rest().as_bytes(), quote)
            .ok_or_else(|| self.error_at(at, "this string has no end"))?;
        let content = self.source.get(at + 1..at + length - 1).unwrap_or("");
        self.at += length;
        let mark = char::from(quote);
        let doubled: String = [mark, mark].iter().collect();
        let mut content = Cow::Borrowed(content);
        if quote == b'"' && content.contains("\\u") {
            let unescaped = unescape(&content);
            let wrong = || self.error_at(at, "`\\u` takes four hexadecimal digits");
            content = Cow::Owned(unescaped.ok_or_else(wrong)?);
        }
        if content.contains(&doubled) {
            content = Cow::Owned(content.replace(&doubled, mark.encode_utf8(&mut [0; 4])));
        }
        if quote == b'\'' || !content.contains(['$', '#']) {
            return Ok(Expression::Text(self.builder.text(&content)));
        }
        self.enter()?;
        let start = self.spot(at + 1);
        let block = self.inner(&content, start).whole()?;
        self.leave();
        Ok(Expression::Interpolated(block))
    }
}

/// Most operators of one directive.
const OPERATORS_MAX: usize = 200;

/// Length with both quotes: as long as it can be, since a doubled quote goes on.
fn string_bytes(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    let mut end = None;
    while let Some(step) = memchr::memchr(quote, bytes.get(at..)?) {
        at += step + 1;
        end = Some(at);
        if bytes.get(at) != Some(&quote) {
            return end;
        }
        at += 1;
    }
    end
}

/// `\u0041` becomes its character; anything else after a backslash stays.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        out.push_str(before);
        let digits = after.get(..4)?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        out.push(char::from_u32(code).unwrap_or('?'));
        rest = after.get(4..)?;
    }
    out.push_str(rest);
    Some(out)
}

fn begins_number(text: &str) -> bool {
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|character: char| character.is_ascii_digit())
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@')
}
