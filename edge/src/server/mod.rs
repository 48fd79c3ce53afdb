//! Level 10: accept, connection, worker, plan swap, drain.
//!
//! What it is: what a core does all day. [`worker`] is one core's tasks, [`connection`] one
//! client's life, [`admission`] who may connect, [`pressure`] how much a core can bear,
//! [`blueprint`] a plan with all that needs files, ready to be put on cores, [`regions`] its
//! response cache. Errors: per connection, they end it.

pub mod admission;
pub mod blueprint;
pub mod connection;
pub mod limits;
pub mod pressure;
pub mod regions;
pub mod worker;

pub use admission::Admission;
pub use blueprint::{Blueprint, BlueprintError, CacheSecrets, Keyring};
pub use limits::LimitsHome;
pub use pressure::HostLoad;
pub use regions::{SharedCache, left_files};
pub use worker::{Gauges, Leftover, Order, Worker};
