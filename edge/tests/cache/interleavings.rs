//! Every interleaving of the steps that make the cache's file safe to share.
//!
//! The source under test is the shipped `cache/protocol.rs`, here over the checker's atomics. Data
//! words stand for a record's bytes: they are read and written relaxed, so that nothing but the
//! protocol orders them. State words and slots carry a generation as the real ones do.

use loom::{model::Builder, sync::Arc, thread};

#[path = "../../src/cache/protocol.rs"]
mod protocol;
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

use sync::{AtomicU32, AtomicU64, Ordering};

/// States of a segment: a code and a generation.
const FREE: u64 = 0;
const ACTIVE: u64 = 1;
const SEALED: u64 = 2;
const CONDEMNED: u64 = 3;

fn state(code: u64, generation: u64) -> u64 {
    code | generation << 8
}

fn is_readable(word: u64, generation: u64) -> bool {
    matches!(word & 0xff, ACTIVE | SEALED) && word >> 8 == generation
}

/// What a record of this generation has in all its words.
fn value(generation: u64) -> u64 {
    1000 + generation
}

/// One segment with one record, one slot, and the pins of two owners.
struct World {
    state: AtomicU64,
    slot: AtomicU64,
    header: AtomicU64,
    data: [AtomicU64; 2],
    pins: [AtomicU32; 2],
    cursor: AtomicU64,
}

impl World {
    /// A sealed segment of generation 1, its record published.
    fn published() -> Arc<World> {
        Arc::new(World {
            state: AtomicU64::new(state(SEALED, 1)),
            slot: AtomicU64::new(1),
            header: AtomicU64::new(value(1)),
            data: [AtomicU64::new(value(1)), AtomicU64::new(value(1))],
            pins: [AtomicU32::new(0), AtomicU32::new(0)],
            cursor: AtomicU64::new(0),
        })
    }

    /// What a reader sees of the record that the slot leads to.
    fn read(&self, owner: usize) -> Option<[u64; 3]> {
        let generation = protocol::observe(&self.slot);
        if generation == 0 {
            return None;
        }
        self.read_left_behind(owner, generation)
    }

    /// The same with a slot read long before.
    fn read_left_behind(&self, owner: usize, generation: u64) -> Option<[u64; 3]> {
        let word = protocol::pin(&self.pins[owner], &self.state);
        let mut seen = None;
        let header = self.header.load(Ordering::Relaxed);
        protocol::header_read();
        if is_readable(word, generation) && header == value(generation) {
            let [first, second] = &self.data;
            seen = Some([
                generation,
                first.load(Ordering::Relaxed),
                second.load(Ordering::Relaxed),
            ]);
        }
        protocol::unpin(&self.pins[owner]);
        seen
    }

    /// Gives the segment up; true when it may be written.
    fn reclaim(&self) -> bool {
        assert!(protocol::withdraw(
            &self.state,
            state(SEALED, 1),
            state(CONDEMNED, 1)
        ));
        protocol::is_quiet(self.pins.iter())
    }

    /// Uses it anew: a record of generation 2.
    fn write_anew(&self) {
        protocol::restate(&self.state, state(FREE, 1));
        protocol::restate(&self.state, state(ACTIVE, 2));
        for word in &self.data {
            word.store(value(2), Ordering::Relaxed);
        }
        protocol::payload_written();
        self.header.store(value(2), Ordering::Relaxed);
    }
}

fn assert_whole(seen: Option<[u64; 3]>) {
    if let Some([generation, first, second]) = seen {
        assert_eq!([first, second], [value(generation); 2], "torn");
    }
}

fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(scenario);
}

#[test]
fn a_pinned_record_stays_as_it_was_published() {
    explore(|| {
        let world = World::published();
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || assert_whole(world.read(0)))
        };
        assert!(protocol::publish(&world.slot, 1, 0));
        if world.reclaim() {
            world.write_anew();
            assert!(protocol::publish(&world.slot, 0, 2));
        }
        reader.join().expect("no panic");
    });
}

#[test]
fn two_readers_and_a_slot_left_behind() {
    explore(|| {
        let world = World::published();
        let readers = [0, 1].map(|owner| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // One follows the slot, one an old copy of it into whatever is there now.
                let seen = match owner {
                    0 => world.read(owner),
                    _ => world.read_left_behind(owner, 2),
                };
                assert_whole(seen);
            })
        });
        // Wholly out of date: the slot is not even emptied.
        if world.reclaim() {
            world.write_anew();
        }
        for reader in readers {
            reader.join().expect("no panic");
        }
    });
}

