//! JSON answers as text for a terminal.
//!
//! Shape: rows and members in, lines out, columns aligned. Units: characters. Errors: none. What
//! would move the cursor is left out of values. Source: none.

use serde_json::Value;

/// Rows below a heading, each column as wide as its widest cell.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for row in all() {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One line a member that is set.
pub(super) fn members(value: &Value) -> String {
    let rows = value.as_object().into_iter().flatten();
    let rows: Vec<(&String, String)> = rows
        .filter(|(_, member)| !is_empty(member))
        .map(|(name, member)| (name, plain(member)))
        .collect();
    aligned(&rows)
}

/// A line a row: its name, and what it is behind the longest name.
pub(super) fn aligned(rows: &[(impl AsRef<str>, String)]) -> String {
    let names = rows.iter().map(|(name, _)| name.as_ref().chars().count());
    let width = names.max().unwrap_or(0);
    let lines = rows
        .iter()
        .map(|(name, text)| format!("{:<width$}  {text}\n", name.as_ref()));
    lines.collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Text as it is, without what would move the cursor; anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_and_members_line_up() {
        let rows = [
            vec!["k1".to_owned(), "long name".to_owned()],
            vec!["key2".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["ID", "NAME"], &rows),
            "ID    NAME\nk1    long name\nkey2\n"
        );
        let value =
            json!({"id": "k1", "tags": {}, "description": null, "n\u{1b}": "a\u{1b}b", "x": [1]});
        assert_eq!(members(&value), "id  k1\nn\u{1b}  ab\nx   [1]\n");
    }
}
