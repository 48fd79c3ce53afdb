//! Running a program.
//!
//! Shape: a [`Run`] holds the state of one render and walks the tree; `reference` reads and
//! assigns, `operate` computes, the method files answer calls. Units: steps, bytes. Errors:
//! [`Fault`], with the place of the directive or reference at work. Source: Velocity 1.7, `render`
//! and `value` of its nodes.

mod holder;
mod input;
mod lane;
mod list;
mod map;
mod number;
mod operate;
mod overrides;
mod reference;
mod text;
mod util;

use super::{
    Inputs, OUTPUT_BYTES_MAX, Output, Overrides, ROUNDS_MAX, decimal,
    error::{Fault, Halt, RenderError},
    inputs::ContextValue,
    json::{self, Kind},
    meter::Meter,
    pattern::Pattern,
    print::Printer,
    value::{Heap, Pool, Text, Value},
    vtl::{
        SLOT_BODY, SLOT_COUNT, SLOT_FOREACH, SLOT_HAS_NEXT,
        program::{Block, Call, Expression, Foreach, If, Macro, Node, Program, Reference, Spot},
    },
};
use list::Place;

/// Deepest nesting of macro calls and blocks.
const CALLS_MAX: usize = 20;
/// Deepest nesting of everything that is rendered or evaluated.
const DEPTH_MAX: usize = 400;

/// Renders `program`.
pub(super) fn render(
    program: &Program,
    inputs: &Inputs<'_>,
    output: &mut Output,
) -> Result<Overrides, RenderError> {
    output.heap.reset();
    output.text.clear();
    output.slots.clear();
    output.slots.resize(program.names.len(), Value::Null);
    for (slot, value) in [Value::Input, Value::Util, Value::Context(0)]
        .iter()
        .enumerate()
    {
        if let Some(place) = output.slots.get_mut(slot) {
            *place = *value;
        }
    }
    let mut run = Run {
        program,
        inputs,
        body: if inputs.body.is_empty() {
            "{}"
        } else {
            inputs.body
        },
        out: std::mem::take(&mut output.text),
        heap: &mut output.heap,
        slots: &mut output.slots,
        meter: Meter::new(),
        frames: Vec::new(),
        visible: 0,
        loops: Vec::new(),
        contexts: Vec::new(),
        document: None,
        params: None,
        stage_variables: None,
        request_override: None,
        response_override: None,
        extra: None,
        patterns: Vec::new(),
        depth: 0,
        calls: 0,
        pending: Flow::Next,
        spot: Spot { line: 1, column: 1 },
    };
    let rendered = run.whole();
    let spot = run.spot;
    let steps = run.meter.spent();
    output.text = std::mem::take(&mut run.out);
    output.steps = steps;
    rendered.map_err(|fault| {
        output.text.clear();
        RenderError {
            line: spot.line,
            column: spot.column,
            fault: *fault,
        }
    })
}

/// Where rendering goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    Next,
    Break,
    Stop,
}

/// One call of a macro.
struct Frame<'r> {
    defined: &'r Macro,
    arguments: &'r [Expression],
    /// Parameters that the macro has set, by slot.
    set: Vec<(u32, Value)>,
}

/// One running loop, for `$foreach`.
#[derive(Clone, Copy)]
struct Round {
    index: usize,
    has_next: bool,
}

/// One render.
struct Run<'r> {
    program: &'r Program,
    inputs: &'r Inputs<'r>,
    /// The payload; `{}` for none.
    body: &'r str,
    out: String,
    heap: &'r mut Heap,
    /// Variables; `Null` is one that is not set.
    slots: &'r mut Vec<Value>,
    meter: Meter,
    frames: Vec<Frame<'r>>,
    /// How many frames names are looked up in.
    visible: usize,
    loops: Vec<Round>,
    /// Maps below `$context` that were read; `$context` itself is 0, the first of these 1.
    contexts: Vec<&'r [(&'r str, ContextValue<'r>)]>,
    /// The payload as JSON, once it was asked for.
    document: Option<Option<Value>>,
    params: Option<u32>,
    stage_variables: Option<u32>,
    /// `$context.requestOverride`, once it was asked for.
    request_override: Option<u32>,
    /// `$context.responseOverride`, likewise.
    response_override: Option<u32>,
    /// What the template put into `$context` itself.
    extra: Option<u32>,
    /// Expressions that were not constant.
    patterns: Vec<Pattern>,
    depth: usize,
    calls: usize,
    /// A `#break` or `#stop` inside of a string.
    pending: Flow,
    spot: Spot,
}

impl<'r> Run<'r> {
    fn whole(&mut self) -> Result<Overrides, Halt> {
        let program = self.program;
        self.block(&program.root)?;
        self.check_output()?;
        self.taken_overrides()
    }

