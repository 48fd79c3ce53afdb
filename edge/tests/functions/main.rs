//! Functions without a network: the events that they are given, and what they answer.

mod answers;
mod events;
