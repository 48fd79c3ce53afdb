//! Level 3: the shared-memory response cache.
//!
//! A [`Store`] is one file, mapped by every process that uses it; a core works with it through an
//! [`Owner`]: bytes in by [`Owner::insert`], bytes out by [`Owner::lookup`] as a [`Hit`] that stays
//! as it is while it lives. Policies decide above what is stored, under which key and for how long.
//!
//! From the bottom: `region` is the bytes, `geometry` divides them, `header` says whose they
//! are. `slot`, `record`, `segment` are the words in them, `protocol` the steps on those
//! words that make sharing safe. `find` and `hit` read, `insert` and `shard` write,
//! `reclaim` with `ghost` makes room, `life` knows who is alive. [`http`] has the rules by
//! which answers are stored and given.

pub mod collapse;
mod crash;
mod fault;
mod find;
mod geometry;
mod ghost;
mod header;
mod hit;
pub mod http;
mod insert;
pub mod key_file;
mod life;
mod namespace;
mod owner;
mod protocol;
mod reclaim;
mod record;
mod region;
mod seal;
mod segment;
mod shard;
mod slot;
mod stats;
mod store;
mod sync;
mod verified;
mod walk;

pub use crash::{CrashPlan, CrashPoint};
pub use fault::{InsertFault, StoreFault};
pub use geometry::{
    CAPACITY_BYTES_MAX, CAPACITY_BYTES_MIN, GeometryFault, OBJECT_BYTES_MAX, OWNERS_MAX,
};
pub use hit::Hit;
pub use insert::Insert;
pub use namespace::{Generation, Namespace};
pub use owner::{KeyHash, Owner};
pub use record::{BODY_BYTES_MAX, KEY_BYTES_MAX, META_BYTES_MAX};
pub use stats::Stats;
pub use store::{OBJECT_BYTES_MAX_DEFAULT, OBJECT_BYTES_MEAN_DEFAULT, Store, StoreOptions};
pub use walk::{Entry, Proof, Walk};
