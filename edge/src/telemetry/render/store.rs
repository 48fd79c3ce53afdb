//! The figures of the response cache's store in print.
//!
//! Shape: gauges of what is there, counters of what became of objects, both over all regions; then
//! for each region what tells whether it is too small. All processes that have a file open count
//! into it, and its counters live as long as it. Units: bytes, objects, segments.
//! Errors: none. Source: `cache::Stats`.

use super::{Family, head, sample, total};
use crate::cache::Stats;

/// Appends the families of the store, whose regions have names.
pub(super) fn render(out: &mut String, regions: &[(String, Stats)]) {
    let mut sum = Stats::default();
    for (_, stats) in regions {
        sum += *stats;
    }
    render_sums(out, &sum);
    render_regions(out, regions);
}

fn render_sums(out: &mut String, stats: &Stats) {
    let gauges = [
        (
            "tidegate_cache_capacity_bytes",
            "Size of the cache's files.",
            "bytes",
            stats.capacity_bytes,
        ),
        (
            "tidegate_cache_used_bytes",
            "Bytes of the cache's segments that are filled.",
            "bytes",
            stats.used_bytes,
        ),
        (
            "tidegate_cache_objects",
            "Objects in the cache, variants and notes included.",
            "",
            stats.objects,
        ),
    ];
    for (name, help, unit, value) in gauges {
        let family = Family::gauge(name, help);
        head(out, &Family { unit, ..family });
        sample(out, name, &[], value);
    }
    let counters = [
        (
            "tidegate_cache_stored",
            "Objects stored.",
            "",
            stats.inserts,
        ),
        (
            "tidegate_cache_stored_bytes",
            "Bytes of the objects stored.",
            "bytes",
            stats.inserted_bytes,
        ),
        (
            "tidegate_cache_refused",
            "Objects not stored: no room, no turn, or outdated on arrival.",
            "",
            stats.refused,
        ),
        (
            "tidegate_cache_removed",
            "Objects removed by key or by a purge.",
            "",
            stats.removed,
        ),
        (
            "tidegate_cache_damaged",
            "Records that were not what was written.",
            "",
            stats.damaged,
        ),
    ];
    for (name, help, unit, value) in counters {
        let family = Family::counter(name, help);
        head(out, &Family { unit, ..family });
        total(out, name, &[], value);
    }
    let evictions = Family::counter("tidegate_cache_evictions", "Objects evicted, by cause.");
    head(out, &evictions);
    for (cause, count) in stats.evictions() {
        total(out, evictions.name, &[("cause", cause)], count);
    }
}

fn render_regions(out: &mut String, regions: &[(String, Stats)]) {
    type Value = fn(&Stats) -> u64;
    let gauges: [(&'static str, &'static str, &'static str, Value); 3] = [
        (
            "tidegate_cache_region_capacity_bytes",
            "Size of one region's file.",
            "bytes",
            |stats| stats.capacity_bytes,
        ),
        (
            "tidegate_cache_region_used_bytes",
            "Bytes of one region's segments that are filled.",
            "bytes",
            |stats| stats.used_bytes,
        ),
        (
            "tidegate_cache_region_objects",
            "Objects in one region.",
            "",
            |stats| stats.objects,
        ),
    ];
    for (name, help, unit, value) in gauges {
        let family = Family::gauge(name, help);
        head(out, &Family { unit, ..family });
        for (region, stats) in regions {
            sample(out, name, &[("region", region)], value(stats));
        }
    }
    let evictions = Family::counter(
        "tidegate_cache_region_evictions",
        "Objects evicted from one region, whatever the cause.",
    );
    head(out, &evictions);
    for (region, stats) in regions {
        let count = stats.evictions().iter().map(|(_, count)| count).sum();
        total(out, evictions.name, &[("region", region)], count);
    }
}
