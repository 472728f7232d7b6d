//! Walking several levels at once in the order of their keys, the newest level
//! winning: for listing, and for compaction. One block per level in memory.

use super::Segment;
use super::block::{Block, Records};
use crate::error::{Error, Result};
use crate::record::codec::Cursor;
use crate::record::{RecordView, read_key};
use std::collections::VecDeque;

/// One record on its way.
pub(crate) struct Item {
    pub key: Vec<u8>,
    pub content: Content,
}

pub(crate) enum Content {
    Record(Vec<u8>),
    /// A large block as it is stored, and the length of its content.
    Large {
        stored: Vec<u8>,
        raw: usize,
    },
}

impl Item {
    pub fn view(self) -> Result<RecordView> {
        match self.content {
            Content::Record(r) => RecordView::parse(r.into()),
            Content::Large { stored, raw } => match Block::decode(stored, raw) {
                Ok(Block::Large { head, pieces, .. }) => RecordView::parse_pieces(head, pieces),
                _ => Err(Error::Record { key: String::new(), what: "is stored in an unknown way" }),
            },
        }
    }
}

/// Items in ascending order of their keys.
pub(crate) trait Source {
    fn next(&mut self) -> Result<Option<Item>>;
}

/// The segments of one level, one after the other, from `from` on.
pub(crate) struct Levels<O> {
    segments: VecDeque<usize>,
    open: O,
    current: Option<std::sync::Arc<Segment>>,
    block: usize,
    queue: VecDeque<Item>,
    from: Vec<u8>,
    /// What cannot be read is passed over.
    lenient: bool,
}

impl<O: FnMut(usize) -> Result<std::sync::Arc<Segment>>> Levels<O> {
    /// `segments`: indexes that `open` understands, in the order of their keys.
    pub fn new(segments: impl IntoIterator<Item = usize>, open: O, from: &[u8]) -> Self {
        Self {
            segments: segments.into_iter().collect(),
            open,
            current: None,
            block: 0,
            queue: VecDeque::new(),
            from: from.to_vec(),
            lenient: false,
        }
    }

    /// The same, of which blocks and whole segments that cannot be read are left out.
    pub fn lenient(self, lenient: bool) -> Self {
        Self { lenient, ..self }
    }

    fn fill(&mut self, segment: &Segment) -> Result<()> {
        self.block += 1;
        let block = segment.block(self.block - 1)?;
        let named = |what| Error::Record { key: String::new(), what }.at(segment.path());
        match block {
            Block::Plain(content) => {
                for r in Records(Cursor::new(&content)) {
                    let r = r.map_err(named)?;
                    let key = read_key(&mut Cursor::new(r)).map_err(named)?.to_bytes();
                    self.queue.push_back(Item { key, content: Content::Record(r.to_vec()) });
                }
            }
            Block::Large { head, pieces, stored } => {
                let key = read_key(&mut Cursor::new(&head)).map_err(named)?.to_bytes();
                let raw = head.len() + pieces.raw_len() as usize;
                self.queue.push_back(Item { key, content: Content::Large { stored, raw } });
            }
        }
        Ok(())
    }
}

impl<O: FnMut(usize) -> Result<std::sync::Arc<Segment>>> Source for Levels<O> {
    fn next(&mut self) -> Result<Option<Item>> {
        loop {
            while let Some(item) = self.queue.pop_front() {
                if item.key >= self.from {
                    return Ok(Some(item));
                }
            }
            match self.current.clone() {
                Some(s) if self.block < s.len() => match self.fill(&s) {
                    Err(_) if self.lenient => {}
                    filled => filled?,
                },
                _ => match self.segments.pop_front() {
                    None => return Ok(None),
                    Some(i) => match (self.open)(i) {
                        Err(_) if self.lenient => self.current = None,
                        opened => {
                            let s = opened?;
                            self.block = s.seek(&self.from);
                            self.current = Some(s);
                        }
                    },
                },
            }
        }
    }
}

/// Several sources as one; of equal keys the first source's item.
pub(crate) struct Merge<'a> {
    sources: Vec<(Box<dyn Source + 'a>, Option<Item>)>,
    started: bool,
}

impl<'a> Merge<'a> {
    /// Newest first.
    pub fn new(sources: Vec<Box<dyn Source + 'a>>) -> Self {
        Self { sources: sources.into_iter().map(|s| (s, None)).collect(), started: false }
    }
}

impl Source for Merge<'_> {
    fn next(&mut self) -> Result<Option<Item>> {
        if !self.started {
            self.started = true;
            for (s, head) in &mut self.sources {
                *head = s.next()?;
            }
        }
        let mut best: Option<usize> = None;
        for (i, (_, head)) in self.sources.iter().enumerate() {
            if let Some(h) = head
                && best.is_none_or(|b| self.sources[b].1.as_ref().is_some_and(|x| h.key < x.key))
            {
                best = Some(i);
            }
        }
        let Some(best) = best else { return Ok(None) };
        let item = self.sources[best].1.take();
        if let Some(item) = &item {
            for (s, head) in &mut self.sources {
                if head.as_ref().is_none_or(|h| h.key == item.key) {
                    // Finished sources stay finished.
                    *head = s.next()?;
                }
            }
        }
        Ok(item)
    }
}
