//! The running gateway in the hands of an operator: reload, upgrade, drain, overload, systemd.
//!
//! Shape: one module a procedure, over the binary in a folder of its own. No program that a test
//! starts was written by this process: while another test's child is not yet the program that it
//! will be, it holds every open file, and a program that is open for writing cannot be started.

#[path = "../common/mod.rs"]
mod common;
mod drain;
mod overload;
mod reload;
#[path = "../running/mod.rs"]
mod running;
mod safe_start;
mod systemd;
mod trial;
mod upgrade;
