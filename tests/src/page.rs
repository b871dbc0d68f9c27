//! A page as a browser's parser reads it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// Elements that have no end tag.
const VOID: [&str; 5] = ["meta", "img", "br", "link", "input"];

/// What is in a page.
#[derive(Debug, Default)]
pub struct Page {
    /// What is wrong with its syntax, or with how its elements nest.
    pub errors: Vec<String>,
    /// All ids.
    pub ids: BTreeSet<String>,
    /// What its elements name in `src` and `href`.
    pub links: Vec<String>,
    /// The rows of every table that has an id: their cells' texts.
    pub tables: BTreeMap<String, Vec<Vec<String>>>,
    /// Elements by name.
    pub elements: BTreeMap<String, usize>,
    open: Vec<String>,
    table: Option<String>,
}

impl Page {
    /// Reads a page.
    pub fn parse(text: &str) -> Self {
        let sink = Sink(RefCell::new(Self::default()));
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(text));
        let tokenizer =
            Tokenizer::new(sink, TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() });
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        let mut page = tokenizer.sink.0.take();
        let open = std::mem::take(&mut page.open);
        page.errors.extend(open.into_iter().map(|name| format!("<{name}> is never closed")));
        page
    }

    fn start(&mut self, tag: &Tag) {
        let name = tag.name.to_string();
        *self.elements.entry(name.clone()).or_default() += 1;
        for attribute in &tag.attrs {
            let value = attribute.value.to_string();
            match &*attribute.name.local {
                "id" => {
                    if name == "table" {
                        self.table = Some(value.clone());
                    }
                    if !self.ids.insert(value.clone()) {
                        self.errors.push(format!("id {value} stands twice"));
                    }
                }
                "src" | "href" => self.links.push(value),
                _ => {}
            }
        }
        match (name.as_str(), self.rows()) {
            ("tr", Some(rows)) => rows.push(Vec::new()),
            ("th" | "td", Some(rows)) => {
                if let Some(row) = rows.last_mut() {
                    row.push(String::new());
                }
            }
            _ => {}
        }
        if !VOID.contains(&name.as_str()) {
            self.open.push(name);
        }
    }

    fn end(&mut self, name: &str) {
        match self.open.pop() {
            Some(open) if open == name => {}
            Some(open) => self.errors.push(format!("</{name}> where </{open}> is expected")),
            None => self.errors.push(format!("</{name}> where nothing is open")),
        }
        if name == "table" {
            self.table = None;
        }
    }

    fn text(&mut self, text: &str) {
        if self.open.iter().any(|name| name == "td" || name == "th")
            && let Some(cell) = self.rows().and_then(|rows| rows.last_mut()).and_then(|row| row.last_mut())
        {
            cell.push_str(text);
        }
    }

    fn rows(&mut self) -> Option<&mut Vec<Vec<String>>> {
        self.table.clone().map(|table| self.tables.entry(table).or_default())
    }
}

struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == StartTag => {
                page.start(&tag);
                // As HTML's own style element does; one inside a picture does not.
                if &*tag.name == "style" {
                    return TokenSinkResult::RawData(RawKind::Rawtext);
                }
            }
            Token::TagToken(tag) => page.end(&tag.name),
            Token::CharacterTokens(text) => page.text(&text),
            Token::ParseError(error) => page.errors.push(format!("line {line}: {error}")),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}
