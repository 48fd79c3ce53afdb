//! What: nanoseconds of the hot nouns, by criterion.
//! Shape: one benchmark per noun.
//! Units: as criterion prints them.
//! Errors: those of the nouns.
//! Source: docs/performance.md, "Nouns".

mod nouns;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::nouns::{NOUNS, REQUESTS};

fn measure(criterion: &mut Criterion) {
    for noun in NOUNS.iter().chain(REQUESTS) {
        let mut operation = (noun.make)();
        criterion.bench_function(noun.name, |bencher| bencher.iter(&mut operation));
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
