//! The fields of one version in a packument: found in the window, put right as
//! npm reads them, and encoded without being copied first.

use super::super::scan::{Scan, Span, Stop};
use mirror::digest::Integrity;
use mirror::record::{DependencyKind, Parts, RecordBuilder};
use mirror::version::Version;
use std::borrow::Cow;

/// Where the interesting fields of one version lie in the window; reused.
#[derive(Default)]
pub(super) struct Facts {
    key: Span,
    name: Option<Span>,
    version: Option<Span>,
    integrity: Option<Span>,
    shasum: Option<Span>,
    tarball: Option<Span>,
    unpacked: u64,
    install_script: bool,
    deprecated: Option<Span>,
    is_deprecated: bool,
    all_bundled: bool,
    bin: Option<Span>,
    edges: Vec<(DependencyKind, Span, Span)>,
    /// Names with `peerDependenciesMeta.….optional`.
    optional_peers: Vec<Span>,
    bins: Vec<(Span, Span)>,
    engines: Vec<(Span, Span)>,
    bundled: Vec<Span>,
    os: Vec<Span>,
    cpu: Vec<Span>,
    libc: Vec<Span>,
}

impl Facts {
    fn clear(&mut self, key: Span) {
        let mut old = std::mem::take(self);
        old.edges.clear();
        old.bins.clear();
        old.engines.clear();
        let lists = [&mut old.optional_peers, &mut old.bundled, &mut old.os, &mut old.cpu, &mut old.libc];
        lists.into_iter().for_each(Vec::clear);
        let Self { edges, optional_peers, bins, engines, bundled, os, cpu, libc, .. } = old;
        *self = Self { key, edges, optional_peers, bins, engines, bundled, os, cpu, libc, ..Self::default() };
    }

    /// Reads the object behind a version's key.
    pub(super) fn read(&mut self, s: &mut Scan<'_>, key: Span) -> Result<(), Stop> {
        use DependencyKind::{Normal, Optional, Peer};
        self.clear(key);
        if s.peek()? != b'{' {
            // Not a version; `push` leaves it out.
            self.version = Some(Span::default());
            return s.skip();
        }
        s.at += 1;
        let mut first = true;
        while let Some(key) = s.key(&mut first)? {
            match key.bytes(s.window) {
                b"name" => self.name = s.string_or_skip()?,
                b"version" => self.version = s.string_or_skip()?,
                b"dependencies" => pairs(s, |n, r| self.edges.push((Normal, n, r)))?,
                b"optionalDependencies" => pairs(s, |n, r| self.edges.push((Optional, n, r)))?,
                b"peerDependencies" => pairs(s, |n, r| self.edges.push((Peer, n, r)))?,
                b"peerDependenciesMeta" => self.peer_meta(s)?,
                b"bundleDependencies" | b"bundledDependencies" => {
                    if s.peek()? == b'[' {
                        texts(s, &mut self.bundled)?;
                    } else if s.boolean()? == Some(true) {
                        self.all_bundled = true;
                    }
                }
                b"bin" => {
                    self.bin = (s.peek()? == b'"').then(|| s.string()).transpose()?;
                    if self.bin.is_none() {
                        pairs(s, |n, p| self.bins.push((n, p)))?;
                    }
                }
                b"engines" => pairs(s, |n, r| self.engines.push((n, r)))?,
                b"os" => texts(s, &mut self.os)?,
                b"cpu" => texts(s, &mut self.cpu)?,
                b"libc" => texts(s, &mut self.libc)?,
                b"hasInstallScript" | b"gypfile" => self.install_script |= s.boolean()? == Some(true),
                b"scripts" => {
                    let window = s.window;
                    pairs(s, |name, _| {
                        let name = name.bytes(window);
                        self.install_script |= matches!(name, b"preinstall" | b"install" | b"postinstall");
                    })?;
                }
                b"deprecated" => {
                    if s.peek()? == b'"' {
                        let text = s.string()?;
                        // An empty text is how a deprecation is taken back.
                        self.is_deprecated = !text.bytes(s.window).is_empty();
                        self.deprecated = Some(text);
                    } else {
                        self.is_deprecated = s.boolean()? == Some(true);
                    }
                }
                b"dist" => self.dist(s)?,
                _ => s.skip()?,
            }
        }
        Ok(())
    }

