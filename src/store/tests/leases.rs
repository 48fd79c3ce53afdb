//! Leases and what is known of their use.

use proptest::prelude::*;

use super::*;
use crate::store::{
    lease::{Grant, Spent, Wanted, lease_size},
    period::{DAY_MS, day_at},
    usage::ReportOf,
};

/// Everything that is out is lost; gives how much that is.
fn write_off(store: &mut Store) -> u64 {
    let out = store.outstanding().expect("a list");
    store.write_off(&out).expect("written off");
    assert_eq!(store.outstanding().expect("a list"), []);
    out.iter().map(|out| out.count).sum()
}

fn wanted<'a>(plan: &'a str, key: &'a str) -> Wanted<'a> {
    Wanted { plan, key }
}

fn granted(store: &mut Store, plan: &str, key: &str, now: Wall) -> u64 {
    match store.grant(&[wanted(plan, key)], now).expect("granted")[..] {
        [Grant::Lease { count, .. }] => count,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn leases_are_bounded_and_end_with_their_window() {
    let rows = [
        (0, 1),
        (1, 1),
        (99, 1),
        (200, 2),
        (5_000, 50),
        (100_000, 1000),
        (1 << 40, 1000),
    ];
    for (limit, expected) in rows {
        assert_eq!(lease_size(limit), expected, "{limit}");
    }
    let (_folder, mut store) = fresh();
    let id = key(&mut store, "n");
    let free = plan(&mut store, &[], None);
    let three = plan(&mut store, &[], Some((3, "DAY")));
    let many = plan(&mut store, &[], Some((250, "MONTH")));
    let all = [wanted(&free, &id), wanted("nobody", &id)];
    assert_eq!(
        store.grant(&all, NOON).expect("answered"),
        [Grant::Unlimited, Grant::NoPlan]
    );
    let day: Vec<u64> = (0..5)
        .map(|_| granted(&mut store, &three, &id, NOON))
        .collect();
    assert_eq!(day, [1, 1, 1, 0, 0]);
    assert_eq!(
        granted(&mut store, &three, &id, Wall(NOON.0 + DAY_MS)),
        1,
        "a new day"
    );
    let month: Vec<u64> = (0..126)
        .map(|_| granted(&mut store, &many, &id, NOON))
        .collect();
    assert_eq!((month[0], month.iter().sum()), (2, 250_u64));
    let back = store
        .give_back(wanted(&many, &id), month_of(NOON), 7)
        .expect("taken back");
    assert_eq!(back, 7);
    assert_eq!(
        (0..9)
            .map(|_| granted(&mut store, &many, &id, NOON))
            .sum::<u64>(),
        7
    );
    let back = store
        .give_back(wanted(&many, &id), month_of(NOON), 1_000)
        .expect("taken back");
    assert_eq!(back, 250, "never more than is out");
    let change = QuotaChange {
        limit: Some(10),
        ..QuotaChange::default()
    };
    store
        .update_plan(&many, &[PlanChange::Quota(change)])
        .expect("changed");
    assert_eq!(
        granted(&mut store, &many, &id, NOON),
        1,
        "a smaller quota counts at once"
    );
}

fn month_of(now: Wall) -> u32 {
    let quota = tidegate_edge::limits::Quota::new(1, 0, tidegate_edge::limits::Period::Month);
    quota.expect("a quota").window(now)
}

#[test]
fn reports_have_a_pair_a_day_and_extensions_count() {
    let (_folder, mut store) = fresh();
    let (id, other) = (key(&mut store, "n"), key(&mut store, "o"));
    let plan = plan(&mut store, &[], Some((5_000, "MONTH")));
    store.attach_key(&plan, &id).expect("attached");
    store.attach_key(&plan, &other).expect("attached");
    let month = month_of(NOON);
    let mut out = 0;
    while out < 123 {
        out += granted(&mut store, &plan, &id, NOON);
    }
    let spent = |day: i64, used| Spent {
        plan: plan.clone(),
        key: id.clone(),
        day: day_at(NOON) + day,
        used,
        lease: Some(month),
    };
    store
        .settle(&[spent(0, 100), spent(0, 20), spent(2, 3)])
        .expect("settled");
    let of = |start: &str, end: &str, key: Option<&str>| ReportOf {
        plan: plan.clone(),
        start: start.to_owned(),
        end: end.to_owned(),
        key: key.map(str::to_owned),
    };
    let values = |store: &Store, of: &ReportOf| {
        store.report(of).expect("a report").json()["values"].to_string()
    };
    let april = of("2025-04-01", "2025-04-03", None);
    let expected = format!("{{\"{id}\":[[120,4880],[0,4880],[3,4877]]}}");
    assert_eq!(values(&store, &april), expected);
    assert_eq!(
        values(&store, &of("2025-03-31", "2025-04-01", Some(&other))),
        format!("{{\"{other}\":[[0,5000],[0,5000]]}}")
    );
    // What was out at a crash is lost, and the report says so.
    assert_eq!(write_off(&mut store), 27);
    let expected = format!("{{\"{id}\":[[120,4853],[0,4853],[3,4850]]}}");
    assert_eq!(values(&store, &april), expected);
    assert_eq!(
        store.extend(wanted(&plan, &id), 500, NOON).expect("set"),
        500
    );
    let expected = format!("{{\"{id}\":[[120,503],[0,503],[3,500]]}}");
    assert_eq!(values(&store, &april), expected);
    let mut got = 0;
    loop {
        match granted(&mut store, &plan, &id, NOON) {
            0 => break,
            count => got += count,
        }
    }
    assert_eq!(got, 500);
    assert_eq!(
        store.extend(wanted(&plan, &id), 7, NOON).expect("set"),
        500,
        "what is out stays"
    );
    for (of, status) in [
        (of("2025-04-02", "2025-04-01", None), 400),
        (of("2025-01-01", "2025-04-02", None), 400),
        (of("2025-04", "2025-04-02", None), 400),
        (of("2025-04-01", "2025-04-02", Some("nobody")), 404),
        (
            ReportOf {
                plan: "none".to_owned(),
                ..april.clone()
            },
            404,
        ),
    ] {
        assert_eq!(said(store.report(&of)).0, status, "{of:?}");
    }
    assert!(
        store.report(&of("2025-01-01", "2025-04-01", None)).is_ok(),
        "90 days apart"
    );
}

/// What happens to a quota.
#[derive(Clone, Copy, Debug)]
enum Event {
    Spend(u64),
    Checkpoint,
    Crash,
    Stop,
    Day,
    Extend(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1..40u64).prop_map(Event::Spend),
        2 => Just(Event::Checkpoint),
        1 => Just(Event::Crash),
        1 => Just(Event::Stop),
        1 => Just(Event::Day),
        1 => (0..300u64).prop_map(Event::Extend),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens, nobody spends more than the quota, and a crash costs one lease at most.
    #[test]
    fn nobody_spends_more_than_there_is(limit in 1..600u64, events in events()) {
        let (_folder, mut store) = fresh();
        let id = key(&mut store, "n");
        let plan = plan(&mut store, &[], Some((limit, "DAY")));
        store.attach_key(&plan, &id).expect("attached");
        let of = wanted(&plan, &id);
        // Of the window: spent, lost, and what may be spent in all; in memory: lease, not settled.
        let (mut spent, mut lost, mut total) = (0, 0, limit);
        let (mut lease, mut unsettled, mut now) = (0, 0, NOON);
        // Left of leases whose window is over; nobody can spend it.
        let mut stale = 0;
        let number = |now: Wall| u32::try_from(day_at(now)).expect("small");
        let settle = |store: &mut Store, unsettled: &mut u64, now: Wall| {
            let spent = Spent {
                plan: plan.clone(), key: id.clone(), day: day_at(now),
                used: std::mem::take(unsettled), lease: Some(number(now)),
            };
            store.settle(&[spent]).expect("settled");
        };
        for event in events {
            match event {
                Event::Spend(count) => for _ in 0..count {
                    if lease == 0 {
                        lease = granted(&mut store, &plan, &id, now);
                        prop_assert!(lease <= lease_size(total));
                    }
                    if lease > 0 {
                        lease -= 1;
                        spent += 1;
                        unsettled += 1;
                    }
                    prop_assert!(spent + lost <= total);
                },
                Event::Checkpoint => settle(&mut store, &mut unsettled, now),
                Event::Crash => {
                    let gone = write_off(&mut store);
                    prop_assert_eq!(gone, lease + unsettled + stale, "what was not written down");
                    stale = 0;
                    lost += lease;
                    (lease, unsettled) = (0, 0);
                    store = again(store);
                }
                Event::Stop => {
                    settle(&mut store, &mut unsettled, now);
                    let back = store.give_back(of, number(now), lease).expect("taken back");
                    prop_assert_eq!(back, std::mem::take(&mut lease));
                    prop_assert_eq!(write_off(&mut store), std::mem::take(&mut stale));
                    store = again(store);
                }
                Event::Day => {
                    settle(&mut store, &mut unsettled, now);
                    now = Wall(now.0 + DAY_MS);
                    stale += lease;
                    (spent, lost, lease, total) = (0, 0, 0, limit);
                }
                Event::Extend(remaining) => {
                    settle(&mut store, &mut unsettled, now);
                    let left = store.extend(of, remaining, now).expect("set");
                    prop_assert_eq!(left, remaining.max(lease));
                    total = spent + lost + left;
                }
            }
        }
        // All that is left can be spent.
        let mut rest = lease;
        loop {
            match granted(&mut store, &plan, &id, now) {
                0 => break,
                count => rest += count,
            }
        }
        prop_assert_eq!(spent + lost + rest, total);
    }
}
