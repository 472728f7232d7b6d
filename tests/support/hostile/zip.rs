//! zip archives, written field by field, and what can be wrong with them.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

const MANIFEST: &str = r#"{"name":"evil","version":"1.0.0"}"#;
const FILE: u32 = 0o100_644 << 16;
const FOLDER: u32 = 0o040_755 << 16 | 0x10;

/// One entry; what the local header says may differ from what the directory says.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    size: u32,
    attributes: u32,
    system: u8,
    extra: Vec<u8>,
    local_extra: Vec<u8>,
    /// Behind the data: a data descriptor, or what should not be there.
    behind: Vec<u8>,
    /// Changes the local header.
    local: fn(&mut Vec<u8>),
    /// Changes the record in the directory.
    central: fn(&mut Vec<u8>),
}

fn entry(name: &str, content: &[u8]) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("deflate in memory");
    Entry {
        name: name.into(),
        data: encoder.finish().expect("deflate in memory"),
        method: 8,
        flags: if name.is_ascii() { 0 } else { 1 << 11 },
        crc: crc32fast::hash(content),
        size: u32::try_from(content.len()).expect("small"),
        attributes: FILE,
        system: 3,
        extra: Vec::new(),
        local_extra: Vec::new(),
        behind: Vec::new(),
        local: |_| {},
        central: |_| {},
    }
}

impl Entry {
    fn stored(name: &str, content: &[u8]) -> Self {
        Self { data: content.to_vec(), method: 0, ..entry(name, content) }
    }
    /// Sizes and checksum only behind the data.
    fn described(mut self) -> Self {
        let said = [self.crc, self.data.len() as u32, self.size];
        self.behind = [b"PK\x07\x08".to_vec(), said.iter().flat_map(|n| n.to_le_bytes()).collect()].concat();
        self.flags |= 1 << 3;
        self.local = |h| h[14..26].fill(0);
        self
    }
    fn common(&self, extra: &[u8]) -> Vec<u8> {
        let mut h = Vec::new();
        for n in [self.flags, self.method, 0x6000, 0x5a21] {
            h.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.crc, self.data.len() as u32, self.size] {
            h.extend_from_slice(&n.to_le_bytes());
        }
        h.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        h.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        h
    }
}

#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Parts {
    fn add(&mut self, e: &Entry) {
        let at = self.bytes.len() as u32;
        let mut local = [&b"PK\x03\x04\x14\0"[..], &e.common(&e.local_extra)].concat();
        (e.local)(&mut local);
        self.bytes.extend([&local[..], &e.name, &e.local_extra, &e.data, &e.behind].concat());
        self.record(e, at);
    }
    fn record(&mut self, e: &Entry, at: u32) {
        let mut record = [&b"PK\x01\x02\x14"[..], &[e.system, 20, 0], &e.common(&e.extra)].concat();
        record.extend_from_slice(&[0; 6]);
        record.extend_from_slice(&e.attributes.to_le_bytes());
        record.extend_from_slice(&at.to_le_bytes());
        (e.central)(&mut record);
        self.directory.extend([&record[..], &e.name, &e.extra].concat());
        self.entries += 1;
    }
    fn finish(self) -> Vec<u8> {
        let end = self.end(self.bytes.len() as u32);
        [self.bytes, self.directory, end].concat()
    }
    fn end(&self, start: u32) -> Vec<u8> {
        let n = self.entries.to_le_bytes();
        let size = (self.directory.len() as u32).to_le_bytes();
        [&b"PK\x05\x06\0\0\0\0"[..], &n, &n, &size, &start.to_le_bytes(), &[0, 0]].concat()
    }
    /// With 64-bit records in front of the end record, which is full where it can be; `entries` is what they say.
    fn finish64(self, entries: u64) -> Vec<u8> {
        let (start, size) = (self.bytes.len() as u64, self.directory.len() as u64);
        let mut wide = b"PK\x06\x06".to_vec();
        wide.extend_from_slice(&44_u64.to_le_bytes());
        wide.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [entries, entries, size, start].iter().for_each(|n| wide.extend_from_slice(&n.to_le_bytes()));
        wide.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        wide.extend_from_slice(&(start + size).to_le_bytes());
        wide.extend_from_slice(&1_u32.to_le_bytes());
        let end = [&b"PK\x05\x06\0\0\0\0"[..], &[0xff; 12], &[0, 0]].concat();
        [self.bytes, self.directory, wide, end].concat()
    }
}

