//! The page of `tidegate sim`, written and, where there is a browser, looked at.
//!
//! Shape: one small simulation whose title tries to end the script. Units: none. Errors: what the
//! page lacks; without Chromium only its text is judged, and the test says so. Source:
//! docs/simulator.md.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// Ends a script, if it is let.
const TITLE: &str = "A </script><script>document.title='broken'</script> title";

#[test]
fn the_page_shows_the_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = fs::read_to_string(root.join("configs/scenarios/region-loss.toml"));
    let shipped = shipped.expect("a scenario");
    let (before, rest) = shipped.split_once("title = ").expect("a title");
    let (_, after) = rest.split_once('\n').expect("more lines");
    let scenario = format!("{before}title = {TITLE:?}\n{after}");
    fs::write(file("scenario.toml"), scenario).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["sim", "--quiet", "--requests", "500", "--html"])
        .arg(file("report.html"))
        .arg("--json")
        .arg(file("report.json"))
        .arg(file("scenario.toml"))
        .output()
        .expect("the binary");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    let page = fs::read_to_string(file("report.html")).expect("a page");
    assert_eq!(page.matches("</script>").count(), 2, "the report ends none");
    let json = fs::read_to_string(file("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&json).expect("JSON");
    match rendered(&file("report.html")) {
        Some(seen) => judge(&seen, &report),
        None => println!("not looked at: there is no chromium"),
    }
}

/// What the scripts have made of it.
fn judge(seen: &str, report: &Value) {
    let list = |name: &str| report[name].as_array().expect("a list").clone();
    let (cities, deployments) = (list("cities"), list("deployments"));
    assert!(!seen.contains("<title>broken"), "a title has run");
    for words in ["What to choose", "Who meets whom", "Errors over time"] {
        assert!(seen.contains(words), "{words}");
    }
    for deployment in &deployments {
        let title = deployment["title"].as_str().expect("a title");
        let card = format!("<em>{title}</em>");
        assert!(seen.contains(&card), "{card}");
    }
    for city in &cities {
        let name = city["name"].as_str().expect("a name").replace('_', " ");
        let row = format!("<td>{name}</td>");
        assert!(seen.contains(&row), "{row}");
    }
    // The last thing that the script makes is the last row of the last table.
    let rest = seen.rsplit("<td>a million requests</td>").next();
    let cells = rest.map_or(0, |rest| rest.matches("<td>").count());
    assert_eq!(cells, deployments.len(), "the script came to its end");
    // The map has a dot for each city, and the fit one for each measured pair.
    let pairs = report["delays"]["residuals"].as_array().map_or(0, Vec::len);
    assert_eq!(seen.matches("<circle").count(), cities.len() + pairs);
    for wrong in ["NaN", "undefined", "Infinity"] {
        let body = seen.split("<main").nth(1).unwrap_or_default();
        let body = body.split("<script").next().unwrap_or_default();
        assert!(!body.contains(wrong), "{wrong}");
    }
}

/// The page as a browser has it in the end; none where there is no browser.
fn rendered(page: &Path) -> Option<String> {
    let profile = tempfile::tempdir().expect("a folder");
    for browser in ["chromium", "chromium-browser", "google-chrome"] {
        let output = Command::new("timeout")
            .args(["60", browser, "--headless", "--no-sandbox", "--disable-gpu"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("--dump-dom")
            .arg(format!("file://{}", page.display()))
            .output();
        match output {
            Ok(output) if output.status.success() => {
                return Some(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            // 127: timeout(1) found no such program.
            Ok(output) if output.status.code() == Some(127) => {}
            other => println!("{browser}: {:?}", other.map(|output| output.status)),
        }
    }
    None
}
