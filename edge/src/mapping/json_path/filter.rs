//! Filters: `[?(@.price < 10 && @.kind == 'x')]`.
//!
//! Shape: a tree of comparisons. Units: bytes of the path. Errors: [`Fault::Path`]. Source: Jayway
//! JsonPath, "Filter Operators"; `=~` takes a regular expression between slashes.

use super::{Path, Reader};
use crate::mapping::{error::Fault, pattern::Pattern};

/// Deepest nesting of parentheses and paths in filters.
const FILTER_DEPTH_MAX: usize = 16;
/// Most comparisons of one level.
const TERMS_MAX: usize = 64;

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    /// The path finds something.
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Pattern),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// `@…` below the candidate, `$…` below the root.
    Path {
        is_rooted: bool,
        path: Path,
    },
    Text(Box<str>),
    Number(f64),
    Bool(bool),
    Null,
    List(Vec<Operand>),
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessEqual),
    (">=", Comparison::GreaterEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Reader<'_> {
    /// What follows `[?`: a condition in parentheses.
    pub(super) fn bracketed_filter(&mut self) -> Result<Filter, Fault> {
        self.space();
        if !self.eat("(") {
            return Err(self.fault("`(` is missing"));
        }
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(self.fault("filters nest too deep"));
        }
        let filter = self.any()?;
        self.space();
        if !self.eat(")") {
            return Err(self.fault("`)` is missing"));
        }
        self.depth -= 1;
        Ok(filter)
    }

    fn any(&mut self) -> Result<Filter, Fault> {
        let mut terms = vec![self.all()?];
        loop {
            self.space();
            if !self.eat("||") {
                break;
            }
            terms.push(self.all()?);
            self.bounded(terms.len())?;
        }
        Ok(single(terms, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, Fault> {
        let mut terms = vec![self.term()?];
        loop {
            self.space();
            if !self.eat("&&") {
                break;
            }
            terms.push(self.term()?);
            self.bounded(terms.len())?;
        }
        Ok(single(terms, Filter::All))
    }

    fn bounded(&self, terms: usize) -> Result<(), Fault> {
        if terms > TERMS_MAX {
            return Err(self.fault("too many conditions"));
        }
        Ok(())
    }

    fn term(&mut self) -> Result<Filter, Fault> {
        self.space();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            self.space();
            self.depth += 1;
            if self.depth > FILTER_DEPTH_MAX {
                return Err(self.fault("filters nest too deep"));
            }
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.rest().starts_with('(') {
            return self.bracketed_filter();
        }
        let left = self.operand()?;
        self.space();
        if self.eat("=~") {
            self.space();
            return Ok(Filter::Matches(left, self.pattern()?));
        }
        let mut comparison = None;
        for (text, known) in COMPARISONS {
            if comparison.is_none() && self.eat(text) {
                comparison = Some(known);
            }
        }
        for (text, known) in [("nin ", Comparison::NotIn), ("in ", Comparison::In)] {
            if comparison.is_none() && self.eat(text) {
                comparison = Some(known);
            }
        }
        match comparison {
            None if matches!(left, Operand::Path { .. }) => Ok(Filter::Exists(left)),
            None => Err(self.fault("an operator is missing")),
            Some(comparison) => {
                self.space();
                let right = self.operand()?;
                Ok(Filter::Compare(left, comparison, right))
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Fault> {
        let rest = self.rest();
        if let Some(mark @ ('@' | '$')) = rest.chars().next() {
            self.at += 1;
            self.depth += 1;
            if self.depth > FILTER_DEPTH_MAX {
                return Err(self.fault("filters nest too deep"));
            }
            let path = self.segments(false)?;
            self.depth -= 1;
            let is_rooted = mark == '$';
            return Ok(Operand::Path { is_rooted, path });
        }
        if rest.starts_with(['\'', '"']) {
            return Ok(Operand::Text(self.quoted()?.into_boxed_str()));
        }
        for (word, operand) in [
            ("true", Operand::Bool(true)),
            ("false", Operand::Bool(false)),
            ("null", Operand::Null),
        ] {
            if self.eat(word) {
                return Ok(operand);
            }
        }
        if self.eat("[") {
            return self.list();
        }
        let number = self.take_while(|character| {
            character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | 'e' | 'E')
        });
        match number.parse() {
            Ok(number) => Ok(Operand::Number(number)),
            Err(_) => Err(self.fault("no value can be read")),
        }
    }

    fn list(&mut self) -> Result<Operand, Fault> {
        let mut items = Vec::new();
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(self.fault("filters nest too deep"));
        }
        loop {
            self.space();
            if self.eat("]") {
                break;
            }
            items.push(self.operand()?);
            self.space();
            let _ = self.eat(",");
        }
        self.depth -= 1;
        Ok(Operand::List(items))
    }

    fn pattern(&mut self) -> Result<Pattern, Fault> {
        if !self.eat("/") {
            return Err(self.fault("`/` is missing"));
        }
        let source = self.take_while(|character| character != '/');
        if !self.eat("/") {
            return Err(self.fault("`/` is missing"));
        }
        if self.eat("i") {
            return Pattern::compile(&format!("(?i){source}"), true);
        }
        Pattern::compile(source, true)
    }
}

fn single(mut terms: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match terms.pop() {
        Some(term) if terms.is_empty() => term,
        Some(term) => {
            terms.push(term);
            many(terms)
        }
        None => many(terms),
    }
}