    fn check_output(&self) -> Result<(), Halt> {
        if self.out.len() > OUTPUT_BYTES_MAX {
            let max = OUTPUT_BYTES_MAX;
            return Err(Fault::Output { max }.into());
        }
        Ok(())
    }

    fn printer(&self) -> Printer<'_> {
        Printer {
            program: &self.program.text,
            body: self.body,
            heap: self.heap,
            bytes_max: OUTPUT_BYTES_MAX,
        }
    }

    /// What a text says.
    fn text(&self, text: Text) -> &str {
        self.printer().text(text)
    }

    fn enter(&mut self) -> Result<(), Halt> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            let max = DEPTH_MAX;
            return Err(Fault::Depth {
                what: "calls and expressions",
                max,
            }
            .into());
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn block(&mut self, block: &'r Block) -> Result<Flow, Halt> {
        self.enter()?;
        let mut flow = Flow::Next;
        for node in block {
            self.meter.spend(1)?;
            match node {
                Node::Literal(text) => {
                    self.say(text)?;
                    continue;
                }
                Node::Reference(reference) if self.print_in_place(reference)? => continue,
                _ => {}
            }
            flow = self.node(node)?;
            if self.pending != Flow::Next {
                flow = std::mem::replace(&mut self.pending, Flow::Next);
            }
            if flow != Flow::Next {
                break;
            }
        }
        self.leave();
        Ok(flow)
    }

    fn node(&mut self, node: &'r Node) -> Result<Flow, Halt> {
        match node {
            // The one is put by `block`, the other is gone once all is parsed.
            Node::Literal(_) | Node::Text(_) => {}
            Node::Reference(reference) => self.print_reference(reference)?,
            Node::Set(set) => {
                self.spot = set.left.spot;
                let value = match &set.right {
                    Expression::Reference(right) if set.left.steps.is_empty() => {
                        self.found(right)?
                    }
                    right => self.value(right)?,
                };
                // As Velocity: a result that is none leaves the name as it was.
                if value != Value::Null {
                    self.assign(&set.left, value)?;
                }
            }
            Node::If(conditional) => return self.conditional(conditional),
            Node::Foreach(foreach) => return self.foreach(foreach),
            Node::Break(argument, spot) => {
                self.spot = *spot;
                if let Some(argument) = argument
                    && !matches!(self.reference(argument)?, Value::Loop(_))
                {
                    return Err(Fault::Break.into());
                }
                return Ok(Flow::Break);
            }
            Node::Stop => return Ok(Flow::Stop),
            Node::Define(slot, block) => self.assign_slot(*slot, Value::Block(*block)),
            Node::Call(call) => return self.call(call),
        }
        Ok(Flow::Next)
    }

    /// Appends a text to the output.
    #[inline(always)]
    fn say(&mut self, text: &str) -> Result<(), Halt> {
        self.out.push_str(text);
        self.meter.spend_bytes(text.len())?;
        self.check_output()
    }

    /// Appends what a reference stands for.
    #[inline(never)]
    fn print_reference(&mut self, reference: &'r Reference) -> Result<(), Halt> {
        let value = self.found(reference)?;
        if let Value::Text(text) = value {
            let said = match text.pool {
                Pool::Program => text.of(&self.program.text),
                Pool::Body | Pool::Plain => text.of(self.body),
                Pool::Heap => text.of(&self.heap.text),
            };
            self.out.push_str(said);
            self.meter.spend_bytes(said.len())?;
            return self.check_output();
        }
        self.print(&value)
    }

    /// Appends a value to the output.
    fn print(&mut self, value: &Value) -> Result<(), Halt> {
        let before = self.out.len();
        match value {
            Value::Text(text) => {
                let text = match text.pool {
                    Pool::Program => text.of(&self.program.text),
                    Pool::Body | Pool::Plain => text.of(self.body),
                    Pool::Heap => text.of(&self.heap.text),
                };
                self.out.push_str(text);
            }
            Value::Int(number) => decimal::integer(&mut self.out, *number),
            Value::Double(number) => decimal::double(&mut self.out, *number),
            Value::Block(id) => return self.print_block(*id),
            Value::Part(at) => return self.print_part(*at),
            held if self.holds_block(*held, 0) => self.print_holder(*held)?,
            _ => {
                let mut out = std::mem::take(&mut self.out);
                let printed = self.printer().java(&mut out, *value, 0);
                self.out = out;
                printed?;
            }
        }
        self.meter
            .spend_bytes(self.out.len().saturating_sub(before))?;
        self.check_output()
    }

    /// The same for a part of the payload: a number that is written as it prints is copied.
    fn print_part(&mut self, at: u32) -> Result<(), Halt> {
        let part = json::part_at(&self.heap.parts, at);
        if part.kind != Kind::Number || !part.is_as_written() {
            let value = self.made(Value::Part(at))?;
            return self.print(&value);
        }
        let range = part.at as usize..part.at.saturating_add(part.bytes) as usize;
        self.out.push_str(self.body.get(range).unwrap_or(""));
        self.meter.spend_bytes(part.bytes as usize)?;
        self.check_output()
    }

    fn print_block(&mut self, id: u32) -> Result<(), Halt> {
        let program = self.program;
        let Some(block) = program.blocks.get(id as usize) else {
            return Ok(());
        };
        self.enter_call()?;
        let flow = self.block(block)?;
        self.calls = self.calls.saturating_sub(1);
        if flow == Flow::Stop {
            self.pending = Flow::Stop;
        }
        Ok(())
    }

    fn enter_call(&mut self) -> Result<(), Halt> {
        self.calls = self.calls.saturating_add(1);
        if self.calls > CALLS_MAX {
            let max = CALLS_MAX;
            return Err(Fault::Depth {
                what: "macros and blocks",
                max,
            }
            .into());
        }
        Ok(())
    }

    fn conditional(&mut self, conditional: &'r If) -> Result<Flow, Halt> {
        self.spot = conditional.spot;
        for (condition, block) in &conditional.arms {
            if self.condition(condition)? {
                return self.block(block);
            }
        }
        self.block(&conditional.otherwise)
    }

    fn foreach(&mut self, foreach: &'r Foreach) -> Result<Flow, Halt> {
        self.spot = foreach.spot;
        let over = match &foreach.over {
            Expression::Reference(over) => self.found(over)?,
            over => self.value(over)?,
        };
        let over = match over {
            Value::Context(id) => Value::Map(self.context_map(id)?),
            Value::Part(at) if !self.is_seen(at) => self.made(over)?,
            over => over,
        };
        let Some(count) = self.turns(over)? else {
            return Ok(Flow::Next);
        };
        let mut place = Place::default();
        let element = self.variable(foreach.slot)?;
        let saved = [SLOT_COUNT, SLOT_HAS_NEXT, SLOT_FOREACH].map(|slot| (slot, self.slot(slot)));
        let depth = self.loops.len();
        self.loops.push(Round {
            index: 0,
            has_next: false,
        });
        let mut flow = Flow::Next;
        for index in 0..count {
            if index >= ROUNDS_MAX {
                self.spot = foreach.spot;
                let max = ROUNDS_MAX;
                return Err(Fault::Rounds { max }.into());
            }
            self.meter.spend(1)?;
            let has_next = index.saturating_add(1) < count;
            if let Some(round) = self.loops.get_mut(depth) {
                *round = Round { index, has_next };
            }
            let turn = i64::try_from(index.saturating_add(1)).unwrap_or(0);
            self.set_slot(SLOT_COUNT, Value::Int(turn));
            self.set_slot(SLOT_HAS_NEXT, Value::Bool(has_next));
            self.set_slot(SLOT_FOREACH, Value::Loop(super::value::small(depth)));
            let value = self.turn(over, index, &mut place)?;
            self.assign_slot(foreach.slot, value);
            flow = self.block(&foreach.body)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.loops.truncate(depth);
        for (slot, value) in saved {
            self.set_slot(slot, value);
        }
        self.assign_slot(foreach.slot, element);
        Ok(if flow == Flow::Stop { flow } else { Flow::Next })
    }

    fn slot(&self, slot: u32) -> Value {
        self.slots
            .get(slot as usize)
            .copied()
            .unwrap_or(Value::Null)
    }

    fn set_slot(&mut self, slot: u32, value: Value) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    fn call(&mut self, call: &'r Call) -> Result<Flow, Halt> {
        self.spot = call.spot;
        let program = self.program;
        let Some(Some(defined)) = program.macros.get(call.id as usize) else {
            return self.unknown_call(call);
        };
        self.enter_call()?;
        let saved_body = self.slot(SLOT_BODY);
        if let Some(body) = call.body {
            self.set_slot(SLOT_BODY, Value::Block(body));
        }
        // Frames of finished arguments are gone, so the visible ones are all there are below.
        let hidden = self.frames.split_off(self.visible);
        let arguments = &call.arguments;
        self.frames.push(Frame {
            defined,
            arguments,
            set: Vec::new(),
        });
        self.visible = self.frames.len();
        let flow = self.block(&defined.body)?;
        self.frames.pop();
        self.visible = self.frames.len();
        self.frames.extend(hidden);
        self.set_slot(SLOT_BODY, saved_body);
        self.calls = self.calls.saturating_sub(1);
        Ok(if flow == Flow::Stop { flow } else { Flow::Next })
    }

    /// A word that is no macro prints as it stands; the body of `#@word()` goes with it.
    fn unknown_call(&mut self, call: &'r Call) -> Result<Flow, Halt> {
        let program = self.program;
        self.out.push_str(call.literal.of(&program.text));
        self.meter.spend_bytes(call.literal.bytes as usize)?;
        self.check_output()?;
        Ok(Flow::Next)
    }
}
