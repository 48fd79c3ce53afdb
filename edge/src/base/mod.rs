//! Level 0: time, randomness, bounded queues, counters, memory maps, Base64.

pub mod base64;
pub mod prng;
pub mod shm;
pub mod time;
