//! Throttles and quotas: that their bounds are exact, whoever shares them.

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../common/documents.rs"]
mod documents;
mod interleavings;
mod seeds;
mod table;
mod workers;
