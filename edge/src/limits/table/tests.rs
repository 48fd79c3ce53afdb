//! The table against its promises: one slot for an identity, growth, hostile words.

use super::*;
use crate::limits::{level::Level, rate::Rate};

fn limit(per_s: f64, burst: u32) -> Limit {
    Limit::new(Rate::new(per_s, burst).expect("a rate")).expect("a limit")
}

fn identity(number: u64) -> Identity {
    Identity::of(Level::UsageKey.scope(&[1]), number)
}

fn ask(table: &Table, number: u64, limit: &'static Limit) -> Ask<'static> {
    let place = table.place(identity(number)).expect("a place");
    Ask { place, limit }
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn identities_keep_their_slots_while_the_table_grows() {
    let table = Table::private(64, [7, 9]).expect("a table");
    let mut places = Vec::new();
    let mut grown = 0;
    for number in 0..20_000 {
        let place = table.place(identity(number)).unwrap_or_else(|| {
            table.grow().expect("grown");
            grown += 1;
            table.place(identity(number)).expect("room")
        });
        places.push(place);
        if table.takes_wish() {
            let _ = table.grow();
            grown += 1;
        }
    }
    assert!((6..=8).contains(&grown), "{grown}");
    for (number, place) in (0..).zip(&places) {
        assert_eq!(table.place(identity(number)), Some(*place));
        assert_eq!(table.known_place(identity(number)), Some(*place));
    }
    assert_eq!(table.slots_used(), 20_000);
    let mut words: Vec<usize> = places.iter().map(|place| place.0).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 20_000, "no slot has two owners");
    assert_eq!(table.known_place(identity(20_000)), None);
}

#[test]
fn tokens_of_all_levels_are_taken_or_none() {
    static WIDE: std::sync::LazyLock<Limit> = std::sync::LazyLock::new(|| limit(1.0, 5));
    static TIGHT: std::sync::LazyLock<Limit> = std::sync::LazyLock::new(|| limit(1.0, 2));
    let table = Table::private(64, [7, 9]).expect("a table");
    let asks = [ask(&table, 1, &WIDE), ask(&table, 2, &TIGHT)];
    let now = Mono(SECOND);
    assert_eq!(
        table.take(now, &asks).map(|taken| taken.least(now, &asks)),
        Ok(Some((1, 1)))
    );
    assert!(table.take(now, &asks).is_ok());
    let refused = table.take(now, &asks).expect_err("two is all");
    assert_eq!((refused.index, refused.empty.ticks * TICK_NS), (1, SECOND));
    assert_eq!(table.peek(now, &asks[0]), Ok(3), "given back");
    assert_eq!(table.peek(now, &asks[1]), Err(refused.empty));
    let taken = table.take(Mono(2 * SECOND), &asks).expect("one is back");
    table.undo(&asks, &taken);
    assert!(table.take(Mono(2 * SECOND), &asks).is_ok());
    assert!(table.take(Mono(2 * SECOND), &asks).is_err());
}

#[test]
fn hostile_words_never_grant_more_and_never_panic() {
    static LIMIT: std::sync::LazyLock<Limit> = std::sync::LazyLock::new(|| limit(10.0, 5));
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let table = Table::private(64, [7, 9]).expect("a table");
    for _ in 0..20_000 {
        for slot in 0..64 {
            for word in 0..SLOT_WORDS {
                let value = match random() % 3 {
                    0 => 0,
                    1 => random(),
                    _ => random() % 64,
                };
                let at = HEADER_WORDS + slot * SLOT_WORDS + word;
                if random() % 8 == 0 {
                    table.words.word(at).store(value, Ordering::Relaxed);
                }
            }
        }
        table
            .words
            .word(SEGMENTS)
            .store(random(), Ordering::Relaxed);
        let Some(place) = table.place(identity(random() % 64)) else {
            continue;
        };
        let asks = [Ask {
            place,
            limit: &LIMIT,
        }];
        let now = Mono(random() >> 4);
        let granted = (0..20).filter(|_| table.take(now, &asks).is_ok()).count();
        assert!(granted <= 5, "{granted}");
        let _ = table.peek(now, &asks[0]);
    }
}

#[test]
fn a_hint_is_believed_only_where_it_is_right() {
    let hint = Hint::default();
    let wide = Table::private(64, [5, 9]).expect("a table");
    wide.grow().expect("grown");
    // The last slot of all: a table without that segment must not look there.
    let last = (0..).map(identity).find(|it| {
        let place = wide.place(*it).expect("a place");
        place.0 > HEADER_WORDS + 64 * SLOT_WORDS
    });
    let last = last.expect("some lie in the second segment");
    let place = wide.place_hinted(last, &hint);
    assert_eq!(place, wide.known_place(last));
    assert_eq!(wide.place_hinted(last, &hint), place, "by the hint");
    let (first, _) = marks(last);
    assert_ne!(first, 0);
    let narrow = Table::private(64, [6, 9]).expect("a table");
    let there = narrow.place_hinted(last, &hint).expect("a place");
    assert!(
        there.0 < HEADER_WORDS + 64 * SLOT_WORDS,
        "a place of its own"
    );
    assert_eq!(narrow.known_place(last), Some(there));
    let other = identity(1_000_000);
    let elsewhere = narrow.place_hinted(other, &hint);
    assert_eq!(
        elsewhere,
        narrow.known_place(other),
        "another identity's hint"
    );
    assert_ne!(elsewhere, Some(there));
}
