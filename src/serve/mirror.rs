//! A mirror as a site: its files by their names, as any static web server would give them out.

use super::{Answer, Request, Site};
use mirror::Mirror;
use mirror::digest::Hash;
use std::io::Read;

/// Longest file that may change and is given out: a slot, a document of keys, the text for people.
const SHORT: u64 = 64 << 10;

impl Site for Mirror {
    fn answer(&self, request: &Request) -> Answer {
        let name = request.path.trim_start_matches('/');
        // For people who look what this is.
        let name = if name.is_empty() { "MIRROR.TXT" } else { name };
        match self.public(name) {
            Ok(Some(public)) if public.immutable => {
                let tag = name.rsplit('/').next().unwrap_or_default();
                Answer::file(public.file, public.bytes, tag)
            }
            Ok(Some(public)) => {
                let mut bytes = Vec::new();
                match public.file.take(SHORT).read_to_end(&mut bytes) {
                    Ok(_) => {
                        let tag = Hash::of(&bytes).file_name();
                        Answer::text(bytes, &tag)
                    }
                    Err(_) => Answer::status(500),
                }
            }
            Ok(None) => Answer::status(404),
            Err(_) => Answer::status(500),
        }
    }
}
