//! The store against a slow obvious model: a hash map and a clock.
//!
//! A hit must be exactly what the model holds; a miss is always allowed, so how many there are is
//! checked apart: where everything fits, nothing is missing.

use std::collections::HashMap;

use proptest::prelude::*;
use tidegate_edge::cache::{InsertFault, Owner, Walk};

use crate::shelf::{PLACE, START_S, Shelf, get, key, object, put, read};

const MIB: u64 = 1 << 20;

#[derive(Clone, Debug)]
enum Op {
    Put {
        number: u64,
        keep_s: u32,
    },
    Get {
        number: u64,
    },
    Remove {
        number: u64,
    },
    Flush,
    Purge {
        rest: u64,
    },
    Wait {
        seconds: u32,
    },
    /// The process ends, another one opens the region.
    Reopen,
}

fn op(keys: u64) -> impl Strategy<Value = Op> {
    prop_oneof![
        500 => (0..keys, 1..200u32).prop_map(|(number, keep_s)| Op::Put { number, keep_s }),
        500 => (0..keys).prop_map(|number| Op::Get { number }),
        50 => (0..keys).prop_map(|number| Op::Remove { number }),
        30 => (1..20u32).prop_map(|seconds| Op::Wait { seconds }),
        2 => Just(Op::Flush),
        3 => (0..7u64).prop_map(|rest| Op::Purge { rest }),
        2 => Just(Op::Reopen),
    ]
}

/// What the store should hold: a version and its end, for each key.
#[derive(Default)]
struct Model {
    objects: HashMap<u64, (u64, u32)>,
    versions: u64,
    now_s: u32,
    lookups_of_live: u64,
    hits: u64,
}

impl Model {
    fn live(&self, number: u64) -> Option<u64> {
        let (version, keep_until_s) = *self.objects.get(&number)?;
        (keep_until_s > self.now_s).then_some(version)
    }

    fn play(&mut self, shelf: &Shelf, owner: &mut Owner, body_max: u64, op: &Op) {
        match *op {
            Op::Put { number, keep_s } => {
                self.versions += 1;
                let object = object(number, self.versions, body_max);
                match put(owner, number, &object, self.now_s, keep_s) {
                    Ok(()) => {
                        let entry = (self.versions, self.now_s + keep_s);
                        self.objects.insert(number, entry);
                    }
                    Err(fault) => assert_eq!(fault, InsertFault::Full),
                }
            }
            Op::Get { number } => {
                let live = self.live(number);
                self.lookups_of_live += u64::from(live.is_some());
                if let Some(hit) = get(owner, number, self.now_s) {
                    let version = live.expect("an object that is over was found");
                    assert!(read(&hit) == object(number, version, body_max), "{number}");
                    self.hits += 1;
                }
            }
            Op::Remove { number } => {
                owner.remove(PLACE, &key(number));
                self.objects.remove(&number);
            }
            Op::Flush => {
                owner.store().flush(PLACE);
                self.objects.clear();
            }
            Op::Purge { rest } => {
                let number_of = |meta: &[u8]| {
                    let bytes = meta.last_chunk().expect("a meta of ours");
                    u64::from_le_bytes(*bytes)
                };
                let mut walk = Walk::default();
                while owner.purge(&mut walk, 16, |_, _, meta| number_of(meta) % 7 == rest) {}
                self.objects.retain(|number, _| number % 7 != rest);
            }
            Op::Wait { seconds } => self.now_s += seconds,
            Op::Reopen => {
                let other = shelf.open().owner().expect("an owner");
                drop(std::mem::replace(owner, other));
                drop(shelf.open());
                *owner = shelf.open().owner().expect("an owner");
            }
        }
    }
}

fn run(shelf: &Shelf, body_max: u64, ops: &[Op]) -> Model {
    let mut owner = shelf.open().owner().expect("an owner");
    let mut model = Model {
        now_s: START_S,
        ..Model::default()
    };
    for op in ops {
        model.play(shelf, &mut owner, body_max, op);
    }
    let proof = owner.verify();
    assert_eq!(proof.damaged, 0);
    model
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn hits_are_exact_where_all_fits(ops in prop::collection::vec(op(80), 1..3000)) {
        let shelf = Shelf::new(4 * MIB, 4 << 10);
        let model = run(&shelf, 2000, &ops);
        prop_assert_eq!(model.hits, model.lookups_of_live, "everything fits: nothing is missing");
    }

    #[test]
    fn hits_are_exact_where_little_fits(ops in prop::collection::vec(op(3000), 1..6000)) {
        let shelf = Shelf::new(MIB, 4 << 10);
        run(&shelf, 3000, &ops);
    }

    #[test]
    fn hits_are_exact_when_sealed(ops in prop::collection::vec(op(1000), 1..3000)) {
        let mut shelf = Shelf::new(MIB, 4 << 10);
        shelf.options.key = Some([3; 32]);
        run(&shelf, 3000, &ops);
    }
}

#[test]
fn what_is_asked_for_often_stays() {
    let shelf = Shelf::new(MIB, 4 << 10);
    let owner = shelf.open().owner().expect("an owner");
    let ask = |number, now_s| {
        let found = get(&owner, number, now_s).is_some();
        if !found {
            let object = object(number, 1, 1000);
            put(&owner, number, &object, now_s, 100_000).expect("stored");
        }
        found
    };
    let mut hits = 0;
    for round in 0..20_000u64 {
        hits += u32::from(ask(round % 100, START_S));
        ask(1000 + round * 3, START_S); // asked for once
        ask(1000 + round * 3 + 1, START_S);
    }
    assert!(
        hits > 19_000,
        "{hits} of 20000: one-time objects push out what is used"
    );
}
