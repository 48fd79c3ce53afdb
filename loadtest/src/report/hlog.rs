//! The HdrHistogram log of a run: what every HdrHistogram tool reads.
//!
//! What it is: the latency histogram of each interval, compressed, one a line. Shape: text of
//! version 1.3 with V2 histograms. Units: nanoseconds in the histograms; the log's maxima are in
//! milliseconds, as its header says. Errors: those of writing. Source: HdrHistogram,
//! HistogramLogWriter.

use std::{
    io::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

use hdrhistogram::serialization::{V2DeflateSerializer, interval_log::IntervalLogWriterBuilder};

use crate::run::Outcome;

/// Writes the log of `outcome`.
///
/// # Errors
/// What writing answered.
pub fn write(outcome: &Outcome, interval_ns: u64, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_millis(outcome.started_unix_ms);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("tidegate-load: latency from the scheduled start, nanoseconds")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    for slice in &outcome.slices {
        let left_ns = outcome.elapsed_ns.saturating_sub(slice.start_ns);
        log.write_histogram(
            &slice.interval.latency,
            Duration::from_nanos(slice.start_ns),
            Duration::from_nanos(interval_ns.min(left_ns).max(1)),
            None,
        )
        .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    Ok(())
}
