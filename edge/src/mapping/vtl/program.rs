//! A compiled template: the tree that a render walks, with nothing left to look up.
//!
//! Shape: names are slots, literals are ranges of one text, constant JSONPaths and regular
//! expressions are compiled. Units: [`Spot`] counts lines and characters from 1. Errors: none.

use crate::mapping::{json_path::Path, pattern::Pattern, value::Text};

/// A list of nodes, rendered in order.
pub(in crate::mapping) type Block = Box<[Node]>;

/// Place in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::mapping) struct Spot {
    pub(in crate::mapping) line: u32,
    pub(in crate::mapping) column: u32,
}

/// The whole template.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Program {
    /// Every literal, one after the other.
    pub(in crate::mapping) text: String,
    pub(in crate::mapping) root: Block,
    /// Bodies of `#define` and of block macro calls.
    pub(in crate::mapping) blocks: Vec<Block>,
    /// By the id a call has; `None` when no such macro is defined.
    pub(in crate::mapping) macros: Vec<Option<Macro>>,
    /// Names of variables, by slot.
    pub(in crate::mapping) names: Vec<String>,
}

/// `#macro(name $a $b) … #end`.
#[derive(Debug)]
pub(in crate::mapping) struct Macro {
    /// Slots of the parameters.
    pub(in crate::mapping) parameters: Box<[u32]>,
    pub(in crate::mapping) body: Block,
}

/// One thing that prints or acts.
#[derive(Debug)]
pub(in crate::mapping) enum Node {
    /// While it is parsed.
    Text(Text),
    /// The same afterwards.
    Literal(Box<str>),
    Reference(Reference),
    Set(Box<Set>),
    If(Box<If>),
    Foreach(Box<Foreach>),
    /// With its argument, if it has one.
    Break(Option<Box<Reference>>, Spot),
    Stop,
    /// Slot and block.
    Define(u32, u32),
    Call(Box<Call>),
}

#[derive(Debug)]
pub(in crate::mapping) struct Set {
    pub(in crate::mapping) left: Reference,
    pub(in crate::mapping) right: Expression,
}

#[derive(Debug)]
pub(in crate::mapping) struct If {
    /// Conditions with their blocks, in order.
    pub(in crate::mapping) arms: Vec<(Expression, Block)>,
    pub(in crate::mapping) otherwise: Block,
    pub(in crate::mapping) spot: Spot,
}

#[derive(Debug)]
pub(in crate::mapping) struct Foreach {
    pub(in crate::mapping) slot: u32,
    pub(in crate::mapping) over: Expression,
    pub(in crate::mapping) body: Block,
    pub(in crate::mapping) spot: Spot,
}

#[derive(Debug)]
pub(in crate::mapping) struct Call {
    pub(in crate::mapping) id: u32,
    pub(in crate::mapping) arguments: Box<[Expression]>,
    /// Body of `#@name() … #end`.
    pub(in crate::mapping) body: Option<u32>,
    /// As written: what prints when there is no such macro.
    pub(in crate::mapping) literal: Text,
    pub(in crate::mapping) spot: Spot,
}

/// `$name.member[0].method("x")`.
#[derive(Debug)]
pub(in crate::mapping) struct Reference {
    pub(in crate::mapping) slot: u32,
    pub(in crate::mapping) steps: Box<[Step]>,
    pub(in crate::mapping) spot: Spot,
}

#[derive(Debug)]
pub(in crate::mapping) enum Step {
    Property(Text),
    Index(Expression),
    Method(Box<Method>),
}

#[derive(Debug)]
pub(in crate::mapping) struct Method {
    pub(in crate::mapping) name: Text,
    pub(in crate::mapping) arguments: Box<[Expression]>,
    pub(in crate::mapping) constant: Constant,
}

/// What a constant first argument was compiled into.
#[derive(Debug)]
pub(in crate::mapping) enum Constant {
    None,
    Path(Path),
    Pattern(Pattern),
}

#[derive(Debug)]
pub(in crate::mapping) enum Expression {
    Text(Text),
    /// A double-quoted string with references or directives in it.
    Interpolated(Block),
    Int(i64),
    Double(f64),
    Number(Text),
    Bool(bool),
    List(Box<[Expression]>),
    Map(Box<[(Expression, Expression)]>),
    Range(Box<(Expression, Expression)>),
    Reference(Reference),
    Binary(Operator, Box<(Expression, Expression)>),
    Not(Box<Expression>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::mapping) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}
