//! Which deployment to choose, in words.
//!
//! What it is: a rule that people can follow, and the paragraph that follows from it. Those who do
//! not serve everybody or fail more often are out; of the rest, all whose mean latency is near the
//! best are equal, and the cheapest of them is chosen. Shape: figures in, [`Advice`] out. Units:
//! milliseconds, money. Errors: none. Source: docs/simulator.md, "What it would choose".

use super::{
    result::{Advice, Deployment},
    scenario::Kind,
    setup::Setup,
};
use crate::base::text::counted;

/// Chooses among `deployments`, in the order of the scenario.
pub(super) fn advise(setup: &Setup, deployments: &[Deployment]) -> Advice {
    let gains_ms = gains(deployments);
    let Some(choice) = choose(deployments) else {
        return Advice {
            choice: Kind::Regional,
            text: "Nothing was simulated.".to_owned(),
            gains_ms,
        };
    };
    Advice {
        choice: deployments[choice].kind,
        text: text(setup, deployments, choice, &gains_ms[choice]),
        gains_ms,
    }
}

/// Of the requests, how many were not served as their clients may expect; limits apart.
fn failing(deployment: &Deployment) -> f64 {
    let seen = &deployment.overall;
    (seen.errors + seen.unreachable) as f64 / seen.requests.max(1) as f64
}

fn choose(deployments: &[Deployment]) -> Option<usize> {
    let least = deployments.iter().map(failing).min_by(f64::total_cmp)?;
    let serves = |deployment: &&(usize, &Deployment)| {
        failing(deployment.1) <= least * FAILING_FACTOR + FAILING_FREE
    };
    let all: Vec<(usize, &Deployment)> = deployments.iter().enumerate().collect();
    let good: Vec<_> = all.iter().filter(serves).collect();
    let mean = |row: &(usize, &Deployment)| row.1.overall.latency.mean_ms;
    let best = good.iter().map(|row| mean(row)).min_by(f64::total_cmp)?;
    let near = |row: &&&(usize, &Deployment)| mean(row) <= best * NEAR_FACTOR + NEAR_FREE_MS;
    let cost = |row: &(usize, &Deployment)| row.1.cost.per_million_requests;
    let chosen = good
        .iter()
        .filter(near)
        .min_by(|a, b| f64::total_cmp(&cost(a), &cost(b)))?;
    Some(chosen.0)
}

fn gains(deployments: &[Deployment]) -> Vec<Vec<f64>> {
    let Some(first) = deployments.first() else {
        return Vec::new();
    };
    let gain = |(here, there): (&super::result::CityFigures, &super::result::CityFigures)| {
        if here.seen.latency.count == 0 || there.seen.latency.count == 0 {
            return 0.0;
        }
        rounded(there.seen.latency.p50_ms - here.seen.latency.p50_ms)
    };
    let row = |deployment: &Deployment| {
        deployment
            .cities
            .iter()
            .zip(&first.cities)
            .map(gain)
            .collect()
    };
    deployments.iter().map(row).collect()
}

/// To microseconds, as everything is counted.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

fn text(setup: &Setup, all: &[Deployment], choice: usize, gains_ms: &[f64]) -> String {
    let (chosen, first) = (&all[choice], &all[0]);
    let seen = &chosen.overall;
    let currency = &setup.prices.currency;
    let mut text = format!(
        "We would choose {}: half of its good answers are whole within {:.0} ms and 99 of 100 \
         within {:.0} ms, at {:.2} {currency} per million requests.",
        chosen.title, seen.latency.p50_ms, seen.latency.p99_ms, chosen.cost.per_million_requests,
    );
    if choice > 0 {
        let there = &first.overall;
        text.push_str(&format!(
            " With {} it would be {:.0} and {:.0} ms, at {:.2} {currency}.",
            first.title,
            there.latency.p50_ms,
            there.latency.p99_ms,
            first.cost.per_million_requests,
        ));
        text.push_str(&because(chosen, first));
        text.push_str(&losers(setup, gains_ms));
    }
    for (index, other) in all.iter().enumerate() {
        if index != choice {
            text.push_str(&against(chosen, other));
        }
    }
    if seen.throttled > 0 {
        let share = seen.throttled as f64 / seen.requests.max(1) as f64 * 100.0;
        text.push_str(&format!(
            " Its limits refused {share:.2} % of the requests."
        ));
    }
    text
}

/// Where the gain comes from.
fn because(chosen: &Deployment, first: &Deployment) -> String {
    let mut reasons = Vec::new();
    if chosen.overall.hits > 0 {
        let share = chosen.overall.hit_ratio * 100.0;
        reasons.push(format!(
            "{share:.0} % of the answers come from an edge's cache"
        ));
    }
    if chosen.kind.has_edges() && chosen.inside.handshakes_saved > 0 {
        let before = first.inside.long_handshakes.max(1) as f64;
        let saved = chosen.inside.handshakes_saved as f64 / before * 100.0;
        let went = chosen.inside.warm + chosen.inside.long_handshakes;
        let warm = chosen.inside.warm as f64 / went.max(1) as f64 * 100.0;
        reasons.push(format!(
            "{saved:.0} % of the handshakes over the whole distance are saved, and what goes on \
             from the edges finds a warm connection in {warm:.0} of 100 cases"
        ));
    }
    if reasons.is_empty() {
        return String::new();
    }
    format!(" The difference: {}.", reasons.join("; "))
}

