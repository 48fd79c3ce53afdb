//! What follows `$`.
//!
//! Shape: `$name`, `${name}`, `$!name`, then `.member`, `.method(…)` and `[index]` without blanks
//! between. What does not begin a name is text. Units: byte offsets. Errors: [`TemplateError`]: a
//! brace, bracket or parenthesis that nothing closes. Source: Velocity 1.7, production
//! `Reference` and its lexical states.

use super::{
    program::{Constant, Expression, Method, Node, Reference, Step},
    scan::Parser,
};
use crate::mapping::{error::TemplateError, json_path, pattern::Pattern};

/// Methods whose first argument is a regular expression.
const PATTERN_METHODS: [&str; 4] = ["replaceAll", "replaceFirst", "matches", "split"];
/// Methods whose first argument is a JSONPath.
const PATH_METHODS: [&str; 2] = ["json", "path"];

impl Parser<'_, '_> {
    /// `$` after `backslashes` of them, in text.
    pub(super) fn dollar(
        &mut self,
        nodes: &mut Vec<Node>,
        backslashes: usize,
    ) -> Result<(), TemplateError> {
        let at = self.at;
        let found = self.reference()?;
        let literal = self.source.get(at..self.at).unwrap_or("");
        let slashes = "\\".repeat(backslashes);
        match found {
            None => {
                self.builder.add_text(nodes, &slashes);
                self.builder.add_text(nodes, literal);
            }
            Some(reference) => {
                let is_formal = literal.ends_with('}');
                let ends_in_member = matches!(reference.steps.last(), Some(Step::Property(_)));
                let kept = slashes.get(..backslashes / 2).unwrap_or("");
                self.builder.add_text(nodes, kept);
                if backslashes % 2 == 1 {
                    self.builder.add_text(nodes, literal);
                } else {
                    nodes.push(Node::Reference(reference));
                }
                // As Velocity: right behind a member `##` is text, and no comment.
                if ends_in_member && !is_formal && self.eat("##") {
                    self.builder.add_text(nodes, "##");
                }
            }
        }
        Ok(())
    }

    /// A reference where only one can stand; nothing is passed when there is none.
    pub(super) fn reference_argument(&mut self) -> Result<Option<Reference>, TemplateError> {
        if self.byte() != Some(b'$') {
            return Ok(None);
        }
        let at = self.at;
        match self.reference()? {
            Some(reference) => Ok(Some(reference)),
            None => Err(self.error_at(at, "`$` begins no name")),
        }
    }

    /// A reference at `$`; without a name, `$` and the marks after it are passed as text.
    fn reference(&mut self) -> Result<Option<Reference>, TemplateError> {
        let at = self.at;
        let _ = self.eat("$");
        let after_dollar = self.at;
        let _ = self.eat("!");
        let is_formal = self.eat("{");
        if !self.byte().is_some_and(begins_name) {
            // `$$x` and `$#if` leave the second mark to be read again.
            if !is_formal && self.at > after_dollar && self.byte().is_none() {
                self.at = after_dollar;
            }
            return Ok(None);
        }
        let name = self.take_while(in_name);
        let slot = self.builder.slot(name);
        self.enter()?;
        let steps = self.steps()?;
        self.leave();
        if is_formal && !self.eat("}") {
            let found = self.found();
            let line = self.spot(at).line;
            return Err(self.error(format!(
                "`}}` of `${{{name}` (line {line}) is missing; {found}"
            )));
        }
        Ok(Some(Reference {
            slot,
            steps: self.with_constants(name, steps, at)?.into_boxed_slice(),
            spot: self.spot(at),
        }))
    }

    fn steps(&mut self) -> Result<Vec<Step>, TemplateError> {
        let mut steps = Vec::new();
        loop {
            if self.eat("[") {
                self.skip_space();
                let at = self.at;
                let index = self.index().transpose().unwrap_or_else(|| {
                    Err(self.error_at(at, format!("no index can be read; {}", self.found())))
                })?;
                self.skip_space();
                self.expect("]", "the index")?;
                steps.push(Step::Index(index));
            } else if self.byte() == Some(b'.')
                && self
                    .byte_after(1)
                    .is_some_and(|byte| byte.is_ascii_alphabetic())
            {
                self.at += 1;
                let member = self.take_while(in_name);
                let name = self.builder.text(member);
                if self.eat("(") {
                    let arguments = self.method_arguments(member)?;
                    steps.push(Step::Method(Box::new(Method {
                        name,
                        arguments: arguments.into_boxed_slice(),
                        constant: Constant::None,
                    })));
                } else {
                    steps.push(Step::Property(name));
                }
            } else {
                return Ok(steps);
            }
        }
    }

    /// Texts, integers, `true`, `false` and references can be an index.
    fn index(&mut self) -> Result<Option<Expression>, TemplateError> {
        match self.byte() {
            Some(b'"' | b'\'' | b'$' | b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.parameter_or_none()
            }
            _ => Ok(None),
        }
    }

    fn method_arguments(&mut self, name: &str) -> Result<Vec<Expression>, TemplateError> {
        let mut arguments = Vec::new();
        self.skip_space();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.parameter()?);
            self.skip_space();
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                let found = self.found();
                return Err(self.error(format!("`)` of `{name}(` is missing; {found}")));
            }
        }
    }

    /// Compiles constant JSONPaths and regular expressions, and refuses bad ones by place.
    fn with_constants(
        &mut self,
        root: &str,
        mut steps: Vec<Step>,
        at: usize,
    ) -> Result<Vec<Step>, TemplateError> {
        for (position, step) in steps.iter_mut().enumerate() {
            let Step::Method(method) = step else { continue };
            let Some(Expression::Text(argument)) = method.arguments.first() else {
                continue;
            };
            let name = self.builder.literal(method.name);
            let text = self.builder.literal(*argument);
            if root == "input" && position == 0 && PATH_METHODS.contains(&name) {
                let path = json_path::parse(text);
                let path = path.map_err(|fault| self.error_at(at, fault.to_string()))?;
                method.constant = Constant::Path(path);
            } else if PATTERN_METHODS.contains(&name) {
                let pattern = Pattern::compile(text, name == "matches");
                let pattern = pattern.map_err(|fault| self.error_at(at, fault.to_string()))?;
                method.constant = Constant::Pattern(pattern);
            }
        }
        Ok(steps)
    }
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
