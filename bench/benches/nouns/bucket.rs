//! What: a token out of a bucket whose place is known, as it is for methods, stages and the account.
//! Shape: one bucket, whose clock goes on by as much as a token takes to come back.
//! Units: nanoseconds.
//! Errors: a refused token panics.
//! Source: docs/architecture.md, the limits.

use std::hint::black_box;

use tidegate_edge::{
    base::time::Mono,
    limits::{Ask, Identity, Level, Limit, Rate, Table},
};

use super::Operation;

const PER_S: f64 = 1_000_000.0;
const TOKEN_NS: u64 = 1_000;
const BURST: u32 = 100;

/// Takes a token.
pub(super) fn take() -> Operation {
    let table = Table::private(1024, [1, 2]).expect("a table");
    let identity = Identity::single(Level::Stage, &[1]);
    let place = table.place(identity).expect("a place");
    let limit = Limit::new(Rate::new(PER_S, BURST).expect("a rate")).expect("a limit");
    let mut now = Mono(1 << 40);
    Box::new(move || {
        now = now.plus_ns(TOKEN_NS);
        let limit = black_box(&limit);
        let taken = table.take(now, &[Ask { place, limit }]);
        black_box(taken.expect("a token"));
    })
}
