//! Oddities of tar headers: what pax, GNU and old writers put there, and what nobody should.

use super::ended;
use super::tar::Tar;

/// Numbers of eleven digits.
fn octal(n: u64) -> Vec<u8> {
    format!("{n:011o}\0").into_bytes()
}

const SIZE: std::ops::Range<usize> = 124..136;
const MODE: std::ops::Range<usize> = 100..108;
const OWNER: std::ops::Range<usize> = 108..124;
const TIME: std::ops::Range<usize> = 136..148;

/// Too long for a ustar name, each part short enough.
pub fn long() -> String {
    format!("package/{}/{}.js", vec!["d".repeat(40); 4].join("/"), "f".repeat(60))
}

/// The whole tar stream of a kind.
pub fn stream(kind: &str) -> Option<Vec<u8>> {
    let mut t = Tar::default();
    let manifest: &[u8] = br#"{"name":"evil","version":"1.0.0"}"#;
    t.file("package/package.json", manifest);
    let own_root = |paths: &[(&str, &[u8])]| {
        let mut t = Tar::default();
        paths.iter().for_each(|(path, content)| t.file(path, content));
        t
    };
    let field = |t: &mut Tar, range: std::ops::Range<usize>, value: &[u8]| {
        t.with(b"package/a.js", b"x", |h| h[range.clone()].copy_from_slice(value));
    };
    match kind {
        // Names.
        "dot-dot-end" => t.file("package/..", b"x"),
        "pax-traversal" => t.pax_file("package/../../escaped", b"x"),
        "pax-absolute" => t.pax_file("/tmp/escaped-absolute", b"x"),
        "pax-nul" => {
            t.pax(b'x', &[("path", b"package/a\0b")]);
            t.file("package/a", b"x");
        }
        "gnu-traversal" => {
            t.typed(b'L', "././@LongLink", b"package/../../escaped\0");
            t.file("package/a", b"x");
        }
        "bidirectional" => t.file("package/\u{202e}gnp.\u{1b}[0m", b"x"),
        "case-of-directories" => {
            t.file("package/lib/x", b"x");
            t.file("package/Lib/y", b"y");
        }
        "sharp-s" => {
            t.file("package/stra\u{df}e", b"x");
            t.file("package/STRASSE", b"y");
        }
        "trailing-dot" => {
            t.file("package/a", b"x");
            t.file("package/a.", b"y");
        }
        "file-over-directory" => {
            t.file("package/a/b", b"x");
            t.file("package/a", b"y");
        }
        "reserved-with-extension" => t.file("package/lib/aux.js", b"x"),
        "reserved-directory" => t.file("package/com1/x.js", b"x"),
        "no-name" => t.with(b"", b"x", |_| {}),
        "gnu-no-name" => {
            t.typed(b'L', "././@LongLink", b"\0");
            t.file("package/a", b"x");
        }
        "slash-at-the-end" => t.file("package/a.js/", b"x"),
        "no-top-folder" => t = own_root(&[("package.json", manifest), ("index.js", b"x")]),
        "many-directories" => {
            for n in 0..3600 {
                t.pax_file(&format!("package/{n}{}/x", "/d".repeat(60)), b"");
            }
        }
        "many-names" => {
            for n in 0..400 {
                t.pax_file(&format!("package/{n}{}/x", format!("/{}", "d".repeat(60)).repeat(60)), b"");
            }
        }
        // Types.
        "sparse" => t.typed(b'S', "package/a.js", b"x"),
        "pax-sparse" => {
            t.pax(b'x', &[("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"package/b.js")]);
            t.file("package/a.js", b"x");
        }
        "unknown-type" => t.typed(b'Q', "package/a.js", b"x"),
        "volume-label" => t.typed(b'V', "label", b""),
        "access-list" => t.typed(b'A', "package/acl", b"user::rw-"),
        "directory-listing" => t.typed(b'D', "package/d/", b"Ya\0\0"),
        "directory-with-content" => t.typed(b'5', "package/d/", b"xx"),
        // Sizes.
        "size-negative" => field(&mut t, SIZE, &[0xff; 12]),
        "size-of-7-gib" => field(&mut t, SIZE, &[0x80, 0, 0, 0, 0, 0, 0, 1, 0xc0, 0, 0, 0]),
        "size-beyond-64-bits" => field(&mut t, SIZE, &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        "size-near-64-bits" => {
            field(&mut t, SIZE, &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        }
        "size-no-number" => field(&mut t, SIZE, b"zzzzzzzzzzz\0"),
        "size-with-sign" => field(&mut t, SIZE, b"+0000000001\0"),
        "size-with-blank" => field(&mut t, SIZE, b"00000 00001\0"),
        "size-then-digits" => field(&mut t, SIZE, b"1 7        \0"),
        "prefix-of-no-ustar" => t.with(b"a.js", b"x", |h| {
            h[257..265].copy_from_slice(b"ustar\0\0\0");
            h[345..352].copy_from_slice(b"package");
        }),
        "size-beyond-the-end" => field(&mut t, SIZE, &octal(5000)),
        // Extended headers.
        "pax-other-size" => {
            t.pax(b'x', &[("size", b"0")]);
            t.file("package/a.js", b"abc");
        }
        "pax-size-no-number" => {
            t.pax(b'x', &[("size", b"0x1")]);
            t.file("package/a.js", b"x");
        }
        "pax-two-sizes" => {
            t.pax(b'x', &[("size", b"1"), ("size", b"1")]);
            t.file("package/a.js", b"x");
        }
        "pax-two-paths" => {
            t.pax(b'x', &[("path", b"package/a.js"), ("path", b"package/b.js")]);
            t.file("package/c.js", b"x");
        }
        "gnu-and-pax-path" => {
            t.typed(b'L', "././@LongLink", b"package/a.js\0");
            t.pax(b'x', &[("path", b"package/b.js")]);
            t.file("package/c.js", b"x");
        }
        "pax-global-path" => {
            t.pax(b'g', &[("path", b"package/b.js")]);
            t.file("package/a.js", b"x");
        }
        "pax-global-size" => {
            t.pax(b'g', &[("size", b"0")]);
            t.file("package/a.js", b"x");
        }
        "pax-after-a-path" => {
            t.pax(b'x', &[("path", b"package/a.js")]);
            t.pax(b'x', &[("mtime", b"1")]);
            t.file("package/b.js", b"x");
        }
        "pax-after-a-size" => {
            t.pax(b'x', &[("size", b"1")]);
            t.pax(b'x', &[("mtime", b"1")]);
            t.file("package/a.js", b"x");
        }
        "pax-length" => {
            t.typed(b'x', "package/PaxHeader", b"99 path=package/b.js\n");
            t.file("package/a.js", b"x");
        }
        "pax-no-newline" => {
            t.typed(b'x', "package/PaxHeader", b"20 path=package/b.js");
            t.file("package/a.js", b"x");
        }
        "pax-of-a-mebibyte" => {
            t.pax(b'x', &[("comment", &vec![b'c'; 1 << 20])]);
            t.file("package/a.js", b"x");
        }
        "pax-padded-inside" => {
            t.typed(b'x', "package/PaxHeader", b"21 path=package/b.js\n\0\0\0");
            t.file("package/a.js", b"x");
        }
        "ok-pax-padded" => {
            t.typed(b'x', "package/PaxHeader", b"11 mtime=1\n\0\0\0");
            t.file("package/a.js", b"x");
        }
        "pax-behind-its-end" => {
            t.pax(b'x', &[("mtime", b"1"), ("path", b"package/b.js")]);
            let at = t.bytes.len() - 1024;
            t.bytes[at + 124..at + 136].copy_from_slice(&octal(11));
            let mut header: [u8; 512] = t.bytes[at..at + 512].try_into().expect("a block");
            Tar::seal(&mut header);
            t.bytes[at..at + 512].copy_from_slice(&header);
            t.file("package/a.js", b"x");
        }
        "gnu-behind-its-end" => {
            t.with(b"././@LongLink", b"p", |h| h[156] = b'L');
            let at = t.bytes.len() - 511;
            t.bytes[at..at + 11].copy_from_slice(b"ackage/b.js");
            t.file("package/a.js", b"x");
        }
        "pax-of-nothing" => t.pax(b'x', &[("path", b"package/b.js")]),
        // Behind the end.
        "second-tar" => {
            let first = t.bytes.clone();
            return Some([ended(first.clone()), ended(first)].concat());
        }
        "one-zero-block-then-more" => {
            let first = t.bytes.clone();
            return Some([&first[..], &[0; 512], &first[..]].concat());
        }
        "junk-behind-the-end" => return Some([ended(t.bytes), b"junk".repeat(200)].concat()),
        "cut-in-a-file" => {
            t.file("package/a.js", &[b'x'; 2000]);
            t.bytes.truncate(t.bytes.len() - 1024);
            return Some(t.bytes);
        }
        "cut-in-a-header" => {
            let bytes = [&t.bytes[..], &Tar::header("package/a.js", b'0', "", 0o644, 0)[..300]].concat();
            return Some(bytes);
        }
        "cut-in-an-extended-header" => {
            t.pax(b'x', &[("comment", &[b'c'; 2000])]);
            t.bytes.truncate(t.bytes.len() - 1024);
            return Some(t.bytes);
        }
        // Manifests.
        "huge-manifest" => {
            let padded = [manifest, &vec![b' '; 2 << 20]].concat();
            t = own_root(&[("package/package.json", &padded)]);
        }
        "manifest-not-utf8" => t = own_root(&[("package/package.json", b"{\"name\":\"\xff\"}")]),
        "manifest-is-a-list" => t = own_root(&[("package/package.json", b"[]")]),

        // Legal from here on: npm installs all of them, but for the last.
        "ok-dot-root" => t = own_root(&[("./package.json", manifest), ("./lib/a.js", b"x")]),
        "ok-two-roots" => t = own_root(&[("a/package.json", manifest), ("b/a.js", b"x")]),
        "ok-slashes" => t = own_root(&[("package//package.json", manifest), ("package///lib//a.js", b"x")]),
        "ok-inner-dots" => t.file("package/./lib/./a.js", b"x"),
        "ok-directories" => {
            t.typed(b'5', "package/", b"");
            t.typed(b'5', "package/empty/", b"");
            t.typed(b'5', "package/lib", b"");
            t.file("package/lib/a.js", b"x");
            t.typed(b'5', "package/lib/", b"");
        }
        "ok-old-directories" => {
            t.typed(b'0', "package/lib/", b"");
            t.typed(0, "package/lib/a.js", b"x");
        }
        "ok-git-archive" => {
            let first = std::mem::take(&mut t.bytes);
            t.pax(b'g', &[("comment", &[b'a'; 40])]);
            t.bytes.extend(first);
        }
        "ok-macos" => {
            let apple: [(&str, &[u8]); 3] = [
                ("LIBARCHIVE.xattr.com.apple.quarantine", b"MDA4MTs="),
                ("SCHILY.xattr.com.apple.provenance", b"\x01\x00\xff"),
                ("mtime", b"1700000000.123456789"),
            ];
            t.pax(b'x', &apple);
            t.file("package/a.js", b"x");
            t.file("package/._a.js", b"\0\x05\x16\x07");
        }
        "ok-pax-times" => {
            t.pax(
                b'x',
                &[("atime", b"1.5"), ("ctime", b"-2"), ("uid", b"4294967296"), ("hdrcharset", b"BINARY")],
            );
            t.file("package/a.js", b"x");
        }
        "ok-pax-size" => {
            t.pax(b'x', &[("size", b"1")]);
            t.file("package/a.js", b"x");
        }
        "ok-pax-of-64-kib" => {
            t.pax(b'x', &[("comment", &vec![b'c'; (64 << 10) - "65536 comment=\n".len()])]);
            t.file("package/a.js", b"x");
        }
        "ok-pax-nothing" => {
            t.typed(b'x', "package/PaxHeader", b"");
            t.file("package/a.js", b"x");
        }
        "ok-pax-twice" => {
            t.pax(b'x', &[("mtime", b"1")]);
            t.pax(b'x', &[("path", b"package/a.js")]);
            t.file("package/s", b"x");
        }
        "ok-pax-solaris" => {
            t.pax(b'X', &[("path", b"package/a.js")]);
            t.file("package/s", b"x");
        }
        "ok-pax-link" => {
            t.pax(b'x', &[("linkpath", b"/etc/passwd")]);
            t.file("package/a.js", b"x");
        }
        "ok-gnu-long" | "ok-gnu-long-without-nul" => {
            let end = if kind == "ok-gnu-long" { "\0" } else { "" };
            t.typed(b'L', "././@LongLink", format!("{}{end}", long()).as_bytes());
            t.with(&long().as_bytes()[..100], b"x", |h| h[257..265].copy_from_slice(b"ustar  \0"));
        }
        "ok-gnu-long-link" => {
            t.typed(b'K', "././@LongLink", b"abc\0");
            t.file("package/a.js", b"x");
        }
        "ok-gnu-then-pax" => {
            t.typed(b'L', "././@LongLink", b"package/a.js\0");
            t.pax(b'x', &[("mtime", b"1")]);
            t.file("package/s", b"x");
        }
        // GNU keeps times where ustar keeps a prefix.
        "ok-gnu-times" => t.with(b"package/a.js", b"x", |h| {
            h[257..265].copy_from_slice(b"ustar  \0");
            h[345..369].copy_from_slice(b"00000000000\x0000000000000\x00");
        }),
        "ok-ustar-prefix" => t.with(b"a.js", b"x", |h| {
            h[345..345 + 104].copy_from_slice(format!("package/{}", "d".repeat(96)).as_bytes());
        }),
        "ok-name-of-100" => t.file(&format!("package/{}", "n".repeat(92)), b"x"),
        "ok-name-of-255" => t.pax_file(&format!("package/{}", "n".repeat(255)), b"x"),
        "ok-deep" => t.pax_file(&format!("package/{}x", "d/".repeat(200)), b"x"),
        "ok-version-7" => t.with(b"package/a.js", b"x", |h| {
            h[257..265].copy_from_slice(&[0; 8]);
            h[156] = 0;
        }),
        "ok-mode-0" => field(&mut t, MODE, b"0000000\0"),
        "ok-mode-777" => field(&mut t, MODE, b"0000777\0"),
        "ok-mode-with-type" => field(&mut t, MODE, b"100644 \0"),
        "ok-mode-blank" => field(&mut t, MODE, &[0; 8]),
        "ok-mode-spaces" => field(&mut t, MODE, b"   644 \0"),
        "ok-time-negative" => field(&mut t, TIME, b"-0000000001\0"),
        "ok-time-blank" => field(&mut t, TIME, &[0; 12]),
        "ok-time-binary" => field(&mut t, TIME, &[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        "ok-time-no-number" => field(&mut t, TIME, b"zzzzzzzzzzz\0"),
        "ok-size-binary" => field(&mut t, SIZE, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        "ok-size-spaces" => field(&mut t, SIZE, b"          1 "),
        "ok-size-of-12-digits" => field(&mut t, SIZE, b"000000000001"),
        "ok-size-blank" => t.with(b"package/a.js", b"", |h| h[SIZE].copy_from_slice(&[0; 12])),
        "ok-owner-binary" => {
            field(&mut t, OWNER, &[0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])
        }
        "ok-owner-no-number" => field(&mut t, OWNER, b"99999999abcdefg\0"),
        "ok-contiguous" => t.typed(b'7', "package/a.js", b"x"),
        "ok-noise" => t.file("package/index.js", &super::noise(100_000)),
        "ok-empty-file" => t.file("package/a.js", b""),
        "ok-two-manifests" => {
            t = own_root(&[
                ("package/package.json", br#"{"name":"other","version":"6.6.6"}"#),
                ("package/package.json", manifest),
            ]);
        }
        "ok-utf8" => t.file("package/\u{e9}\u{65e5}\u{1f600}.js", b"x"),
        "ok-not-utf8" => t.with(b"package/\xe9.js", b"x", |_| {}),
        "ok-odd-names" => {
            let odd = [
                "a b", "-rf", "$(x)", "ab:c", " lead", "trail ", "t.", "a*b", "a?b", "a\"b", "a<b>", "a|b",
                "~", "#", "%41", "..a", "b..", "...",
            ];
            odd.iter().for_each(|name| t.file(&format!("package/{name}"), b"x"));
        }
        "ok-bundled" => t.file("package/node_modules/b/a.js", b"x"),
        "ok-beside" => {
            t.file("README", b"not part of it");
            t.file("package/a.js", b"x");
        }
        "ok-top-is-a-file" => {
            t.file("package", b"dropped");
            t.file("package/a.js", b"x");
        }
        "ok-byte-order-mark" => {
            t = own_root(&[(
                "package/package.json",
                "\u{feff}{\"name\":\"evil\",\"version\":\"1.0.0\"}".as_bytes(),
            )]);
        }
        "ok-v-version" => t = own_root(&[("package/package.json", br#"{"name":"evil","version":"v1.0.0"}"#)]),
        "ok-global-at-the-end" => {
            t.pax(b'g', &[("comment", b"c")]);
            return Some(t.bytes);
        }
        "ok-one-zero-block" => return Some([&t.bytes[..], &[0; 512]].concat()),
        "ok-no-zero-block" => return Some(t.bytes),
        "ok-padded" => return Some([&t.bytes[..], &[0; 102_400]].concat()),
        "ok-padded-oddly" => return Some([&t.bytes[..], &[0; 1000]].concat()),
        // npm takes one component only and then finds no manifest.
        "fine-dot-package" => t = own_root(&[("./package/package.json", manifest), ("./package/a.js", b"x")]),
        _ => return None,
    }
    Some(ended(t.bytes))
}
