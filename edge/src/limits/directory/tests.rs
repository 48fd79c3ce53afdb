//! The directory against a list that is searched.

use super::*;
use crate::limits::quota::Period;

fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

fn plan(name: &str, stages: &[&str]) -> PlanRecord {
    PlanRecord {
        id: id(name),
        throttle: Some(Rate::new(50.0, 100).expect("a rate")),
        quota: Quota::new(5_000, 0, Period::Month),
        stages: stages
            .iter()
            .map(|stage| PlanStage {
                api: "a1".to_owned(),
                stage: (*stage).to_owned(),
                methods: vec![MethodRate {
                    verb: "GET".to_owned(),
                    path: "/pets".to_owned(),
                    rate: Rate::new(1.0, 2).expect("a rate"),
                }],
            })
            .collect(),
    }
}

fn value(number: u32) -> Vec<u8> {
    format!("value-of-key-number-{number:020}").into_bytes()
}

fn key(hasher: &KeyHasher, number: u32, plans: &[&str]) -> KeyRecord {
    KeyRecord {
        id: id(&format!("k{number}")),
        tag: hasher.tag(&value(number)).expect("a tag"),
        enabled: !number.is_multiple_of(7),
        plans: plans.iter().map(|plan| id(plan)).collect(),
    }
}

fn hasher() -> KeyHasher {
    KeyHasher::new(b"the store's own.")
}

#[test]
fn every_key_is_found_with_its_plan_and_no_other_is() {
    let hasher = hasher();
    let plans = [plan("gold", &["dev", "prod"]), plan("free", &["beta"])];
    let names: [&[&str]; 4] = [&["gold"], &["free"], &["gold", "free"], &[]];
    let keys = (0..20_000).map(|n| key(&hasher, n, names[n as usize % 4]));
    let directory = Directory::build(hasher.clone(), &plans, keys).expect("a directory");
    assert_eq!(directory.keys_count(), 20_000);
    assert!(
        directory.key_bytes() <= 20_000 * 40 + SHARDS * 128,
        "{}",
        directory.key_bytes()
    );
    for number in 0..20_000 {
        let found = directory.find(&value(number)).expect("found");
        assert_eq!(
            (found.id, found.enabled),
            (id(&format!("k{number}")), !number.is_multiple_of(7))
        );
        for (stage, owner) in [
            ("dev", "gold"),
            ("prod", "gold"),
            ("beta", "free"),
            ("none", ""),
        ] {
            let expected = names[number as usize % 4]
                .contains(&owner)
                .then(|| id(owner));
            let got = found.plan(stage_tag("a1", stage)).map(|plan| plan.0.id);
            assert_eq!(got, expected, "{number} {stage}");
        }
        assert!(directory.find(&value(number + 20_000)).is_none());
    }
    assert!(directory.find(b"").is_none());
    assert!(Directory::empty().find(&value(1)).is_none());
}

#[test]
fn limits_of_methods_are_found_by_verb_and_path() {
    let hasher = hasher();
    let keys = [key(&hasher, 1, &["gold"])];
    let directory = Directory::build(hasher, &[plan("gold", &["dev"])], keys).expect("a directory");
    let found = directory.find(&value(1)).expect("found");
    let (plan, stage) = found.plan(stage_tag("a1", "dev")).expect("a plan");
    let (limit, _) = stage
        .method_limit(method_tag("GET", "/pets"), found.id)
        .expect("one");
    assert_eq!(limit.rate.burst, 2);
    assert!(
        stage
            .method_limit(method_tag("PUT", "/pets"), found.id)
            .is_none()
    );
    assert!(plan.limit.is_some_and(|limit| limit.rate.burst == 100));
}

