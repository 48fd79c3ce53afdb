//! Whole workers in a simulated world, from seeds.

mod cached;
#[path = "../common/seeds.rs"]
mod seeds;
mod worker;