    fn dist(&mut self, s: &mut Scan<'_>) -> Result<(), Stop> {
        if s.peek()? != b'{' {
            return s.skip();
        }
        s.at += 1;
        let mut first = true;
        while let Some(key) = s.key(&mut first)? {
            match key.bytes(s.window) {
                b"integrity" => self.integrity = s.string_or_skip()?,
                b"shasum" => self.shasum = s.string_or_skip()?,
                b"tarball" => self.tarball = s.string_or_skip()?,
                b"unpackedSize" => self.unpacked = s.number()?.unwrap_or(0),
                _ => s.skip()?,
            }
        }
        Ok(())
    }

    fn peer_meta(&mut self, s: &mut Scan<'_>) -> Result<(), Stop> {
        if s.peek()? != b'{' {
            return s.skip();
        }
        s.at += 1;
        let mut first = true;
        while let Some(name) = s.key(&mut first)? {
            if s.peek()? != b'{' {
                s.skip()?;
                continue;
            }
            s.at += 1;
            let mut inner = true;
            while let Some(key) = s.key(&mut inner)? {
                if key.bytes(s.window) == b"optional" {
                    if s.boolean()? == Some(true) {
                        self.optional_peers.push(name);
                    }
                } else {
                    s.skip()?;
                }
            }
        }
        Ok(())
    }
}

impl Facts {
    /// Encodes what was read; `window` is the text that the spans point into.
    pub(super) fn push(
        &mut self,
        window: &str,
        builder: &mut RecordBuilder,
        bases: &[String],
    ) -> Result<(), mirror::Error> {
        let key = self.key.text(window);
        let Ok(version) = Version::parse(&key) else { return Ok(()) };
        let is = |span: &Option<Span>, wanted: &str| span.is_none_or(|s| s.text(window) == wanted);
        let same_version = is(&self.version, &key)
            || self
                .version
                .is_some_and(|v| Version::parse_loose(&v.text(window)).is_ok_and(|v| v == version));
        if !same_version || !is(&self.name, &builder.key.name) {
            return Ok(());
        }
        self.order_edges(window.as_bytes());
        let name = builder.key.name.clone();
        let base = name.rsplit('/').next().unwrap_or(&name);
        if self.all_bundled {
            self.bundled.extend(self.edges.iter().filter(|e| e.0 <= DependencyKind::Optional).map(|e| e.1));
        }
        let text = |span: Span| span.text(window);
        let integrity = self.integrity.and_then(|i| read_integrity(&text(i)));
        let integrity = integrity.or_else(|| Integrity::from_shasum(&text(self.shasum?)).ok());
        let tarball =
            self.tarball.map(text).filter(|t| !bases.iter().any(|b| is_derived(t, b, &name, base, &key)));
        let deprecated = self.is_deprecated.then(|| self.deprecated.map_or(Cow::Borrowed(""), text));
        let pair = |&(a, b): &(Span, Span)| (text(a), text(b));
        let single = |span: &Span| text(*span);
        let (mut one_bin, mut bins) =
            (self.bin.iter().map(|path| (Cow::Borrowed(base), text(*path))), self.bins.iter().map(pair));
        builder.push_parts(Parts {
            version,
            integrity,
            unpacked: self.unpacked,
            tarball: tarball.as_deref(),
            deprecated: deprecated.as_deref(),
            install_script: self.install_script,
            published: 0,
            dependencies: &mut self.edges.iter().map(|e| (e.0, text(e.1), text(e.2))),
            bins: if self.bin.is_some() { &mut one_bin } else { &mut bins },
            engines: &mut self.engines.iter().map(pair),
            bundled: &mut self.bundled.iter().map(single),
            os: &mut self.os.iter().map(single),
            cpu: &mut self.cpu.iter().map(single),
            libc: &mut self.libc.iter().map(single),
        })
    }

