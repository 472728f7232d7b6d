//! SEE/: heads of mirrors that machines have seen, each with its mirror's own signatures. Whoever knows
//! a mirror's keys learns from any other mirror how far that one was, and knows an old copy when it comes.

use super::Head;
use crate::error::Result;
use crate::layout::SEEN;
use crate::left::{self, Left};
use crate::mirror::Mirror;
use crate::snapshot::MirrorId;
use std::path::PathBuf;

/// The longest head that is read.
const LIMIT: u64 = 8 << 10;

impl Mirror {
    /// What others left here. Nothing of it is believed yet; what cannot be read is passed over.
    pub fn heads_seen(&self) -> Result<Vec<(Head, PathBuf)>> {
        let heads = left::read(self, SEEN, LIMIT)?.into_iter();
        Ok(heads.filter_map(|(bytes, path)| Some((Head::parse(&bytes)?, path))).collect())
    }

    /// Leaves heads of mirrors here, durably; of each the furthest. How many are new.
    pub fn leave_heads(&self, heads: &[Head], waiting: &mut dyn FnMut(&str)) -> Result<usize> {
        // Its own tells nobody anything, unless this is an old copy.
        let telling = heads.iter().filter(|head| head.id != self.id() || head.sequence > self.sequence());
        let document = |head: &Head| Left { id: head.id, number: head.sequence, bytes: head.to_bytes() };
        let documents: Vec<Left> = telling.map(document).collect();
        left::leave(self, SEEN, &documents, &mut || self.heads_there(), waiting)
    }

    /// Whose heads lie here, how far, and where.
    pub(crate) fn heads_there(&self) -> Result<Vec<(MirrorId, u64, PathBuf)>> {
        let seen = self.heads_seen()?.into_iter();
        Ok(seen.map(|(head, path)| (head.id, head.sequence, path)).collect())
    }
}
