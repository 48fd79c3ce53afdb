//! Lists and maps that hold blocks of `#define`, as text.
//!
//! What it is: what Java's `toString` has, with each block printing at its place what it prints now.
//! Everything else is printed by the [`Printer`](crate::mapping::print::Printer), which runs nothing.
//! Shape: a search, then a walk by positions, because a block may change what is printed. A block
//! that stops ends the text with nothing, as an exception does in Java. Units: levels. Errors: those
//! of the blocks, and [`Fault::Depth`]. Source: Apache Velocity 1.7, `Block.Reference`.

use super::{Flow, Run};
use crate::mapping::{
    error::{Fault, Halt},
    print::DATA_DEPTH_MAX,
    value::{ListKind, MapKind, Value},
};

impl Run<'_> {
    /// Whether printing `value` runs a block; also where it nests deeper than is printed.
    pub(super) fn holds_block(&self, value: Value, depth: usize) -> bool {
        if self.program.blocks.is_empty() {
            return false;
        }
        let within = |inner: &Value| self.holds_block(*inner, depth.saturating_add(1));
        match value {
            Value::Block(_) => true,
            Value::List(_) | Value::Map(_) if depth > DATA_DEPTH_MAX => true,
            Value::List(id) => self.heap.items(id).iter().any(within),
            Value::Map(id) => self.heap.members(id).iter().flatten().any(within),
            Value::Entry(id, at) => {
                let pair = self.heap.members(id).get(at as usize);
                pair.is_some_and(|pair| pair.iter().any(within))
            }
            _ => false,
        }
    }

    /// Appends a value that [holds a block](Run::holds_block) to the output.
    pub(super) fn print_holder(&mut self, value: Value) -> Result<(), Halt> {
        let before = self.out.len();
        self.print_held(value, false, 0)?;
        if self.pending == Flow::Stop {
            self.out.truncate(before);
        }
        Ok(())
    }

    fn print_held(&mut self, value: Value, is_json: bool, depth: usize) -> Result<(), Halt> {
        if depth > DATA_DEPTH_MAX {
            let max = DATA_DEPTH_MAX;
            return Err(Fault::Depth { what: "data", max }.into());
        }
        self.enter()?;
        let below = depth.saturating_add(1);
        match value {
            Value::Block(id) => self.print_block(id)?,
            Value::List(id) => {
                let is_json = is_json || self.heap.list_kind(id) == ListKind::Json;
                self.out.push('[');
                let mut position = 0_usize;
                while let Some(item) = self.heap.items(id).get(position).copied() {
                    self.comma(position, is_json);
                    self.print_held(item, is_json, below)?;
                    position = position.saturating_add(1);
                }
                self.out.push(']');
            }
            Value::Map(id) if !is_json && self.heap.map_kind(id) != MapKind::Plain => {}
            Value::Map(id) => {
                self.out.push('{');
                let mut position = 0_usize;
                while let Some([key, item]) = self.heap.members(id).get(position).copied() {
                    self.comma(position, is_json);
                    self.pair(key, item, is_json, below)?;
                    position = position.saturating_add(1);
                }
                self.out.push('}');
            }
            Value::Entry(id, at) => {
                if let Some([key, item]) = self.heap.members(id).get(at as usize).copied() {
                    self.pair(key, item, false, below)?;
                }
            }
            plain => {
                let mut out = std::mem::take(&mut self.out);
                let printer = self.printer();
                let printed = match is_json {
                    true => printer.json(&mut out, plain, depth),
                    false => printer.java(&mut out, plain, depth),
                };
                self.out = out;
                printed?;
            }
        }
        self.leave();
        Ok(())
    }

    fn pair(&mut self, key: Value, item: Value, is_json: bool, depth: usize) -> Result<(), Halt> {
        match key {
            Value::Text(_) => self.print_held(key, is_json, depth)?,
            key if is_json => {
                self.out.push('"');
                self.print_held(key, false, depth)?;
                self.out.push('"');
            }
            key => self.print_held(key, false, depth)?,
        }
        self.out.push(if is_json { ':' } else { '=' });
        self.print_held(item, is_json, depth)
    }

    fn comma(&mut self, position: usize, is_json: bool) {
        if position > 0 {
            self.out.push_str(if is_json { "," } else { ", " });
        }
    }
}
