//! What the tests of the running binary share.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod origin;
pub(crate) mod scripted;
