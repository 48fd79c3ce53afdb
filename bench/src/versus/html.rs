//! What: results as one page that needs no network: bars for every case, and all figures.
//! Shape: text around tables; bars are table cells with a width, so the page has no script.
//! Units: as in `results`.
//! Errors: none; text from outside is escaped.
//! Source: docs/performance.md, "Beside others".

use super::judge::{SUBJECT, Verdict, brief, missing, verdicts};
use super::report::{
    DISTURBED_BEARABLE, contenders, cost, host_line, latency, number, rate, shares_percent,
};
use super::results::{Case, Contestant, Figures, Idle, Results};

/// The whole page.
pub(crate) fn page(results: &Results) -> String {
    let mut body = String::new();
    body.push_str(&format!("<p>{}</p>", escaped(&host_line(results))));
    body.push_str(&verdicts_part(results));
    for case in &results.cases {
        body.push_str(&case_part(results, case));
    }
    for case in &results.idle {
        body.push_str(&idle_part(results, case));
    }
    body.push_str(&latency_part(results));
    let items = missing(results);
    if !items.is_empty() {
        body.push_str(&format!(
            "<h2>What is missing</h2><ul>{}</ul>",
            list(&items)
        ));
    }
    body.push_str(&versions_part(results));
    TEMPLATE.replace("@STYLE@", STYLE).replace("@BODY@", &body)
}

fn verdicts_part(results: &Results) -> String {
    let item = |(verdict, sentence): &(Verdict, String)| {
        let class = match verdict {
            Verdict::More => "more",
            Verdict::Same => "same",
            Verdict::Less => "less",
        };
        format!(
            "<li class={class}>{}</li>",
            escaped(&sentence.replace("**", ""))
        )
    };
    let items: String = verdicts(results).iter().map(item).collect();
    if items.is_empty() {
        return String::new();
    }
    format!("<h2>Where Tidegate costs more, and where less</h2><ul class=verdicts>{items}</ul>")
}

fn case_part(results: &Results, case: &Case) -> String {
    let all = case.rows.iter().filter_map(|row| row.figures.as_ref());
    let most_us = all.map(|figures| figures.cost_us.max).fold(0.0, f64::max);
    let floor = case.figures(&case.floor, false);
    let floor_share = floor.map(|floor| floor.cost_us.median / most_us * 100.0);
    let mut rows = String::new();
    for contestant in everybody(results, &case.floor) {
        let name = &contestant.name;
        for is_logging in [false, true] {
            let Some(row) = case.row(name, is_logging) else {
                continue;
            };
            let is_said = is_logging
                && case
                    .row(name, false)
                    .is_some_and(|r| r.absent == row.absent);
            if is_said && row.absent.is_some() {
                continue;
            }
            let bar = match (&row.figures, &row.absent) {
                (Some(figures), _) => bar(figures, most_us, floor_share, is_logging),
                (None, why) => {
                    let why = brief(why.as_deref().unwrap_or_default());
                    format!("<td class=absent colspan=3>{}</td>", escaped(&why))
                }
            };
            let name = if is_logging { "with its log" } else { name };
            let class = row_class(contestant, is_logging);
            rows.push_str(&format!(
                "<tr class='{class}'><th>{}</th>{bar}</tr>",
                escaped(name)
            ));
        }
    }
    format!(
        "<h2>{}</h2><table class=bars><thead><tr><th>Server</th><th>µs of processor time per \
         request; the line is the floor ({})</th><th>(ratio)</th><th>Requests/s</th></tr></thead>\
         <tbody>{rows}</tbody></table>",
        escaped(&case.title),
        escaped(&case.floor)
    )
}

/// Three cells: the bar with its spread, the cost, the rate.
fn bar(figures: &Figures, most_us: f64, floor_share: Option<f64>, is_logging: bool) -> String {
    let share = |us: f64| us / most_us * 100.0;
    let spread = &figures.cost_us;
    let class = if is_logging { "bar log" } else { "bar" };
    let floor = floor_share.map_or(String::new(), |share| {
        format!("<i class=floor style='left:{share:.2}%'></i>")
    });
    let title = format!("{} to {} µs", number(spread.min), number(spread.max));
    let disturbed = if figures.disturbed > DISTURBED_BEARABLE {
        format!(
            "<small>disturbed {:.0} %</small>",
            figures.disturbed * 100.0
        )
    } else {
        String::new()
    };
    format!(
        "<td class=track title='{title}'><div><b class='{class}' style='width:{:.2}%'></b>\
         <i class=spread style='left:{:.2}%;width:{:.2}%'></i>{floor}</div></td>\
         <td class=figure>{}{disturbed}</td><td class=figure>{}</td>",
        share(spread.median),
        share(spread.min),
        share(spread.max - spread.min),
        escaped(&cost(figures)),
        escaped(&rate(figures)),
    )
}

