//! Arrivals: as many as planned, at the right hours, of the right kinds, and always the same.

use std::rc::Rc;

use super::{super::sample, Arrival, Arrivals};

fn all(text: &str, cities: usize) -> Vec<Vec<Arrival>> {
    let setup = Rc::new(sample::setup(text));
    (0..cities)
        .map(|city| Arrivals::new(&setup, city).collect())
        .collect()
}

#[test]
fn there_are_as_many_as_planned_where_people_live() {
    let cities = all("requests = 60_000\nduration_s = 3_600\n", 3);
    let counts: Vec<usize> = cities.iter().map(Vec::len).collect();
    let sum: usize = counts.iter().sum();
    assert!((57_000..63_000).contains(&sum), "{counts:?}");
    // Frankfurt 2.8, London 14.9, Tokyo 37.1 million, the same hour for each but the mean counts.
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
    for arrivals in &cities {
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at_ns));
    }
}

#[test]
fn a_day_has_a_busy_and_a_quiet_hour() {
    let text =
        "requests = 200_000\nduration_s = 86_400\n[clients]\ndiurnal = 0.8\npeak_hour = 12.0\n";
    let tokyo = &all(text, 3)[2];
    // Tokyo's noon is at 2:41 UTC, its midnight twelve hours later.
    let between = |from_h: u64, to_h: u64| {
        let hours = |at_ns: u64| at_ns / 3_600_000_000_000;
        let within = |arrival: &&Arrival| (from_h..to_h).contains(&hours(arrival.at_ns));
        tokyo.iter().filter(within).count() as f64
    };
    let ratio = between(1, 5) / between(13, 17);
    // 1.8 to 0.2 at the extremes, a little less over four hours.
    assert!((5.5..9.5).contains(&ratio), "{ratio}");
}

#[test]
fn a_burst_brings_more_of_what_it_is_for() {
    let text = "requests = 30_000\nduration_s = 600\n[clients]\ndiurnal = 0.0\n\
        [[bursts]]\nat_s = 300.0\nfor_s = 30.0\nfactor = 10.0\ntraffic = \"pages\"\n";
    let cities = all(text, 3);
    let arrivals: Vec<&Arrival> = cities.iter().flatten().collect();
    let within = |from_s: u64, to_s: u64| {
        let own = move |a: &&&Arrival| (from_s..to_s).contains(&(a.at_ns / 1_000_000_000));
        arrivals.iter().filter(own).collect::<Vec<_>>()
    };
    let (usual, burst) = (within(200, 230), within(300, 330));
    let ratio = burst.len() as f64 / usual.len() as f64;
    assert!((6.0..11.0).contains(&ratio), "{ratio}"); // visits last longer than it does
    let pages = |some: &[&&Arrival]| some.iter().filter(|a| a.class == 0).count();
    let share = pages(&burst) as f64 / burst.len() as f64;
    assert!(
        share > pages(&usual) as f64 / usual.len() as f64 + 0.1,
        "{share}"
    );
}

#[test]
fn the_popular_things_are_asked_for_as_zipf_has_it() {
    let text = "requests = 60_000\nduration_s = 600\n";
    let cities = all(text, 3);
    let pages: Vec<u32> = (cities.iter().flatten())
        .filter(|arrival| arrival.class == 0)
        .map(|arrival| arrival.object)
        .collect();
    let of = |rank: u32| pages.iter().filter(|object| **object == rank).count() as f64;
    // 1 / rank: the first is asked for twice as often as the second, ten times as the tenth.
    assert!((of(0) / of(1) - 2.0).abs() < 0.2, "{} and {}", of(0), of(1));
    assert!(
        (of(0) / of(9) - 10.0).abs() < 2.0,
        "{} and {}",
        of(0),
        of(9)
    );
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let text = "requests = 2_000\nduration_s = 60\n";
    let (once, again) = (all(text, 3), all(text, 3));
    let other = all(&format!("seed = 2\n{text}"), 3);
    assert_eq!(once, again);
    assert_ne!(once, other);
}
