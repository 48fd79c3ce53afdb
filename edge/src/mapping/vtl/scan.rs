//! The parser's state: where it is, what it has built, how deep it stands.
//!
//! Shape: a [`Parser`] reads one source; strings that interpolate are read by a parser of their
//! own into the same [`Builder`]. Units: byte offsets. Errors: [`TemplateError`] at a place.

use super::{
    GIVEN,
    program::{Block, Macro, Node, Program, Spot},
};
use crate::mapping::{
    SOURCE_BYTES_MAX,
    error::TemplateError,
    value::{Pool, Text, small},
};
use std::collections::BTreeMap;

/// Deepest nesting of blocks, strings, parentheses and arguments.
const NESTING_MAX: u32 = 64;

/// Compiles `source`.
pub(in crate::mapping) fn parse(source: &str) -> Result<Program, TemplateError> {
    let mut builder = Builder::default();
    for name in GIVEN {
        builder.slot(name);
    }
    let start = Spot { line: 1, column: 1 };
    let mut parser = Parser::new(source, start, 0, &mut builder);
    if source.len() > SOURCE_BYTES_MAX {
        let size = source.len();
        return Err(parser.error_at(
            0,
            format!("the template has {size} bytes; at most {SOURCE_BYTES_MAX} are allowed"),
        ));
    }
    let root = parser.whole()?;
    builder.finish(root)
}

/// What all parsers of one template build together.
#[derive(Default)]
pub(super) struct Builder {
    program: Program,
    slots: BTreeMap<String, u32>,
    macros: BTreeMap<String, u32>,
    /// Calls that have a bare word among their arguments, with the place.
    words: Vec<(u32, Spot, String)>,
}

impl Builder {
    /// The slot of a variable.
    pub(super) fn slot(&mut self, name: &str) -> u32 {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let slot = small(self.program.names.len());
        self.program.names.push(name.to_owned());
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    /// The id that calls of a macro have, defined or not.
    pub(super) fn macro_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.macros.get(name) {
            return *id;
        }
        let id = small(self.program.macros.len());
        self.program.macros.push(None);
        self.macros.insert(name.to_owned(), id);
        id
    }

    /// Whether a macro of this name is defined above.
    pub(super) fn has_macro(&self, name: &str) -> bool {
        let id = self.macros.get(name);
        id.is_some_and(|id| matches!(self.program.macros.get(*id as usize), Some(Some(_))))
    }

    /// Defines a macro; the first definition of a name stays.
    pub(super) fn define(&mut self, name: &str, defined: Macro) {
        let id = self.macro_id(name) as usize;
        if let Some(place) = self.program.macros.get_mut(id) {
            place.get_or_insert(defined);
        }
    }

    pub(super) fn word_in_call(&mut self, id: u32, spot: Spot, word: &str) {
        self.words.push((id, spot, word.to_owned()));
    }

    pub(super) fn block(&mut self, block: Block) -> u32 {
        self.program.blocks.push(block);
        small(self.program.blocks.len().saturating_sub(1))
    }

    /// Keeps a literal.
    pub(super) fn text(&mut self, text: &str) -> Text {
        let at = self.program.text.len();
        self.program.text.push_str(text);
        Text {
            pool: Pool::Program,
            at: small(at),
            bytes: small(text.len()),
        }
    }

    pub(super) fn literal(&self, text: Text) -> &str {
        text.of(&self.program.text)
    }

    /// Adds text to `nodes`, joined with the text before it.
    pub(super) fn add_text(&mut self, nodes: &mut Vec<Node>, text: &str) {
        if text.is_empty() {
            return;
        }
        let end = small(self.program.text.len());
        let added = self.text(text);
        if let Some(Node::Text(last)) = nodes.last_mut()
            && last.at.saturating_add(last.bytes) == end
        {
            last.bytes = last.bytes.saturating_add(added.bytes);
            return;
        }
        nodes.push(Node::Text(added));
    }