#[test]
fn changes_of_keys_and_plans_make_new_directories() {
    let hasher = hasher();
    let plans = [plan("gold", &["dev"])];
    let keys = (0..1000).map(|n| key(&hasher, n, &["gold"]));
    let first = Directory::build(hasher.clone(), &plans, keys).expect("a directory");
    let mut switched = key(&hasher, 7, &[]);
    switched.enabled = true;
    let moved = KeyRecord {
        tag: hasher.tag(&value(5_000)).expect("a tag"),
        ..key(&hasher, 8, &["gold"])
    };
    let gone = [
        hasher.tag(&value(8)).expect("a tag"),
        hasher.tag(&value(9)).expect("a tag"),
    ];
    let second = first.with_keys(&[switched, moved], &gone).expect("changed");
    assert_eq!(second.keys_count(), 999);
    assert!(second.find(&value(7)).is_some_and(|found| found.enabled));
    assert!(
        second
            .find(&value(5_000))
            .is_some_and(|found| found.id == id("k8"))
    );
    assert!(second.find(&value(8)).is_none() && second.find(&value(9)).is_none());
    assert!(
        first.find(&value(9)).is_some(),
        "who pins the old one sees the old one"
    );
    for number in 10..1000 {
        assert!(second.find(&value(number)).is_some(), "{number}");
    }
    let dev = stage_tag("a1", "dev");
    let third = second
        .with_plans(&[plan("free", &["dev"])])
        .expect("changed");
    let found = third.find(&value(10)).expect("found");
    assert!(found.plan(dev).is_none(), "its plan is gone");
    let fourth = third.with_plans(&plans).expect("changed");
    let found = fourth.find(&value(10)).expect("found");
    assert_eq!(
        found.plan(dev).map(|plan| plan.0.id),
        Some(id("gold")),
        "and back"
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let hasher = hasher();
    let build = |plans: &[PlanRecord], keys: Vec<KeyRecord>| {
        Directory::build(hasher.clone(), plans, keys).map(|_| ())
    };
    let gold = plan("gold", &["dev"]);
    let mut twin = key(&hasher, 1, &[]);
    twin.id = id("twin");
    let many: Vec<PlanRecord> = (0..11).map(|n| plan(&format!("p{n}"), &[])).collect();
    let mut crowd = key(&hasher, 1, &[]);
    crowd.plans = many.iter().map(|plan| plan.id).collect();
    let slow = PlanRecord {
        throttle: Some(Rate {
            micro_per_s: 1,
            burst: 1_000_000,
        }),
        ..gold.clone()
    };
    let rows = [
        (
            build(&[], vec![key(&hasher, 1, &[]), twin]),
            DirectoryFault::SameValue(id("k1"), id("twin")),
        ),
        (
            build(&[gold.clone(), gold.clone()], vec![]),
            DirectoryFault::SamePlan(id("gold")),
        ),
        (
            build(&[], vec![key(&hasher, 1, &["gold"])]),
            DirectoryFault::NoPlan {
                key: id("k1"),
                plan: id("gold"),
            },
        ),
        (
            build(
                &[gold.clone(), plan("free", &["dev"])],
                vec![key(&hasher, 1, &["gold", "free"])],
            ),
            DirectoryFault::TwoPlans {
                key: id("k1"),
                first: id("gold"),
                second: id("free"),
            },
        ),
        (
            build(&many, vec![crowd]),
            DirectoryFault::ManyPlans(id("k1")),
        ),
        (
            build(&[slow], vec![]),
            DirectoryFault::Rate {
                plan: id("gold"),
                fault: RateFault::Slow,
            },
        ),
    ];
    for (given, expected) in rows {
        assert_eq!(given, Err(expected));
    }
}

/// A look-up is given a tag and nothing else, so nothing of a value can steer it.
const _: fn(&Shard, Tag) -> Option<&Place> = Shard::find;

/// Places that a look-up of `value` compares.
fn places_compared(directory: &Directory, value: &[u8]) -> usize {
    let tag = directory.hasher.tag(value).expect("a tag");
    let places = &directory.shards[shard_of(tag)].places;
    let from = home(tag, places.len());
    let order = places[from..].iter().chain(&places[..from]);
    let before = order.take_while(|place| place.id.is_some() && !place.tag.equals(tag));
    before.count() + 1
}

/// How much of a guess is right changes neither where a look-up goes nor how long it is.
#[test]
fn the_right_beginning_of_a_value_does_not_show() {
    let hasher = KeyHasher::new(&[1; 16]);
    let secret = b"the-value-that-somebody-wants-to-guess-0";
    let record = |number: u32, value: &[u8]| KeyRecord {
        id: id(&format!("k{number}")),
        tag: hasher.tag(value).expect("a tag"),
        enabled: true,
        plans: Vec::new(),
    };
    let others = (0..20_000_u32).map(|number| record(number, &value(number)));
    let keys = others.chain([record(99_999, secret)]);
    let directory = Directory::build(hasher.clone(), &[], keys).expect("built");
    assert!(directory.find(secret).is_some());
    let guesses = 400;
    let mut prng = crate::base::prng::Prng::new(5);
    let mut means = Vec::new();
    for right in 0..secret.len() {
        let (mut all, mut shards) = (0, std::collections::BTreeSet::new());
        for number in 0..guesses {
            let mut guess = *secret;
            for byte in guess.iter_mut().skip(right) {
                let off = u8::try_from(1 + prng.below(250)).expect("small");
                *byte = byte.wrapping_add(off); // wrong from here on
            }
            assert!(directory.find(&guess).is_none(), "{right} {number}");
            all += places_compared(&directory, &guess);
            shards.insert(shard_of(hasher.tag(&guess).expect("a tag")));
        }
        means.push(all as f64 / f64::from(guesses));
        assert!(
            shards.len() >= 100,
            "{right}: all in {} shards",
            shards.len()
        );
    }
    let (first, last) = means.split_at(means.len() / 2);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let ratio = mean(first) / mean(last);
    assert!((0.8..1.25).contains(&ratio), "{first:?} {last:?}");
}
