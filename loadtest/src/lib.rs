//! The load generator `tidegate-load`: open-loop HTTP load on the gateway's own io_uring loop.
//!
//! What it is: a [`plan::Plan`] goes into [`run::run`], an outcome comes out, and `report` shows
//! it. Shape: a schedule fixes when each request starts; a worker for each core sends, reads,
//! judges and books; intervals are merged. Start reading at `worker`. Units: nanoseconds inside,
//! as the names say outside. Errors: figures of the run, or one line and an exit status.
//! Source: docs/load-testing.md.

pub mod check;
pub mod cli;
pub mod compare;
mod conduct;
pub mod host;
pub mod limit;
mod link;
pub mod options;
pub mod plan;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod response;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod statistics;
pub mod target;
pub mod template;
mod worker;
mod zipf;
