//! What: a sample booked by the load generator: how late a start was handled.
//! Shape: one book and values drawn over six decades beforehand, taken in turn.
//! Units: nanoseconds.
//! Errors: none.
//! Source: `loadtest/src/recorder.rs`.

use std::hint::black_box;

use tidegate_edge::base::prng::Prng;
use tidegate_loadtest::recorder::Recorder;

use super::Operation;

/// Values drawn beforehand.
const VALUES: usize = 4096;

/// Books a sample.
pub(super) fn record() -> Operation {
    let mut prng = Prng::new(7);
    let values: Vec<u64> = (0..VALUES)
        .map(|_| {
            let bits = 10 + prng.below(20);
            prng.below(1 << bits)
        })
        .collect();
    let mut next = values.into_iter().cycle();
    let mut recorder = Recorder::default();
    Box::new(move || {
        let value_ns = next.next().expect("an endless turn");
        black_box(&mut recorder).start(black_box(value_ns));
    })
}
