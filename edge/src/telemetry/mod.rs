//! Level 4: what a request leaves behind: its access-log line and its share of the metrics.
//!
//! A core fills an [`record::AccessRecord`], a compiled [`format::LogFormat`] prints it into the
//! core's [`access_log::LogSink`], and one [`writer::LogWriter`] thread carries full chunks to the
//! file. What the stages of a request did goes the same way, as [`execution`] prints it. Counters live in [`metrics::CoreMetrics`], latencies in [`histograms::CoreHistograms`];
//! [`render`] sums the cores into OpenMetrics text.

pub mod access_log;
pub mod context;
mod escape;
pub mod execution;
pub mod fault_kind;
pub mod format;
pub mod histograms;
pub mod metrics;
pub mod record;
pub mod render;
pub mod stamp;
pub mod writer;