    /// Gives texts to which nothing is joined any more a place of their own.
    pub(super) fn settle_texts(&self, nodes: &mut [Node]) {
        for node in nodes {
            if let Node::Text(text) = node {
                *node = Node::Literal(self.literal(*text).into());
            }
        }
    }

    fn finish(mut self, root: Block) -> Result<Program, TemplateError> {
        for (id, spot, word) in &self.words {
            if matches!(self.program.macros.get(*id as usize), Some(Some(_))) {
                return Err(TemplateError {
                    line: spot.line,
                    column: spot.column,
                    message: format!("`{word}` is no argument: write a reference or a literal"),
                });
            }
        }
        self.program.root = root;
        Ok(self.program)
    }
}

/// Reads one source.
pub(super) struct Parser<'s, 'b> {
    pub(super) source: &'s str,
    pub(super) at: usize,
    pub(super) builder: &'b mut Builder,
    /// Operators read since the directive began.
    pub(super) operators: usize,
    start: Spot,
    line_starts: Vec<usize>,
    depth: u32,
}

impl<'s, 'b> Parser<'s, 'b> {
    pub(super) fn new(
        source: &'s str,
        start: Spot,
        depth: u32,
        builder: &'b mut Builder,
    ) -> Parser<'s, 'b> {
        let ends = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        Parser {
            source,
            at: 0,
            builder,
            operators: 0,
            start,
            line_starts: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
            depth,
        }
    }

    /// A parser of a string inside of this source; `start` is where its text begins.
    pub(super) fn inner<'i>(&'i mut self, source: &'i str, start: Spot) -> Parser<'i, 'i> {
        Parser::new(source, start, self.depth, self.builder)
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.byte_after(0)
    }

    pub(super) fn byte_after(&self, count: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + count).copied()
    }

    pub(super) fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    /// Passes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Passes bytes as long as `wanted` holds, and returns them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !wanted(byte));
        let taken = rest.get(..end.unwrap_or(rest.len())).unwrap_or("");
        self.at += taken.len();
        taken
    }

    /// Passes blanks and line ends.
    pub(super) fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Passes blanks and the line end after them, if there is one.
    pub(super) fn skip_line_end(&mut self) {
        let before = self.at;
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        if !(self.eat("\r\n") || self.eat("\n") || self.eat("\r")) {
            self.at = before;
        }
    }

    /// One level deeper; the caller goes back by [`Parser::leave`].
    pub(super) fn enter(&mut self) -> Result<(), TemplateError> {
        if self.depth >= NESTING_MAX {
            return Err(self.error(format!("nested deeper than {NESTING_MAX} levels")));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Line and column of an offset.
    pub(super) fn spot(&self, at: usize) -> Spot {
        let row = self.line_starts.partition_point(|start| *start <= at) - 1;
        let from = self.line_starts.get(row).copied().unwrap_or(0);
        let before = self.source.get(from..at).unwrap_or("");
        let column = small(before.chars().count());
        Spot {
            line: self.start.line.saturating_add(small(row)),
            column: if row == 0 {
                self.start.column.saturating_add(column)
            } else {
                column.saturating_add(1)
            },
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> TemplateError {
        self.error_at(self.at, message)
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> TemplateError {
        let spot = self.spot(at);
        TemplateError {
            line: spot.line,
            column: spot.column,
            message: message.into(),
        }
    }

    /// What comes next, for a message.
    pub(super) fn found(&self) -> String {
        match self.rest().chars().next() {
            Some('\n' | '\r') => "the line ends".to_owned(),
            Some(character) => format!("`{}` stands here", character.escape_default()),
            None => "the template ends".to_owned(),
        }
    }

    pub(super) fn expect(&mut self, text: &str, after: &str) -> Result<(), TemplateError> {
        if self.eat(text) {
            return Ok(());
        }
        Err(self.error(format!(
            "`{text}` is missing after {after}; {}",
            self.found()
        )))
    }
}
