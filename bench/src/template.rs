//! What: nanoseconds for rendering a mapping template, or for reading one of the user's.
//! Shape: rounds over one template and payload; every round is one line.
//! Units: nanoseconds a render; steps a render.
//! Errors: a file that cannot be read, a template that does not compile or render.
//! Source: `templates/order.vtl` and `templates/order.json`, 1 KB each.

use std::{fs, hint::black_box, io, path::PathBuf, time::Instant};

use clap::{ArgMatches, Command};
use tidegate_edge::mapping::{ContextValue, Inputs, Output, Template};

use crate::arguments::{count, file, number, path};

/// What is measured.
struct Options {
    /// Another template; the built-in one when absent.
    file: Option<PathBuf>,
    /// Another payload.
    input: Option<PathBuf>,
    rounds: u32,
    /// Renders of a round.
    renders: u32,
}

/// The template that is measured, here and behind a gateway.
pub(crate) const TEMPLATE: &str = include_str!("../templates/order.vtl");
/// What it maps.
pub(crate) const BODY: &str = include_str!("../templates/order.json");

/// The template for the answer to a request that [`TEMPLATE`] has mapped: what one has overridden
/// the other may not.
pub(crate) fn answer_template() -> String {
    let lines = TEMPLATE.split_inclusive('\n');
    lines
        .filter(|line| !line.contains("responseOverride"))
        .collect()
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("template")
        .about("Nanoseconds for rendering a mapping template")
        .arg(file("file", "Another template than the built-in one"))
        .arg(file("input", "Another payload than the built-in one"))
        .arg(count("rounds", "5", "Rounds"))
        .arg(count("renders", "100000", "Renders of a round"))
}

/// Measures and prints.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    measure(&Options {
        file: path(matches, "file"),
        input: path(matches, "input"),
        rounds: number(matches, "rounds"),
        renders: number(matches, "renders"),
    })
}

fn measure(options: &Options) -> io::Result<bool> {
    let read = |path: &Option<PathBuf>, built_in: &str| match path {
        Some(path) => fs::read_to_string(path),
        None => Ok(built_in.to_owned()),
    };
    let source = read(&options.file, TEMPLATE)?;
    let body = read(&options.input, BODY)?;
    let template = Template::compile(&source).map_err(io::Error::other)?;
    let inputs = Inputs {
        body: &body,
        path: &[("id", "42")],
        query: &[("page", "7")],
        header: &[("Content-Type", "application/json")],
        stage_variables: &[("host", "orders.example.com")],
        context: &[
            (
                "requestId",
                ContextValue::Text("c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
            ),
            ("stage", ContextValue::Text("prod")),
            (
                "identity",
                ContextValue::Map(&[
                    ("sourceIp", ContextValue::Text("203.0.113.9")),
                    ("userAgent", ContextValue::Text("curl/8.5.0")),
                ]),
            ),
        ],
        overrides: None,
    };
    let mut output = Output::new();
    template
        .render(&inputs, &mut output)
        .map_err(io::Error::other)?;
    println!(
        "template {} B, payload {} B, output {} B, {} steps",
        source.len(),
        body.len(),
        output.text().len(),
        output.steps()
    );
    for _ in 0..options.rounds {
        let start = Instant::now();
        for _ in 0..options.renders {
            let rendered = template.render(black_box(&inputs), &mut output);
            black_box(rendered.map_err(io::Error::other)?);
        }
        let nanoseconds = start.elapsed().as_nanos() / u128::from(options.renders.max(1));
        println!("render {nanoseconds} ns");
    }
    let start = Instant::now();
    let compiles = options.renders / 10 + 1;
    for _ in 0..compiles {
        black_box(Template::compile(black_box(&source)).map_err(io::Error::other)?);
    }
    println!(
        "compile {} ns",
        start.elapsed().as_nanos() / u128::from(compiles)
    );
    Ok(true)
}
