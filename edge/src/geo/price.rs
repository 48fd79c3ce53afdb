//! What things cost.
//!
//! What it is: a price file as people write it, and the bill it makes of what a deployment counted.
//! Shape: [`Prices`]; prices are input with a date, and nothing here knows any. Units: money per
//! million requests, per GB (10^9 bytes), per GB-second. Errors: unknown keys are refused by serde.
//! Source: the price file names its own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::result::{Cost, CostPart};

/// A price file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// When they were noted: `2025-11-01`.
    pub date: String,
    /// Where they are from.
    pub source: String,
    /// `USD`.
    pub currency: String,
    /// A million requests that the API answers in a region.
    pub region_per_million: f64,
    /// A million requests that edges answer.
    pub edge_per_million: f64,
    /// A GB from a region to clients.
    pub region_gb_out: f64,
    /// A GB from a region to edges.
    pub between_gb: f64,
    /// A GB from edges to clients, by the zone of the edge; `default` for the others.
    pub edge_gb_out: BTreeMap<String, f64>,
    /// A host of one's own edge tier for an hour.
    pub own_edge_hour: f64,
    /// A GB out of such a host.
    pub own_edge_gb_out: f64,
    /// A million calls of functions.
    pub function_per_million: f64,
    /// A function's GB of memory for a second.
    pub function_gb_s: f64,
}

/// What is paid for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Edges and tiers are one's own.
    pub(super) owns_edges: bool,
    pub(super) requests: u64,
    pub(super) at_edges: u64,
    pub(super) at_regions: u64,
    pub(super) region_bytes_out: u64,
    pub(super) bytes_between: u64,
    /// By zone.
    pub(super) edge_bytes_out: BTreeMap<String, u64>,
    /// Hosts times hours.
    pub(super) edge_hours: f64,
    pub(super) function_calls: u64,
    pub(super) function_gb_s: f64,
}

impl Prices {
    /// The bill.
    pub(super) fn bill(&self, usage: &Usage) -> Cost {
        let mut parts = Vec::new();
        let mut add = |what: &str, count: f64, unit: &str, price: f64| {
            if count > 0.0 {
                parts.push(CostPart {
                    what: what.to_owned(),
                    count,
                    unit: unit.to_owned(),
                    amount: count * price,
                });
            }
        };
        let millions = |count: u64| count as f64 / 1e6;
        let gb = |bytes: u64| bytes as f64 / 1e9;
        add(
            "API requests",
            millions(usage.at_regions),
            "million",
            self.region_per_million,
        );
        if !usage.owns_edges {
            add(
                "edge requests",
                millions(usage.at_edges),
                "million",
                self.edge_per_million,
            );
        }
        add(
            "out of regions",
            gb(usage.region_bytes_out),
            "GB",
            self.region_gb_out,
        );
        add(
            "regions to edges",
            gb(usage.bytes_between),
            "GB",
            if usage.owns_edges {
                self.region_gb_out
            } else {
                self.between_gb
            },
        );
        for (zone, bytes) in &usage.edge_bytes_out {
            let known = self.edge_gb_out.get(zone);
            let listed = known.or(self.edge_gb_out.get("default"));
            let price = if usage.owns_edges {
                self.own_edge_gb_out
            } else {
                listed.copied().unwrap_or(0.0)
            };
            let what = match zone.as_str() {
                "" => "out of edges".to_owned(),
                zone => format!("out of edges, {zone}"),
            };
            add(&what, gb(*bytes), "GB", price);
        }
        if usage.owns_edges {
            add("edge hosts", usage.edge_hours, "hour", self.own_edge_hour);
        }
        add(
            "function calls",
            millions(usage.function_calls),
            "million",
            self.function_per_million,
        );
        add(
            "function memory",
            usage.function_gb_s,
            "GB-second",
            self.function_gb_s,
        );
        let total = parts.iter().map(|part| part.amount).sum();
        Cost {
            total,
            per_million_requests: total / millions(usage.requests.max(1)),
            parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_the_sum_of_its_parts() {
        let prices = Prices {
            date: "2025-01-01".to_owned(),
            source: "a test".to_owned(),
            currency: "USD".to_owned(),
            region_per_million: 3.0,
            edge_per_million: 1.0,
            region_gb_out: 0.5,
            between_gb: 0.0,
            edge_gb_out: [("eu".to_owned(), 0.25), ("default".to_owned(), 2.0)].into(),
            own_edge_hour: 10.0,
            own_edge_gb_out: 0.125,
            function_per_million: 0.5,
            function_gb_s: 0.25,
        };
        let usage = Usage {
            owns_edges: false,
            requests: 2_000_000,
            at_edges: 2_000_000,
            at_regions: 1_000_000,
            region_bytes_out: 4_000_000_000,
            bytes_between: 1_000_000_000,
            edge_bytes_out: [
                ("eu".to_owned(), 4_000_000_000),
                ("x".to_owned(), 1_000_000_000),
            ]
            .into(),
            edge_hours: 3.0,
            function_calls: 1_000_000,
            function_gb_s: 8.0,
        };
        // 3 API, 2 edges, 2 out, 0 between, 1 eu, 2 elsewhere, 0.5 calls, 2 memory
        let bill = prices.bill(&usage);
        assert!((bill.total - 12.5).abs() < 1e-9, "{bill:?}");
        assert!((bill.per_million_requests - 6.25).abs() < 1e-9);
        // One's own: no edge requests, hosts instead, and what goes to them leaves the region.
        let own = prices.bill(&Usage {
            owns_edges: true,
            ..usage
        });
        // 3 + 2 + 0.5 between + 0.5 + 0.125 out + 30 hosts + 0.5 + 2
        assert!((own.total - 38.625).abs() < 1e-9, "{own:?}");
    }
}
