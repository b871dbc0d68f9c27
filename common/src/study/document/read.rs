//! YAML into a document.
//!
//! The subset that a study needs: one document, mappings with plain keys, no anchors, aliases or tags.

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::{Entry, Node, Value};
use crate::study::{Place, SpecError};

impl Node {
    /// Reads one YAML document. An empty text is an empty value.
    pub(crate) fn from_yaml(text: &str) -> Result<Self, SpecError> {
        let mut reader = Reader { events: Parser::new_from_str(text) };
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, at) => {
                    return Ok(Self { value: Value::Null, place: Some(place(at)) });
                }
                first => {
                    let root = reader.node(first)?;
                    reader.end()?;
                    return Ok(root);
                }
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    /// The next event that is no comment, and where it starts.
    fn next(&mut self) -> Result<(Event<'a>, Marker), SpecError> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok((event, start(&span))),
                Some(Err(error)) => return Err(syntax(&error)),
                None => return Ok((Event::StreamEnd, Marker::default())),
            }
        }
    }

    /// The value that begins with an event.
    fn node(&mut self, (event, at): (Event<'a>, Marker)) -> Result<Node, SpecError> {
        if event.tag().is_some() {
            return Err(flaw(at, "tags are not supported"));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => {
                plain(&text).map_err(|message| flaw(at, &message))?
            }
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => self.list()?,
            Event::MappingStart(..) => self.map()?,
            Event::Alias(_) => return Err(flaw(at, "aliases are not supported")),
            _ => return Err(flaw(at, "a value is expected")),
        };
        Ok(Node { value, place: Some(place(at)) })
    }

    /// The items up to a list's end.
    fn list(&mut self) -> Result<Value, SpecError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                item => items.push(self.node(item)?),
            }
        }
    }

    /// The entries up to a mapping's end.
    fn map(&mut self) -> Result<Value, SpecError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(text, ..), at) => (text.into_owned(), at),
                (_, at) => return Err(flaw(at, "a key must be a plain word")),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(flaw(at, &format!("key `{key}` is given twice")));
            }
            let value = self.next()?;
            entries.push(Entry { key, key_place: Some(place(at)), node: self.node(value)? });
        }
    }

    /// Makes sure that nothing follows the document.
    fn end(&mut self) -> Result<(), SpecError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => {}
                (_, at) => return Err(flaw(at, "a study file holds one document only")),
            }
        }
    }
}

/// The value of an unquoted scalar, by YAML 1.2's core schema.
pub(super) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return Err(format!("{text} is not a finite number"));
    }
    let radix =
        |prefix: &str, radix| text.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, radix));
    if let Some(Ok(value)) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Ok(Value::Int(value));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse()
            .map(Value::Int)
            .map_err(|_| format!("{text} is no whole number from {} to {}", i64::MIN, i64::MAX));
    }
    let number = unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(value) if number && value.is_finite() => Ok(Value::Float(value)),
        Ok(_) if number => Err(format!("{text} is too large")),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// Where an event starts.
fn start(span: &Span) -> Marker {
    span.start
}

fn place(at: Marker) -> Place {
    Place::File { line: at.line() as u32, column: at.col() as u32 + 1 }
}

fn flaw(at: Marker, message: &str) -> SpecError {
    SpecError { place: Some(place(at)), ..SpecError::new(message) }
}

/// A parser's error.
fn syntax(error: &ScanError) -> SpecError {
    let message = match error.kind() {
        ErrorKind::UnknownAnchor => "aliases are not supported".to_owned(),
        _ => format!("this is no valid YAML: {}", error.info()),
    };
    flaw(*error.marker(), &message)
}
