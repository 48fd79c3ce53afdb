//! Text and directives.
//!
//! Shape: a run of text ends at `$`, `#` or `\`; blanks at the start of a run vanish before
//! `#set(`. Directives swallow the blanks and the line end right after their `)`, and so do
//! `#else` and `#end`. Units: byte offsets. Errors: [`TemplateError`]. Source: the lexical states
//! and productions of Velocity 1.7's grammar; `#include`, `#parse`, `#evaluate` are not known.

use super::{
    program::{Block, Call, Expression, Foreach, If, Macro, Node, Set},
    scan::Parser,
};
use crate::mapping::error::TemplateError;

/// What ended a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ender {
    Source,
    End,
    Else,
    ElseIf,
}

/// Directives that a backslash escapes, beside macros.
const ESCAPABLE: [&str; 10] = [
    "if", "elseif", "else", "end", "set", "foreach", "break", "stop", "define", "macro",
];

type Done = Result<(), TemplateError>;

impl<'s> Parser<'s, '_> {
    /// The whole source as one block.
    pub(super) fn whole(&mut self) -> Result<Block, TemplateError> {
        let (block, ender, at) = self.block()?;
        let word = match ender {
            Ender::Source => return Ok(block),
            Ender::End => "#end",
            Ender::Else => "#else",
            Ender::ElseIf => "#elseif",
        };
        Err(self.error_at(
            at,
            format!("`{word}` without a directive that it belongs to"),
        ))
    }

    /// Nodes up to the directive that ends them, which is passed, and where that began.
    fn block(&mut self) -> Result<(Block, Ender, usize), TemplateError> {
        self.enter()?;
        let mut nodes = Vec::new();
        let (ender, at) = loop {
            let at = self.at;
            if let Some(length) = self.set_ahead() {
                self.at += length;
                nodes.push(self.set(at)?);
                continue;
            }
            match self.byte() {
                None => break (Ender::Source, at),
                Some(b'$') => self.dollar(&mut nodes, 0)?,
                Some(b'\\') => self.backslashes(&mut nodes)?,
                Some(b'#') => {
                    if let Some(ender) = self.hash(&mut nodes)? {
                        break (ender, at);
                    }
                }
                Some(_) => {
                    let text = self.take_while(|byte| !matches!(byte, b'$' | b'#' | b'\\'));
                    self.builder.add_text(&mut nodes, text);
                }
            }
        };
        self.leave();
        self.builder.settle_texts(&mut nodes);
        Ok((nodes.into_boxed_slice(), ender, at))
    }

    /// A block that must end with `#end`.
    fn body(&mut self, name: &str, at: usize) -> Result<Block, TemplateError> {
        let (block, ender, end) = self.block()?;
        match ender {
            Ender::End => Ok(block),
            Ender::Source => Err(self.unclosed(name, at)),
            _ => Err(self.error_at(end, format!("only `#end` can end `#{name}`"))),
        }
    }

    fn unclosed(&self, name: &str, at: usize) -> TemplateError {
        self.error_at(at, format!("`#{name}` has no `#end`"))
    }

    /// Bytes up to and with the parenthesis, if blanks and `#set(` come next.
    fn set_ahead(&self) -> Option<usize> {
        let rest = self.rest();
        let word = rest.trim_start_matches([' ', '\t']);
        let after = word
            .strip_prefix("#set")
            .or_else(|| word.strip_prefix("#{set}"))?;
        let inner = after.trim_start_matches(' ').strip_prefix('(')?;
        Some(rest.len().saturating_sub(inner.len()))
    }

    fn set(&mut self, at: usize) -> Result<Node, TemplateError> {
        self.operators = 0;
        self.skip_space();
        let at_left = self.at;
        let left = self.reference_argument()?.ok_or_else(|| {
            self.error_at(
                at_left,
                format!("`#set` assigns to a reference; {}", self.found()),
            )
        })?;
        self.skip_space();
        if self.rest().starts_with("==") {
            return Err(self.error("`#set` assigns with a single `=`"));
        }
        self.expect("=", "the reference of `#set`")?;
        let right = self.expression()?;
        self.close("#set", at)?;
        Ok(Node::Set(Box::new(Set { left, right })))
    }

    /// The `)` of a directive, with the line end after it.
    fn close(&mut self, name: &str, at: usize) -> Done {
        self.skip_space();
        if !self.eat(")") {
            let line = self.spot(at).line;
            let found = self.found();
            return Err(self.error(format!("`)` of `{name}` (line {line}) is missing; {found}")));
        }
        self.skip_line_end();
        Ok(())
    }

    fn backslashes(&mut self, nodes: &mut Vec<Node>) -> Done {
        let run = self.take_while(|byte| byte == b'\\');
        match self.byte() {
            Some(b'$') => self.dollar(nodes, run.len()),
            Some(b'#') if run.len() % 2 == 1 => {
                let before = self.at;
                self.at += 1;
                let kept = match self.word() {
                    Some(word) if self.is_escapable(word) => run.len() / 2,
                    Some(_) => run.len(),
                    None => {
                        // No word: the backslashes are text, and `#` is looked at again.
                        self.at = before;
                        self.builder.add_text(nodes, run);
                        return Ok(());
                    }
                };
                let word = self.source.get(before..self.at).unwrap_or("");
                self.builder.add_text(nodes, run.get(..kept).unwrap_or(""));
                self.builder.add_text(nodes, word);
                Ok(())
            }
            Some(b'#') => {
                let kept = if self.is_control_ahead() {
                    run.len() / 2
                } else {
                    run.len()
                };
                self.builder.add_text(nodes, run.get(..kept).unwrap_or(""));
                Ok(())
            }
            _ => {
                self.builder.add_text(nodes, run);
                Ok(())
            }
        }
    }

    fn is_escapable(&self, word: &str) -> bool {
        ESCAPABLE.contains(&word) || self.builder.has_macro(word)
    }

    /// Whether a directive that pairs of backslashes escape follows: any but `#set`.
    fn is_control_ahead(&mut self) -> bool {
        let before = self.at;
        self.at += 1;
        let word = self.word().filter(|word| *word != "set");
        let is_control = word.is_some_and(|word| self.is_escapable(word));
        self.at = before;
        is_control
    }

    /// The word after `#`, plain or in braces; passes it.
    fn word(&mut self) -> Option<&'s str> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@');
        let before = self.at;
        let is_bracketed = self.eat("{");
        let word = self.take_while(is_word);
        let first = word.bytes().next();
        let is_begun = first.is_some_and(|byte| !byte.is_ascii_digit());
        if !is_begun || is_bracketed && (first == Some(b'@') || !self.eat("}")) {
            self.at = before;
            return None;
        }
        Some(word)
    }

    /// `#` and what follows; a directive that ends the block is returned.
    fn hash(&mut self, nodes: &mut Vec<Node>) -> Result<Option<Ender>, TemplateError> {
        let at = self.at;
        if self.eat("##") {
            self.take_while(|byte| !matches!(byte, b'\n' | b'\r'));
            let _ = self.eat("\r\n") || self.eat("\n") || self.eat("\r");
            return Ok(None);
        }
        if self.eat("#*") {
            // A comment that nothing closes goes to the end.
            let end = self.rest().find("*#").map(|end| end + 2);
            self.at += end.unwrap_or(self.rest().len());
            return Ok(None);
        }
        if self.eat("#[[") {
            let Some(end) = self.rest().find("]]#") else {
                return Err(self.error_at(at, "`#[[` has no `]]#`"));
            };
            let text = self.rest().get(..end).unwrap_or("");
            self.builder.add_text(nodes, text);
            self.at += end + 3;
            return Ok(None);
        }
        self.at += 1;
        self.operators = 0;
        let Some(word) = self.word() else {
            self.builder.add_text(nodes, "#");
            return Ok(None);
        };
        match word {
            "end" => {
                self.skip_line_end();
                Ok(Some(Ender::End))
            }
            "else" => {
                self.skip_line_end();
                Ok(Some(Ender::Else))
            }
            "elseif" => Ok(Some(Ender::ElseIf)),
            _ => {
                self.directive(word, at, nodes)?;
                Ok(None)
            }
        }
    }

    fn directive(&mut self, word: &'s str, at: usize, nodes: &mut Vec<Node>) -> Done {
        let node = match word {
            "if" => self.conditional(at)?,
            "foreach" => self.foreach(at)?,
            "define" => self.definition(at)?,
            "macro" => return self.macro_definition(at),
            "stop" => {
                self.optional_argument()?;
                Node::Stop
            }
            "break" => {
                let argument = match self.optional_argument()? {
                    Some(Expression::Reference(reference)) => Some(Box::new(reference)),
                    Some(_) => return Err(self.error_at(at, "`#break` takes only `$foreach`")),
                    None => None,
                };
                Node::Break(argument, self.spot(at))
            }
            _ => self.call(word, at)?,
        };
        nodes.push(node);
        Ok(())
    }

    fn open(&mut self, name: &str) -> Done {
        self.skip_space();
        self.expect("(", name)
    }

    fn conditional(&mut self, at: usize) -> Result<Node, TemplateError> {
        let mut arms = Vec::new();
        let mut name = "#if";
        let mut arm_at = at;
        loop {
            self.open(name)?;
            let condition = self.expression()?;
            self.close(name, arm_at)?;
            let (block, ender, end) = self.block()?;
            arms.push((condition, block));
            let otherwise = match ender {
                Ender::Source => return Err(self.unclosed("if", at)),
                Ender::End => Block::default(),
                Ender::Else => self.body("else", end)?,
                Ender::ElseIf => {
                    name = "#elseif";
                    arm_at = end;
                    continue;
                }
            };
            return Ok(Node::If(Box::new(If {
                arms,
                otherwise,
                spot: self.spot(at),
            })));
        }
    }

    fn foreach(&mut self, at: usize) -> Result<Node, TemplateError> {
        self.open("#foreach")?;
        self.skip_space();
        let element = self.reference_argument()?.ok_or_else(|| {
            self.error(format!(
                "`#foreach` begins with a variable; {}",
                self.found()
            ))
        })?;
        self.skip_space();
        let word = self.take_while(|byte| byte.is_ascii_alphabetic());
        if word != "in" {
            return Err(self.error("`in` is missing after the variable of `#foreach`"));
        }
        self.skip_space();
        let over = self.parameter()?;
        self.close("#foreach", at)?;
        let body = self.body("foreach", at)?;
        Ok(Node::Foreach(Box::new(Foreach {
            slot: element.slot,
            over,
            body,
            spot: self.spot(at),
        })))
    }

    fn definition(&mut self, at: usize) -> Result<Node, TemplateError> {
        self.open("#define")?;
        self.skip_space();
        let name = self
            .reference_argument()?
            .ok_or_else(|| self.error(format!("`#define` names a variable; {}", self.found())))?;
        self.close("#define", at)?;
        let body = self.body("define", at)?;
        Ok(Node::Define(name.slot, self.builder.block(body)))
    }

    fn macro_definition(&mut self, at: usize) -> Done {
        self.open("#macro")?;
        self.skip_space();
        let Some(name) = self.word() else {
            return Err(self.error(format!("`#macro` begins with its name; {}", self.found())));
        };
        let mut parameters = Vec::new();
        loop {
            self.skip_comma();
            if self.byte() != Some(b'$') {
                break;
            }
            let parameter = self.reference_argument()?;
            parameters.extend(parameter.map(|found| found.slot));
        }
        self.close("#macro", at)?;
        // Known while its own body is read, so that escapes and calls of itself are seen.
        let body = self.body("macro", at)?;
        let parameters = parameters.into_boxed_slice();
        self.builder.define(name, Macro { parameters, body });
        Ok(())
    }

    /// Blanks, and one comma between arguments.
    fn skip_comma(&mut self) {
        self.skip_space();
        if self.eat(",") {
            self.skip_space();
        }
    }

    /// Whether `(` follows, blanks and line ends aside.
    fn is_parenthesis_ahead(&self) -> bool {
        let rest = self.rest();
        rest.trim_start_matches([' ', '\t', '\n', '\r'])
            .starts_with('(')
    }

    /// `($x)` after `#break` or `#stop`, both of which also stand alone.
    fn optional_argument(&mut self) -> Result<Option<Expression>, TemplateError> {
        if !self.is_parenthesis_ahead() {
            return Ok(None);
        }
        let at = self.at;
        self.open("the directive")?;
        self.skip_space();
        let argument = self.parameter_or_none()?;
        self.close("the directive", at)?;
        Ok(argument)
    }

    /// A macro call, or a word that is none; which of them is known at the end.
    fn call(&mut self, word: &'s str, at: usize) -> Result<Node, TemplateError> {
        let spot = self.spot(at);
        let (name, is_block) = match word.strip_prefix('@') {
            Some(name) => (name, true),
            None => (word, false),
        };
        let id = self.builder.macro_id(name);
        let mut arguments = Vec::new();
        let mut has_arguments = false;
        if self.is_parenthesis_ahead() {
            has_arguments = true;
            arguments = self.call_arguments(id)?;
        }
        let end = self.at;
        let body = if is_block && has_arguments {
            let block = self.body(word, at)?;
            Some(self.builder.block(block))
        } else {
            None
        };
        let literal = self.source.get(at..end).unwrap_or("");
        Ok(Node::Call(Box::new(Call {
            id,
            arguments: arguments.into_boxed_slice(),
            body,
            literal: self.builder.text(literal),
            spot,
        })))
    }

    fn call_arguments(&mut self, id: u32) -> Result<Vec<Expression>, TemplateError> {
        let at = self.at;
        self.open("the name")?;
        let mut arguments = Vec::new();
        loop {
            self.skip_comma();
            if self.byte() == Some(b')') {
                break;
            }
            match self.parameter_or_none()? {
                Some(argument) => arguments.push(argument),
                None => {
                    // A bare word: an error only if such a macro exists.
                    let Some(word) = self.word() else {
                        let found = self.found();
                        return Err(self.error(format!("no argument can be read; {found}")));
                    };
                    let word_spot = self.spot(self.at.saturating_sub(word.len()));
                    self.builder.word_in_call(id, word_spot, word);
                }
            }
        }
        self.close("the call", at)?;
        Ok(arguments)
    }
}
