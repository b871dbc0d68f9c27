//! A document as YAML that any reader reads to the same values.

use std::fmt::Write;

use super::{Entry, Node, Value, read::plain};

/// Widest line that is made by writing a list or mapping inline.
const WIDTH: usize = 100;

/// How a document is laid out.
pub(crate) struct Style<'a> {
    /// The comment above the value at a path of keys, without `#`; not asked for inside lists.
    pub(crate) comment: &'a dyn Fn(&[&str]) -> Option<String>,
}

impl Node {
    /// The document as YAML: nested mappings as blocks, lists and mappings of plain values inline where they fit.
    pub(crate) fn to_yaml(&self) -> String {
        self.to_yaml_with(&Style { comment: &|_| None })
    }

    /// The document as YAML with comments; a mapping that has a comment inside is a block.
    pub(crate) fn to_yaml_with(&self, style: &Style<'_>) -> String {
        let mut out = String::new();
        match &self.value {
            Value::Map(entries) if !entries.is_empty() => block(entries, &mut Vec::new(), style, &mut out),
            _ => {
                out.push_str(&inline(self));
                out.push('\n');
            }
        }
        out
    }

    /// The value on one line.
    pub(crate) fn to_inline(&self) -> String {
        inline(self)
    }
}

/// Writes a mapping, an entry a line.
fn block<'a>(entries: &'a [Entry], path: &mut Vec<&'a str>, style: &Style<'_>, out: &mut String) {
    let indent = "  ".repeat(path.len());
    for entry in entries {
        path.push(&entry.key);
        let comment = if path.contains(&"-") { None } else { (style.comment)(path) };
        for line in comment.iter().flat_map(|comment| comment.lines()) {
            out.push_str(format!("{indent}# {line}").trim_end());
            out.push('\n');
        }
        out.push_str(&indent);
        out.push_str(&text(&entry.key));
        out.push(':');
        value(&entry.node, path, style, out);
        path.pop();
    }
}

/// Writes a value after its key or dash, with the line's end.
fn value<'a>(node: &'a Node, path: &mut Vec<&'a str>, style: &Style<'_>, out: &mut String) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() && !fits(node, path, style) => {
            out.push('\n');
            block(entries, path, style, out);
        }
        Value::List(items) if !items.is_empty() && !fits(node, path, style) => {
            out.push('\n');
            items.iter().for_each(|item| self::item(item, path, style, out));
        }
        _ => {
            out.push(' ');
            out.push_str(&inline(node));
            out.push('\n');
        }
    }
}

/// Writes an item of a list; the first entry of a block stands beside the dash.
fn item<'a>(item: &'a Node, path: &mut Vec<&'a str>, style: &Style<'_>, out: &mut String) {
    let indent = "  ".repeat(path.len());
    path.push("-");
    match &item.value {
        Value::Map(entries) if !entries.is_empty() && !fits(item, path, style) => {
            let mut lines = String::new();
            block(entries, path, style, &mut lines);
            let _ = write!(out, "{indent}- {}", &lines[indent.len() + 2..]);
        }
        _ => {
            let _ = write!(out, "{indent}-");
            value(item, path, style, out);
        }
    }
    path.pop();
}

/// Whether a list or mapping is written inline: it holds plain values or lists of them, no comment, and is short.
fn fits<'a>(node: &'a Node, path: &mut Vec<&'a str>, style: &Style<'_>) -> bool {
    let flat = |node: &Node| !matches!(node.value, Value::Map(_));
    let plain = match &node.value {
        Value::Map(entries) => entries.iter().all(|entry| {
            path.push(&entry.key);
            let comment = (style.comment)(path).is_some();
            path.pop();
            !comment && flat(&entry.node)
        }),
        Value::List(items) => items.iter().all(flat),
        _ => true,
    };
    plain && path.len() * 2 + inline(node).len() <= WIDTH
}

/// A value on one line.
fn inline(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::Text(value) => text(value),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| format!("{}: {}", text(&entry.key), inline(&entry.node)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A float in its shortest exact form, with the point that YAML 1.1 readers ask for.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// A text, in quotes unless every YAML reader takes it for a text without.
fn text(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./<>=! ".contains(c);
    let switch = ["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(word)
        && !switch
        && matches!(plain(text), Ok(Value::Text(_)));
    if bare {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            ' '..='~' => write!(quoted, "{c}"),
            c if c.is_alphanumeric() => write!(quoted, "{c}"),
            c => write!(quoted, "\\U{:08X}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}
