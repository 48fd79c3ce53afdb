//! The command line, the files that it reads, and the pages that tell of both.
//!
//! Shape: one module a command or a kind of file; each runs the binary on a folder of its own. Limits
//! and filters are put on children alone.

mod configuration;
mod demo;
mod docs;
mod explain;
mod plan_samples;
#[path = "../common/problems.rs"]
mod problems;
mod refusal;
mod simulator;
mod simulator_page;
mod template;