    /// One edge per name, sorted: of the lists that name it npm takes the last
    /// of peer, normal, optional.
    fn order_edges(&mut self, window: &[u8]) {
        use DependencyKind::{Normal, Optional, Peer, PeerOptional};
        let name = |span: &Span| span.bytes(window);
        if !self.optional_peers.is_empty() {
            mirror::order::sort_by(&mut self.optional_peers, |a, b| name(a).cmp(name(b)));
            for edge in self.edges.iter_mut().filter(|e| e.0 == Peer) {
                if self.optional_peers.binary_search_by(|p| name(p).cmp(name(&edge.1))).is_ok() {
                    edge.0 = PeerOptional;
                }
            }
        }
        if self.edges.windows(2).all(|w| name(&w[0].1) < name(&w[1].1)) {
            return;
        }
        let rank = |kind| match kind {
            Optional => 2,
            Normal => 1,
            _ => 0,
        };
        // Stable: of two equal keys of one list the last counts, as in JSON.
        mirror::order::sort_by(&mut self.edges, |a, b| {
            name(&a.1).cmp(name(&b.1)).then(rank(a.0).cmp(&rank(b.0)))
        });
        self.edges.dedup_by(|later, kept| {
            let same = name(&later.1) == name(&kept.1);
            if same {
                *kept = *later;
            }
            same
        });
    }
}

/// The members of an object whose values are texts; others are passed over.
fn pairs(s: &mut Scan<'_>, mut each: impl FnMut(Span, Span)) -> Result<(), Stop> {
    if s.peek()? != b'{' {
        return s.skip();
    }
    s.at += 1;
    let mut first = true;
    while let Some(key) = s.key(&mut first)? {
        if let Some(value) = s.string_or_skip()? {
            each(key, value);
        }
    }
    Ok(())
}

/// A text, or an array of texts.
fn texts(s: &mut Scan<'_>, out: &mut Vec<Span>) -> Result<(), Stop> {
    if s.peek()? != b'[' {
        out.extend(s.string_or_skip()?);
        return Ok(());
    }
    s.at += 1;
    let mut first = true;
    while s.element(&mut first)? {
        out.extend(s.string_or_skip()?);
    }
    Ok(())
}

/// [`Integrity::parse`], with a short way for what nearly all of them are: a
/// lone SHA-512. (The library's decoder takes constant time, ten times as much.)
pub(super) fn read_integrity(text: &str) -> Option<Integrity> {
    let short = || {
        let digits = text.strip_prefix("sha512-")?.strip_suffix("==")?.as_bytes();
        let mut out = [0; 64];
        if digits.len() != 86 {
            return None;
        }
        let (groups, last) = digits.split_at(84);
        for (group, three) in groups.chunks_exact(4).zip(out.chunks_exact_mut(3)) {
            let n = group.iter().try_fold(0u32, |n, d| Some(n << 6 | sextet(*d)?))?;
            three.copy_from_slice(&n.to_be_bytes()[1..]);
        }
        let (high, low) = (sextet(last[0])?, sextet(last[1])?);
        out[63] = (high << 2 | low >> 4) as u8;
        (low & 15 == 0).then(|| Integrity::from_bytes(mirror::digest::Algorithm::Sha512, &out))?
    };
    short().or_else(|| Integrity::parse(text).ok())
}

fn sextet(digit: u8) -> Option<u32> {
    const TABLE: [u8; 256] = {
        let mut table = [0xff; 256];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut i = 0;
        while i < 64 {
            table[alphabet[i] as usize] = i as u8;
            i += 1;
        }
        table
    };
    Some(TABLE[usize::from(digit)]).filter(|v| *v != 0xff).map(u32::from)
}

/// `url` is `BASE + NAME/-/BASENAME-VERSION.tgz`, where the archive would be
/// looked for anyway (the slash of a scope may be written `%2f`).
pub(super) fn is_derived(url: &str, base_url: &str, name: &str, base: &str, version: &str) -> bool {
    let Some(rest) = url.strip_prefix(base_url) else { return false };
    let rest = rest.strip_prefix(name).or_else(|| {
        let (scope, base) = name.split_once('/')?;
        let rest = rest.strip_prefix(scope)?;
        rest.strip_prefix("%2f").or(rest.strip_prefix("%2F"))?.strip_prefix(base)
    });
    let tail = rest.and_then(|r| r.strip_prefix("/-/")?.strip_prefix(base)?.strip_prefix('-'));
    tail.and_then(|t| t.strip_prefix(version)) == Some(".tgz")
}
