//! What: configuration templates: text with places and optional lines, filled for one case.
//! Shape: `@NAME@` is a place; a line `@IF NAME@` begins lines that are there only if a flag is
//!   set, `@ELSE@` the others, `@END@` ends both. They nest.
//! Units: lines are counted from 1 in messages.
//! Errors: an unknown place or flag and an open or stray branch are messages with their line.
//! Source: configs/peers/.

/// What a template may name.
pub(crate) struct Filling {
    /// Values of places.
    pub(crate) places: Vec<(&'static str, String)>,
    /// Flags, set or not: a template may name no others.
    pub(crate) flags: Vec<(&'static str, bool)>,
}

impl Filling {
    /// The text with every place filled and only the lines that its flags keep.
    pub(crate) fn fill(&self, template: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut branches: Vec<bool> = Vec::new();
        for (index, line) in template.lines().enumerate() {
            let at = |why: String| format!("line {}: {why}", index + 1);
            match line.trim() {
                "@ELSE@" => {
                    let last = branches.last_mut().ok_or_else(|| at(STRAY.to_owned()))?;
                    *last = !*last;
                }
                "@END@" => {
                    branches.pop().ok_or_else(|| at(STRAY.to_owned()))?;
                }
                trimmed => match branch(trimmed) {
                    Some(flag) => branches.push(self.flag(flag).map_err(at)?),
                    None if branches.iter().all(|is_kept| *is_kept) => {
                        self.fill_line(line, &mut filled).map_err(at)?;
                        filled.push('\n');
                    }
                    None => {}
                },
            }
        }
        if branches.is_empty() {
            Ok(filled)
        } else {
            Err("an @IF@ without its @END@".to_owned())
        }
    }

    /// Fills a text of one line, such as an argument; none if its flag is not set.
    /// An argument with a flag in front is written `@IF NAME@argument`.
    pub(crate) fn fill_argument(&self, argument: &str) -> Result<Option<String>, String> {
        let (is_kept, rest) = match argument.strip_prefix("@IF ") {
            Some(text) => {
                let (flag, rest) = text.split_once('@').ok_or("an @IF without its end")?;
                (self.flag(flag)?, rest)
            }
            None => (true, argument),
        };
        let mut filled = String::new();
        self.fill_line(rest, &mut filled)?;
        Ok(is_kept.then_some(filled))
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        let found = self.flags.iter().find(|(flag, _)| *flag == name);
        found
            .map(|(_, is_set)| *is_set)
            .ok_or_else(|| format!("no flag is called {name}"))
    }

    fn fill_line(&self, line: &str, filled: &mut String) -> Result<(), String> {
        let mut rest = line;
        while let Some((before, name, after)) = place(rest) {
            filled.push_str(before);
            let found = self.places.iter().find(|(known, _)| *known == name);
            let (_, value) = found.ok_or_else(|| format!("no place is called {name}"))?;
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(())
    }
}

fn branch(line: &str) -> Option<&str> {
    line.strip_prefix("@IF ")?.strip_suffix('@')
}

/// The first place of a line: what is before it, its name, what is behind it.
fn place(line: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + line.get(from..)?.find('@')?;
        let behind = &line[start + 1..];
        let len = behind.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        match len {
            Some(len) if len > 0 && behind[len..].starts_with('@') => {
                return Some((&line[..start], &behind[..len], &behind[len + 1..]));
            }
            _ => from = start + 1,
        }
    }
}

const STRAY: &str = "a branch that no @IF@ began";

#[cfg(test)]
mod tests {
    use super::Filling;

    fn filling() -> Filling {
        Filling {
            places: vec![("HOST", "127.0.0.1".to_owned()), ("PORT", "80".to_owned())],
            flags: vec![("TLS", true), ("LOG", false)],
        }
    }

    #[test]
    fn places_and_branches() {
        for (name, template, expected) in [
            (
                "no place",
                "a@b.c \"@type\": x\n",
                Ok("a@b.c \"@type\": x\n"),
            ),
            ("two places", "l @HOST@:@PORT@;\n", Ok("l 127.0.0.1:80;\n")),
            ("kept", "@IF TLS@\nssl\n@END@\nx\n", Ok("ssl\nx\n")),
            ("dropped", "  @IF LOG@\nlog\n  @END@\nx\n", Ok("x\n")),
            ("other", "@IF LOG@\na\n@ELSE@\nb\n@END@\n", Ok("b\n")),
            (
                "nested",
                "@IF LOG@\n@IF TLS@\na\n@END@\n@ELSE@\nb\n@END@\n",
                Ok("b\n"),
            ),
            (
                "dropped lines are not filled",
                "@IF LOG@\n@WHAT@\n@END@\n",
                Ok(""),
            ),
            ("unknown place", "@WHAT@\n", Err(())),
            ("unknown flag", "@IF WHAT@\n@END@\n", Err(())),
            ("open", "@IF TLS@\n", Err(())),
            ("stray end", "@END@\n", Err(())),
            ("stray other", "@ELSE@\n", Err(())),
        ] {
            let filled = filling().fill(template);
            assert_eq!(
                filled.as_deref().map_err(|_| ()),
                expected,
                "{name}: {filled:?}"
            );
        }
    }

    #[test]
    fn arguments_may_be_left_out() {
        for (argument, expected) in [
            ("-p", Some("-p")),
            ("@HOST@", Some("127.0.0.1")),
            ("@IF TLS@--port=@PORT@", Some("--port=80")),
            ("@IF LOG@--log", None),
        ] {
            let filled = filling().fill_argument(argument).expect("known names");
            assert_eq!(filled.as_deref(), expected, "{argument}");
        }
        assert!(filling().fill_argument("@IF WHAT@x").is_err());
    }
}