#[test]
fn a_segment_parked_for_a_reader_is_free_when_it_left() {
    explore(|| {
        let world = World::published();
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || assert_whole(world.read(0)))
        };
        let is_free = world.reclaim();
        if is_free {
            world.write_anew();
        }
        reader.join().expect("no panic");
        if !is_free {
            assert!(
                protocol::is_quiet(world.pins.iter()),
                "a pin was lost or left"
            );
        }
    });
}

#[test]
fn a_slow_writer_keeps_its_segment() {
    explore(|| {
        let world = World::published();
        protocol::restate(&world.state, state(ACTIVE, 1));
        let writer = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let word = protocol::pin(&world.pins[0], &world.state);
                if word == state(ACTIVE, 1) && protocol::reserve(&world.cursor, 8, 16).is_some() {
                    // The room is ours while we have the pin.
                    world.data[0].store(77, Ordering::Relaxed);
                    assert_eq!(world.data[0].load(Ordering::Relaxed), 77, "written over");
                }
                protocol::unpin(&world.pins[0]);
            })
        };
        assert!(protocol::publish(
            &world.state,
            state(ACTIVE, 1),
            state(SEALED, 1)
        ));
        if world.reclaim() {
            world.write_anew();
            assert_eq!(
                world.data[0].load(Ordering::Relaxed),
                value(2),
                "written late"
            );
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn room_is_given_once() {
    explore(|| {
        let cursor = Arc::new(AtomicU64::new(0));
        let take = |cursor: &AtomicU64| protocol::reserve(cursor, 24, 64);
        let writers = [0, 1].map(|_| {
            let cursor = Arc::clone(&cursor);
            thread::spawn(move || take(&cursor))
        });
        let mut starts = vec![take(&cursor)];
        starts.extend(writers.map(|writer| writer.join().expect("no panic")));
        starts.sort_unstable();
        assert_eq!(starts, [None, Some(0), Some(24)], "two fit, and only two");
        assert_eq!(
            protocol::reserve(&cursor, 16, 64),
            Some(48),
            "what is left stays for a smaller one"
        );
    });
}

#[test]
fn who_reads_a_slot_sees_what_was_written_before() {
    explore(|| {
        let world = World::published();
        let writer = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.data[0].store(55, Ordering::Relaxed);
                assert!(protocol::publish(&world.slot, 1, 2));
            })
        };
        if protocol::observe(&world.slot) == 2 {
            assert_eq!(world.data[0].load(Ordering::Relaxed), 55);
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn a_segment_used_anew_is_filled_from_its_beginning() {
    explore(|| {
        let world = World::published();
        world.cursor.store(900, Ordering::Relaxed); // full
        let writer = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let word = protocol::pin(&world.pins[0], &world.state);
                if word == state(ACTIVE, 2) {
                    assert_eq!(protocol::reserve(&world.cursor, 8, 16), Some(0));
                }
                protocol::unpin(&world.pins[0]);
            })
        };
        if world.reclaim() {
            world.cursor.store(0, Ordering::Relaxed);
            protocol::restate(&world.state, state(ACTIVE, 2));
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn one_of_two_writers_has_the_slot() {
    explore(|| {
        let world = World::published();
        let writers = [10, 20].map(|new| {
            let world = Arc::clone(&world);
            thread::spawn(move || protocol::publish(&world.slot, 1, new))
        });
        let won = writers.map(|writer| writer.join().expect("no panic"));
        assert_ne!(won[0], won[1]);
        let expected = if won[0] { 10 } else { 20 };
        assert_eq!(protocol::observe(&world.slot), expected);
    });
}

#[test]
fn a_key_published_twice_is_left_once() {
    explore(|| {
        let slots = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let writers = [0, 1].map(|own: usize| {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                assert!(protocol::publish(&slots[own], 0, 5));
                protocol::look_around();
                let other = 1 - own;
                if protocol::observe(&slots[other]) == 5 {
                    protocol::publish(&slots[own.max(other)], 5, 0); // the earlier one stays
                }
            })
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        assert_eq!(slots.each_ref().map(protocol::observe), [5, 0]);
    });
}
