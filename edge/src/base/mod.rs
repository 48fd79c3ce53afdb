//! Level 0: time, randomness, bounded queues, counters, memory maps, Base64, text.

pub mod base64;
pub mod prng;
pub mod shm;
pub mod text;
pub mod time;
