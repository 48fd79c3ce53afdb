//! What: Tidegate beside its rivals and beside two programs that parse nothing, in the same rounds.
//! Shape: for each case of a table, every contestant that can take part is started, checked, and
//!   loaded in turn, round after round; then results become JSON, tables and a page.
//! Units: seconds of load, microseconds of CPU per request.
//! Errors: who does not start or fails a check is named with the reason; the run goes on.
//! Source: docs/performance.md, "Beside others".

mod case;
mod client;
mod contestant;
mod html;
mod judge;
mod load;
mod measure;
mod options;
mod peer;
mod report;
mod results;
#[cfg(test)]
mod schema;
mod template;

use std::fs;
use std::io;

use clap::ArgMatches;

use self::options::Options;
pub(crate) use self::options::command;
use self::results::Results;

/// Measures, or reads what was measured, and reports; false if something asked for is missing.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = &Options::read(matches);
    let results = match &options.from {
        Some(path) => {
            let text = fs::read_to_string(path)?;
            let told = |why| io::Error::other(format!("{}: {why}", path.display()));
            Results::parse(&text).map_err(told)?
        }
        None => measure::measure(options)?,
    };
    if let Some(path) = &options.json {
        fs::write(path, results.to_json())?;
    }
    if let Some(path) = &options.html {
        fs::write(path, html::page(&results))?;
    }
    if let Some(path) = &options.markdown {
        fs::write(path, report::table(&results))?;
    }
    if let Some(path) = &options.document {
        let text = fs::read_to_string(path)?;
        let told = |why| io::Error::other(format!("{}: {why}", path.display()));
        let section = report::section(&results);
        fs::write(path, report::replaced(&text, &section).map_err(told)?)?;
    }
    println!("\n{}", report::section(&results));
    Ok(results.is_complete())
}