fn zip(entries: &[Entry]) -> Vec<u8> {
    parts(entries).finish()
}

fn parts(entries: &[Entry]) -> Parts {
    let mut parts = Parts::default();
    parts.add(&entry("package/package.json", MANIFEST.as_bytes()));
    entries.iter().for_each(|e| parts.add(e));
    parts
}

/// Two 64-bit sizes as an extra field.
fn wide(sizes: &[u64]) -> Vec<u8> {
    let body: Vec<u8> = sizes.iter().flat_map(|n| n.to_le_bytes()).collect();
    [&[1, 0][..], &(body.len() as u16).to_le_bytes(), &body].concat()
}

pub fn archive(kind: &str) -> Option<Vec<u8>> {
    let js = || entry("package/a.js", &b"x".repeat(1000));
    let named = |name: &str| zip(&[entry(name, b"x")]);
    let mode = |mode: u32| zip(&[Entry { attributes: mode << 16, ..entry("package/link", b"/etc/passwd") }]);
    Some(match kind {
        // The same names as in tar streams.
        "traversal" => named("package/../../escaped"),
        "absolute" => named("/tmp/escaped-absolute"),
        "backslash" => named("package\\..\\..\\escaped"),
        "drive" => named("C:/escaped"),
        "control-character" => named("package/a\u{1b}[31mb"),
        "nul" => named("package/a\0b"),
        "case-collision" => zip(&[entry("package/A.js", b"x"), entry("package/a.js", b"y")]),
        "unicode-collision" => zip(&[entry("package/\u{e9}", b"x"), entry("package/e\u{301}", b"y")]),
        "file-then-directory" => zip(&[entry("package/a", b"x"), entry("package/a/b", b"y")]),
        "reserved-name" => named("package/lib/aux.js"),
        "deep" => named(&format!("package/{}x", "d/".repeat(600))),
        "long-name" => named(&format!("package/{}", "n".repeat(300))),
        "no-name" => named(""),
        "name-mismatch" => {
            let mut p = Parts::default();
            p.add(&entry("package.json", br#"{"name":"other","version":"1.0.0"}"#));
            p.finish()
        }
        "no-manifest" => {
            let mut p = Parts::default();
            p.add(&entry("package/index.js", b"x"));
            p.finish()
        }
        "nothing" => Parts::default().finish(),
        // What only attributes say.
        "symlink" => mode(0o120_777),
        "fifo" => mode(0o010_644),
        "block-device" => mode(0o060_644),
        "directory-by-mode" => mode(0o040_755),
        "directory-by-attribute" => zip(&[Entry { attributes: 0x10, ..js() }]),
        "directory-by-name" => zip(&[Entry::stored("package/d/", b"")]),
        "directory-with-content" => zip(&[Entry { attributes: FOLDER, ..entry("package/d/", b"x") }]),
        // Two descriptions that do not agree.
        "other-name" => zip(&[Entry { local: |h| h[26] = 11, ..js() }]),
        "other-name-of-same-length" => {
            let mut bytes = zip(&[js()]);
            let at = position(&bytes, b"package/a.js");
            bytes[at + 8] = b'b';
            bytes
        }
        "other-size" => zip(&[Entry { local: |h| h[22] ^= 1, ..js() }]),
        "other-compressed-size" => zip(&[Entry { local: |h| h[18] ^= 1, ..js() }]),
        "other-checksum" => zip(&[Entry { local: |h| h[14] ^= 1, ..js() }]),
        "other-method" => zip(&[Entry { local: |h| h[8] = 0, ..js() }]),
        "other-flags" => zip(&[Entry { local: |h| h[6] = 2, ..js() }]),
        "sizes-left-out" => zip(&[Entry { local: |h| h[14..26].fill(0), ..js() }]),
        "other-offset" => zip(&[Entry { central: |h| h[42] ^= 1, ..js() }]),
        "offset-beyond" => zip(&[Entry { central: |h| h[45] = 0x7f, ..js() }]),
        // What is said of the data and is not so.
        "wrong-checksum" => zip(&[Entry { crc: 1, ..js() }]),
        "size-too-small" => zip(&[Entry { size: 999, ..js() }]),
        "size-too-large" => zip(&[Entry { size: 1001, ..js() }]),
        "stored-two-sizes" => zip(&[Entry { size: 1001, ..Entry::stored("package/a.js", &[b'x'; 1000]) }]),
        "larger-than-archive" => {
            let big: fn(&mut Vec<u8>) = |h| h[21] = 0x10;
            zip(&[Entry { local: big, central: |h| h[23] = 0x10, ..js() }])
        }
        "damaged" => zip(&[Entry { data: vec![0xff; 30], ..js() }]),
        "data-behind-the-end" => zip(&[Entry { data: [js().data, b"hidden".to_vec()].concat(), ..js() }]),
        // Bytes that belong to none, or to two.
        "overlap" => {
            let mut p = parts(&[]);
            let at = p.bytes.len() as u32;
            p.add(&js());
            p.record(&js(), at);
            p.finish()
        }
        "overlap-bomb" => {
            let mut p = parts(&[]);
            let at = p.bytes.len() as u32;
            let mut e = entry("package/000000", &vec![0; 8 << 20]);
            p.add(&e);
            for n in 1..5000 {
                e.name = format!("package/{n:06}").into_bytes();
                p.record(&e, at);
            }
            p.finish()
        }
        "entry-in-an-entry" => {
            let inner = {
                let mut p = Parts::default();
                p.add(&entry("package/b.js", b"hidden"));
                p.bytes
            };
            let mut p = parts(&[]);
            let at = p.bytes.len() as u32 + 30 + 12;
            p.add(&Entry::stored("package/a.js", &inner));
            p.record(&entry("package/b.js", b"hidden"), at);
            p.finish()
        }
        "hidden-entry" => {
            let mut p = parts(&[]);
            let hidden = parts(&[]).bytes;
            p.bytes.extend_from_slice(&hidden);
            p.add(&js());
            p.finish()
        }
        "bytes-before-the-directory" => {
            let mut p = parts(&[js()]);
            p.bytes.extend_from_slice(b"hidden");
            p.finish()
        }
        "bytes-in-front" => [&b"#!/bin/sh\n"[..], &zip(&[js()])].concat(),
        "bytes-in-the-directory" => {
            let mut p = parts(&[js()]);
            p.directory.extend_from_slice(b"hidden");
            p.finish()
        }
        "twice" => zip(&[js(), js()]),
        "twice-other-content" => zip(&[js(), entry("package/a.js", b"other")]),
        // Data descriptors.
        "descriptor-missing" => zip(&[Entry { behind: Vec::new(), ..js().described() }]),
        "descriptor-lies" => {
            let mut e = js().described();
            e.behind[12] ^= 1;
            zip(&[e])
        }
        "descriptor-unannounced" => zip(&[Entry { flags: 0, ..js().described() }]),
        "descriptor-and-more" => {
            let mut e = js().described();
            e.behind.extend_from_slice(b"hidden");
            zip(&[e])
        }
        "stored-described" => zip(&[Entry::stored("package/a.js", b"x").described()]),
        // 64-bit fields.
        "wide-lies" => {
            let full: fn(&mut Vec<u8>) = |h| h[24..28].fill(0xff);
            zip(&[Entry { extra: wide(&[5 << 30]), central: full, ..js() }])
        }
        "wide-unneeded-but-right" => zip(&[Entry { extra: wide(&[1000]), ..js() }]),
        "wide-unneeded" => zip(&[Entry { extra: wide(&[1]), ..js() }]),
        "wide-unneeded-local" => zip(&[Entry { local_extra: wide(&[1, 1]), ..js() }]),
        "wide-twice" => zip(&[Entry { extra: [wide(&[]), wide(&[])].concat(), ..js() }]),
        "wide-end-lies" => parts(&[js()]).finish64(1),
        "wide-end-length" => ends(|wide, _, _| wide[4] = 45),
        "wide-end-volume" => ends(|wide, _, _| wide[16] = 1),
        "wide-end-entries" => ends(|wide, _, _| wide[24] = 1),
        "wide-end-locator-volume" => ends(|_, locator, _| locator[4] = 1),
        "wide-end-locator-volumes" => ends(|_, locator, _| locator[16] = 2),
        "wide-end-locator-place" => ends(|_, locator, _| locator[8] ^= 1),
        "wide-end-other-entries" => ends(|_, _, end| end[8..12].copy_from_slice(&[3, 0, 3, 0])),
        "wide-end-other-size" => ends(|_, _, end| end[12] = 0),
        "wide-end-other-start" => ends(|_, _, end| end[16] = 0),
        "many-entries" => parts(&[js()]).finish64(200_001),
        "entries-missing" => parts(&[js()]).finish64(3),
        // What is not read.
        "encrypted" => zip(&[Entry { flags: 1, ..js() }]),
        "strongly-encrypted" => zip(&[Entry { flags: 1 << 6, ..js() }]),
        "masked" => zip(&[Entry { flags: 1 << 13, ..js() }]),
        "patched" => zip(&[Entry { flags: 1 << 5, ..js() }]),
        "method-bzip2" => zip(&[Entry { method: 12, ..js() }]),
        "method-unknown" => zip(&[Entry { method: 99, ..js() }]),
        "version-unknown" => zip(&[Entry { central: |h| h[6] = 64, ..js() }]),
        "volumes" => edited(zip(&[js()]), |end| end[4] = 1),
        "entry-in-another-volume" => zip(&[Entry { central: |h| h[34] = 1, ..js() }]),
        "name-not-marked" => zip(&[Entry { flags: 0, ..entry("package/\u{e9}.js", b"x") }]),
        "name-not-utf8" => zip(&[Entry { name: b"package/\xe9.js".to_vec(), flags: 1 << 11, ..js() }]),
        "second-name" => {
            let other = [&[0x75, 0x70, 17, 0, 1, 0, 0, 0, 0][..], b"package/b.js"].concat();
            zip(&[Entry { extra: other.clone(), local_extra: other, ..js() }])
        }
        "extra-cut" => zip(&[Entry { extra: vec![0x55, 0x54, 9, 0, 1], ..js() }]),
        // The end.
        "truncated" => {
            let bytes = zip(&[entry("package/a.js", &super::noise(100_000))]);
            bytes[..bytes.len() / 2].to_vec()
        }
        "cut-in-the-end" => {
            let bytes = zip(&[js()]);
            bytes[..bytes.len() - 10].to_vec()
        }
        "trailing-garbage" => [&zip(&[js()])[..], b"garbage"].concat(),
        "comment-cut" => edited(zip(&[js()]), |end| end[20] = 5),
        "two-ends" => {
            let first = edited(zip(&[js()]), |end| end[20] = 22);
            [&first[..], &Parts::default().end(0)].concat()
        }
        "directory-size-lies" => edited(zip(&[js()]), |end| end[12] ^= 1),
        "padded-without-end" => [zip(&[js()]), vec![0; 66_000]].concat(),
        "directory-elsewhere" => edited(zip(&[js()]), |end| end[16] ^= 1),
        "bomb" => zip(&[entry("package/zeros", &vec![0; 128 << 20])]),

        // Legal from here on.
        "ok-top-folder" => zip(&[js(), Entry::stored("package/stored", b"x")]),
        "ok-no-folder" => {
            let mut p = Parts::default();
            p.add(&entry("lib/a.js", b"x"));
            p.add(&entry("package.json", MANIFEST.as_bytes()));
            p.finish()
        }
        "ok-manifest-alone" => {
            let mut p = Parts::default();
            p.add(&entry("package.json", format!("{MANIFEST}{}", " ".repeat(967)).as_bytes()));
            p.finish()
        }
        "ok-modes" => zip(&[
            Entry { attributes: 0o100_755 << 16, ..entry("package/run", b"#!") },
            Entry { attributes: 0o104_755 << 16, ..entry("package/setuid", b"#!") },
            Entry { attributes: 0, ..js() },
            Entry { attributes: 0x20, system: 0, ..entry("package/dos.js", b"x") },
        ]),
        "ok-directories" => zip(&[
            Entry { attributes: FOLDER, ..Entry::stored("package/lib/", b"") },
            Entry { attributes: 0x10, system: 0, ..Entry::stored("package/empty/", b"") },
            entry("package/lib/a.js", b"x"),
        ]),
        "ok-described" => zip(&[js().described(), entry("package/b.js", b"y").described()]),
        "ok-described-without-mark" => {
            let mut e = js().described();
            e.behind.drain(..4);
            zip(&[e])
        }
        "ok-wide" => {
            let size = |h: &mut Vec<u8>| h[18..26].fill(0xff);
            let full = |h: &mut Vec<u8>| h[20..28].fill(0xff);
            let sizes = wide(&[1000, js().data.len() as u64]);
            let mut p = parts(&[Entry {
                extra: sizes.clone(),
                local_extra: sizes,
                local: size,
                central: full,
                ..js()
            }]);
            p.add(&entry("package/b.js", b"y"));
            p.finish64(3)
        }
        "ok-wide-end-not-full" => ends(|wide, _, end| {
            end[8..10].copy_from_slice(&wide[24..26]);
            end[10..12].copy_from_slice(&wide[32..34]);
            end[12..16].copy_from_slice(&wide[40..44]);
            end[16..20].copy_from_slice(&wide[48..52]);
        }),
        "ok-described-wide" => {
            let mut e = js().described();
            let sizes = e.behind.split_off(8);
            sizes.chunks(4).for_each(|n| e.behind.extend([n, &[0; 4]].concat()));
            zip(&[e])
        }
        // Writers that write a stream describe everything behind it, a folder too.
        "ok-described-folder" => {
            zip(&[js(), Entry { attributes: FOLDER, ..Entry::stored("package/lib/", b"") }.described()])
        }
        "ok-newest-version" => zip(&[Entry { central: |h| h[6] = 63, ..js() }]),
        "ok-same-second-name" => {
            let same = [&[0x75, 0x70, 17, 0, 1, 0, 0, 0, 0][..], b"package/a.js"].concat();
            zip(&[Entry { extra: same.clone(), local_extra: same, ..js() }])
        }
        "ok-noise" => zip(&[entry("package/a.js", &super::noise(200_000)), entry("package/b.js", b"y")]),
        "ok-utf8" => named("package/\u{e9}\u{65e5}.js"),
        "ok-times" => {
            let times = vec![0x55, 0x54, 5, 0, 1, 0, 0, 0, 0];
            zip(&[Entry { extra: times.clone(), local_extra: times, ..js() }])
        }
        "ok-comment" => [edited(zip(&[js()]), |end| end[20] = 7), b"comment".to_vec()].concat(),
        "ok-padded" => [zip(&[js()]), vec![0; 9000]].concat(),
        "ok-other-order" => {
            let mut p = parts(&[]);
            let at = p.bytes.len() as u32;
            p.add(&js());
            let later = p.bytes.len() as u32;
            p.add(&entry("package/b.js", b"y"));
            (p.directory, p.entries) = (Vec::new(), 0);
            p.record(&entry("package/b.js", b"y"), later);
            p.record(&entry("package/package.json", MANIFEST.as_bytes()), 0);
            p.record(&js(), at);
            p.finish()
        }
        "ok-empty-file" => zip(&[entry("package/a.js", b""), Entry::stored("package/b.js", b"")]),
        _ => return None,
    })
}

fn position(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).expect("it is there")
}

/// Changes the 64-bit end record, its locator, or the end record.
fn ends(edit: impl Fn(&mut [u8], &mut [u8], &mut [u8])) -> Vec<u8> {
    let mut bytes = parts(&[entry("package/a.js", &b"x".repeat(1000))]).finish64(2);
    let at = bytes.len() - 98;
    let (wide, rest) = bytes[at..].split_at_mut(56);
    let (locator, end) = rest.split_at_mut(20);
    edit(wide, locator, end);
    bytes
}

/// Changes the end record.
fn edited(mut bytes: Vec<u8>, edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let at = bytes.len() - 22;
    edit(&mut bytes[at..]);
    bytes
}