fn idle_part(results: &Results, case: &Idle) -> String {
    let most = case
        .rows
        .iter()
        .filter_map(|row| row.bytes)
        .fold(1.0, f64::max);
    let mut rows = String::new();
    for row in &case.rows {
        let known = results
            .contestants
            .iter()
            .find(|known| known.name == row.contestant);
        let class = known.map_or("", |contestant| row_class(contestant, false));
        let cells = match row.bytes {
            Some(bytes) => format!(
                "<td class=track><div><b class=bar style='width:{:.2}%'></b></div></td>\
                 <td class=figure>{bytes:.0}</td>",
                (bytes / most * 100.0).max(0.0)
            ),
            None => {
                let why = brief(row.absent.as_deref().unwrap_or_default());
                format!("<td class=absent colspan=2>{}</td>", escaped(&why))
            }
        };
        let name = escaped(&row.contestant);
        rows.push_str(&format!("<tr class='{class}'><th>{name}</th>{cells}</tr>"));
    }
    format!(
        "<h2>{}</h2><table class=bars><thead><tr><th>Server</th><th>Private memory, {} \
         connections</th><th>Bytes each</th></tr></thead><tbody>{rows}</tbody></table>",
        escaped(&case.title),
        results.settings.idle_connections
    )
}

fn latency_part(results: &Results) -> String {
    let mut text = String::new();
    for share_percent in shares_percent(results) {
        let heads: String = contenders(results)
            .map(|contestant| format!("<th>{}</th>", escaped(&contestant.name)))
            .collect();
        let mut rows = String::new();
        for case in &results.cases {
            let cells: String = contenders(results)
                .map(|contestant| {
                    let figures = case.figures(&contestant.name, false);
                    let mut latencies = figures.iter().flat_map(|figures| &figures.latency);
                    let found = latencies.find(|latency| latency.share_percent == share_percent);
                    let text = found.map_or("-".to_owned(), latency);
                    format!("<td class=figure>{}</td>", escaped(&text))
                })
                .collect();
            rows.push_str(&format!(
                "<tr><th>{}</th>{cells}</tr>",
                escaped(&case.title)
            ));
        }
        text.push_str(&format!(
            "<h2>p50 / p99 / p99.9 in µs at {share_percent} % of each one's peak, open loop</h2>\
             <div class=wide><table><thead><tr><th>Case</th>{heads}</tr></thead>\
             <tbody>{rows}</tbody></table></div>"
        ));
    }
    text
}

fn versions_part(results: &Results) -> String {
    let row = |contestant: &Contestant| {
        let version = contestant.version.as_deref().unwrap_or("absent");
        let cells = [&contestant.name, version, &contestant.note];
        let cells: String = cells
            .map(|cell| format!("<td>{}</td>", escaped(cell)))
            .concat();
        format!("<tr>{cells}</tr>")
    };
    let rows: String = results.contestants.iter().map(row).collect();
    format!(
        "<h2>Who took part</h2><table><thead><tr><th>Server</th><th>Version</th><th>How</th></tr>\
         </thead><tbody>{rows}</tbody></table><p>{}; <code>tidegate-bench {}</code></p>",
        escaped(&results.host.wrk),
        escaped(&results.settings.command)
    )
}

/// The floor of the case first, then all who are no floor.
fn everybody<'a>(results: &'a Results, floor: &'a str) -> impl Iterator<Item = &'a Contestant> {
    let takes_part = move |c: &&Contestant| !c.is_floor || c.name == floor;
    results.contestants.iter().filter(takes_part)
}

fn row_class(contestant: &Contestant, is_logging: bool) -> &'static str {
    match (contestant.is_floor, contestant.name == SUBJECT, is_logging) {
        (true, _, _) => "isfloor",
        (_, true, false) => "subject",
        (_, true, true) => "subject logged",
        (_, _, true) => "logged",
        _ => "",
    }
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("<li>{}</li>", escaped(item)))
        .collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const STYLE: &str = include_str!("page.css");
const TEMPLATE: &str = "<!doctype html><html lang=en><head><meta charset=utf-8>\
    <meta name=viewport content='width=device-width, initial-scale=1'>\
    <link rel=icon href='data:,'><title>Tidegate beside others</title>\
    <style>@STYLE@</style></head><body><h1>Tidegate beside others</h1>@BODY@</body></html>\n";

#[cfg(test)]
mod tests {
    use super::page;
    use crate::versus::results::Results;

    #[test]
    fn the_page_is_whole_and_asks_nobody() {
        let sample = include_str!("../../samples/versus.json");
        let mut results = Results::parse(sample).expect("the stored sample");
        results.contestants[3].note = "<script>alert('x')</script>".to_owned();
        let page = page(&results);
        for case in &results.cases {
            assert!(
                page.contains(&format!("<h2>{}</h2>", case.title)),
                "{}",
                case.title
            );
        }
        assert!(page.contains("&lt;script&gt;"), "text is escaped");
        for foreign in [
            "http://", "https://", "<script", "@import", "url(", "@BODY@", "@STYLE@",
        ] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for tag in ["table", "tr", "td", "th", "div", "ul", "li", "h2", "b", "i"] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
