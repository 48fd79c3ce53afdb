//! What an import is told beside the document: the base path's fate and the placeholders' values.
//!
//! Shape: [`Options`]. Units: none.
//! Errors: none; an unknown `${AWS::…}` stays as written.
//! Source: Amazon API Gateway developer guide, "basePath" and "AWS variables for OpenAPI import".

pub use tidegate_edge::model::settings::{Account, BasePath};

use crate::source::node::{Entry, Node, Value};

/// How a document is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    pub base_path: BasePath,
    /// What the placeholders stand for.
    pub account: Account,
}

impl Options {
    /// These with the base path's fate.
    #[must_use]
    pub fn with_base_path(base_path: BasePath) -> Options {
        Options {
            base_path,
            ..Options::default()
        }
    }

    /// The tree with every placeholder replaced; `None`: it holds none.
    pub(super) fn filled(&self, root: &Node) -> Option<Node> {
        holds_placeholder(root).then(|| self.fill(root))
    }

    fn fill(&self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Text(text) => Value::Text(self.fill_text(text)),
            Value::Sequence(items) => {
                Value::Sequence(items.iter().map(|item| self.fill(item)).collect())
            }
            Value::Mapping(entries) => {
                let fill = |entry: &Entry| Entry {
                    key: entry.key.clone(),
                    key_span: entry.key_span,
                    node: self.fill(&entry.node),
                };
                Value::Mapping(entries.iter().map(fill).collect())
            }
            other => other.clone(),
        };
        Node {
            span: node.span,
            value,
        }
    }

    fn fill_text(&self, text: &str) -> String {
        text.replace("${AWS::AccountId}", &self.account.id)
            .replace("${AWS::Region}", &self.account.region)
            .replace("${AWS::Partition}", &self.account.partition)
    }

    /// The path of a resource by the base path, which may be empty or `/`.
    pub(super) fn resource_path(&self, base: &str, path: &str) -> String {
        let base = base.trim_matches('/');
        let kept = match self.base_path {
            BasePath::Ignore => "",
            BasePath::Prepend => base,
            BasePath::Split => base.split_once('/').map_or("", |(_, rest)| rest),
        };
        if kept.is_empty() {
            return path.to_owned();
        }
        match path {
            "/" => format!("/{kept}"),
            path => format!("/{kept}{path}"),
        }
    }
}

fn holds_placeholder(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.contains("${AWS::"),
        Value::Sequence(items) => items.iter().any(holds_placeholder),
        Value::Mapping(entries) => entries.iter().any(|entry| holds_placeholder(&entry.node)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_are_ignored_prepended_or_split() {
        use BasePath::{Ignore, Prepend, Split};
        // mode, base, path, resource
        let rows = [
            (Ignore, "/base-url/part", "/test", "/test"),
            (Prepend, "/base-url/part", "/test", "/base-url/part/test"),
            (Split, "/base-url/part", "/test", "/part/test"),
            (Split, "/base-url", "/test", "/test"),
            (Prepend, "/base-url/", "/", "/base-url"),
            (Prepend, "/", "/test", "/test"),
            (Prepend, "", "/", "/"),
            (Split, "/a/b/c", "/{proxy+}", "/b/c/{proxy+}"),
        ];
        for (mode, base, path, expected) in rows {
            let options = Options::with_base_path(mode);
            let found = options.resource_path(base, path);
            assert_eq!(found, expected, "{mode:?} {base} {path}");
        }
    }

    #[test]
    fn placeholders_are_replaced_and_others_stay() {
        let options = Options {
            account: Account {
                id: "111122223333".to_owned(),
                region: "eu-west-1".to_owned(),
                ..Account::default()
            },
            ..Options::default()
        };
        let rows = [
            (
                "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:f",
                "arn:aws:lambda:eu-west-1:111122223333:function:f",
            ),
            (
                "${AWS::StackName} ${stageVariables.a}",
                "${AWS::StackName} ${stageVariables.a}",
            ),
        ];
        for (given, expected) in rows {
            assert_eq!(options.fill_text(given), expected);
        }
    }
}