/// Cities that it makes slower.
fn losers(setup: &Setup, gains_ms: &[f64]) -> String {
    let mut losers: Vec<(f64, &str)> = (gains_ms.iter().zip(&setup.cities))
        .filter(|(gain, _)| **gain < -LOSS_MS)
        .map(|(gain, city)| (*gain, setup.places[city.place].name.as_str()))
        .collect();
    losers.sort_by(|a, b| f64::total_cmp(&a.0, &b.0));
    let Some((worst_ms, worst)) = losers.first() else {
        return " No city's median gets slower.".to_owned();
    };
    format!(
        " {} of {} {} by it, {} most of all: {:.1} ms at the median.",
        losers.len(),
        counted(setup.cities.len(), "city"),
        if losers.len() == 1 { "loses" } else { "lose" },
        worst.replace('_', " "),
        -worst_ms,
    )
}

/// Why not another one.
fn against(chosen: &Deployment, other: &Deployment) -> String {
    let (here, there) = (failing(chosen), failing(other));
    let seen = &other.overall;
    if there > here * FAILING_FACTOR + FAILING_FREE {
        let share = there * 100.0;
        if seen.unreachable > 0 {
            return format!(
                " Not {}: {share:.2} % of the requests cannot reach it.",
                other.title
            );
        }
        return format!(
            " Not {}: it fails {share:.2} % of the requests.",
            other.title
        );
    }
    let slower = seen.latency.mean_ms - chosen.overall.latency.mean_ms;
    let dearer = other.cost.per_million_requests - chosen.cost.per_million_requests;
    if slower > NEAR_FREE_MS {
        return format!(
            " {} is {slower:.0} ms slower in the mean.",
            capital(&other.title)
        );
    }
    if dearer > 0.0 {
        return format!(" {} is as fast and costs more.", capital(&other.title));
    }
    format!(" {} is as good.", capital(&other.title))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Who fails so much more often than the best is out.
const FAILING_FACTOR: f64 = 3.0;
const FAILING_FREE: f64 = 0.001;
/// Means so near to the best are equal.
const NEAR_FACTOR: f64 = 1.05;
const NEAR_FREE_MS: f64 = 2.0;
/// What nobody notices is no loss.
const LOSS_MS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::{
        super::result::{Cost, Figures, Inside, Spread},
        *,
    };

    fn deployment(mean_ms: f64, cost: f64, failed: u64, unreachable: u64) -> Deployment {
        Deployment {
            kind: Kind::Edge,
            title: "x".to_owned(),
            sites: Vec::new(),
            overall: Figures {
                requests: 10_000,
                errors: failed,
                unreachable,
                latency: Spread {
                    mean_ms,
                    ..Spread::default()
                },
                ..Figures::default()
            },
            cities: Vec::new(),
            inside: Inside::default(),
            timeline: Vec::new(),
            detections: Vec::new(),
            cost: Cost {
                per_million_requests: cost,
                ..Cost::default()
            },
        }
    }

    #[test]
    fn the_cheapest_of_the_fast_ones_that_serve_everybody_is_chosen() {
        // name, deployments as mean, cost, failures and unreachable of 10,000, the choice
        let rows: [(&str, &[(f64, f64, u64, u64)], usize); 6] = [
            ("faster", &[(200.0, 1.0, 0, 0), (100.0, 9.0, 0, 0)], 1),
            (
                "as fast and cheaper",
                &[(100.0, 2.0, 0, 0), (104.0, 1.0, 0, 0)],
                1,
            ),
            (
                "a little slower is slower",
                &[(100.0, 2.0, 0, 0), (108.0, 1.0, 0, 0)],
                0,
            ),
            ("fails", &[(100.0, 1.0, 900, 0), (300.0, 9.0, 20, 0)], 1),
            (
                "cannot be asked",
                &[(10.0, 1.0, 0, 900), (300.0, 9.0, 0, 0)],
                1,
            ),
            (
                "fails as little as any",
                &[(10.0, 1.0, 9, 0), (300.0, 9.0, 0, 0)],
                0,
            ),
        ];
        for (name, given, expected) in rows {
            let of = |row: &(f64, f64, u64, u64)| deployment(row.0, row.1, row.2, row.3);
            let all: Vec<Deployment> = given.iter().map(of).collect();
            assert_eq!(choose(&all), Some(expected), "{name}");
        }
        assert_eq!(choose(&[]), None);
    }
}
