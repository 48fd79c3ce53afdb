//! Level 0: time, randomness, bounded queues, counters, memory maps.

pub mod prng;
pub mod shm;
pub mod time;
