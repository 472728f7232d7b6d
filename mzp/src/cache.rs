//! `~/.mzp/cache`: what the compiler and the assembler have made before, by all that it was made of, so
//! that an unchanged program starts neither.
//!
//! ```text
//! KEY        64 hexadecimal digits: SHA-256 of what goes in
//!            mzp cache 1 SHA256     of KEY and all that follows; an entry that is not so is passed over
//!            a line of words        compiled: way, functions written twice
//!                                   image: assembler, origin, functions
//!            NAME BYTES             a line for each of these functions
//!            the assembly, or the image's bytes
//! ```
//!
//! Into a key go mzp's version, the programs that do the work ([`tool::identity`]), the compiler's own
//! variables, the machine, and the texts. It can be deleted at any time. Whatever cannot be read or written
//! here is no error: the build does it again.

use crate::assembler::{self, Assembled};
use crate::build::Way;
use crate::bundle::Bundle;
use crate::machine::Image;
use crate::platform::Platform;
use crate::program::Program;
use crate::stage::Staged;
use crate::tool;
use mirror::digest::Hash;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Most entries; when there are more, the older half goes.
const ENTRIES: usize = 512;
/// Longest entry that is read.
const LONGEST: u64 = 64 << 20;

#[derive(Debug, Clone)]
pub struct Cache {
    pub dir: PathBuf,
    /// Where programs are looked for.
    pub path: Vec<PathBuf>,
    /// The variables that the compiler looks at.
    pub variables: Vec<(OsString, OsString)>,
}

/// What the compiler made of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub way: Way,
    pub duplicates: usize,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(Hash);

/// Parts that cannot run into one another.
#[derive(Default)]
struct Parts(Vec<u8>);

impl Parts {
    fn add(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.0.extend((part.len() as u64).to_le_bytes());
        self.0.extend(part);
        self
    }
    fn key(&self) -> Key {
        Key(Hash::of(&self.0))
    }
}

fn parts(what: &str, platform: &Platform) -> Parts {
    let mut parts = Parts::default();
    parts.add(env!("CARGO_PKG_VERSION")).add(what).add(format!("{platform:?}"));
    parts
}

impl Cache {
    /// `None`: the compiler is not here.
    pub fn compiled_key(
        &self,
        compiler: &OsStr,
        platform: &Platform,
        program: &Program,
        whole: &Bundle,
        staged: &Staged,
    ) -> Option<Key> {
        let mut parts = parts("compiled", platform);
        parts.add(tool::identity(compiler, &self.path)?);
        // The compiler's parser is a program of its own.
        parts.add(tool::identity(OsStr::new("tree-sitter"), &self.path).unwrap_or_default());
        for (name, value) in &self.variables {
            parts.add(name.as_encoded_bytes()).add(value.as_encoded_bytes());
        }
        // What each of the ways would give to it.
        parts.add("sources");
        for m in &program.modules {
            parts.add(&m.path).add(m.package.as_ref().map_or("", |p| p.as_str())).add(&m.source.text);
        }
        parts.add("staged");
        for (path, text) in &staged.files {
            parts.add(path.as_str()).add(text);
        }
        Some(parts.add("bundle").add(&whole.text).key())
    }

    /// `None`: no assembler is here.
    pub fn image_key(&self, assembly: &str, platform: &Platform) -> Option<Key> {
        let mut parts = parts("image", platform);
        let mut any = false;
        for program in assembler::programs(platform.cpu) {
            let identity = tool::identity(OsStr::new(program), &self.path);
            any |= identity.is_some();
            parts.add(identity.unwrap_or_default());
        }
        any.then(|| parts.add(assembly).key())
    }

    fn get(&self, key: Key) -> Option<Vec<u8>> {
        let bytes = mirror::file::read(&self.entry(key), LONGEST).ok()?;
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
        (head == head_of(key, rest).as_bytes()).then(|| rest.to_vec())
    }

    fn put(&self, key: Key, bytes: &[u8]) {
        let text = [head_of(key, bytes).as_bytes(), b"\n", bytes].concat();
        if mirror::file::make_dirs(&self.dir).is_ok() {
            self.thin();
            let _ = mirror::file::replace_scratch(&self.entry(key), &text);
        }
    }

    fn entry(&self, key: Key) -> PathBuf {
        self.dir.join(key.0.to_string())
    }

    /// Makes room.
    fn thin(&self) {
        let mut entries = entries(&self.dir);
        if entries.len() < ENTRIES {
            return;
        }
        mirror::order::sort_by_key(&mut entries, |path| {
            std::fs::metadata(path).and_then(|m| m.modified()).ok().map(|t| (t, path.clone()))
        });
        for path in &entries[..entries.len() / 2] {
            let _ = mirror::file::remove(path);
        }
    }

    pub fn compiled(&self, key: Key) -> Option<Compiled> {
        let bytes = String::from_utf8(self.get(key)?).ok()?;
        let (words, text) = bytes.split_once('\n')?;
        let (way, duplicates) = words.split_once(' ')?;
        let way = [Way::Packages, Way::Staged, Way::Bundle].into_iter().find(|w| w.name() == way)?;
        Some(Compiled { way, duplicates: duplicates.parse().ok()?, text: text.to_string() })
    }

    pub fn keep_compiled(&self, key: Key, made: &Compiled) {
        self.put(key, format!("{} {}\n{}", made.way.name(), made.duplicates, made.text).as_bytes());
    }

    pub fn image(&self, key: Key) -> Option<Assembled> {
        let bytes = self.get(key)?;
        let mut rest = bytes.as_slice();
        let mut line = || {
            let end = rest.iter().position(|b| *b == b'\n')?;
            let line = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(line)
        };
        let mut words = line()?.split(' ');
        let assembler = words.next()?;
        let cpus = crate::platform::Cpu::ALL.into_iter();
        let assembler = cpus.flat_map(assembler::known).find(|known| *known == assembler)?;
        let origin = words.next()?.parse().ok()?;
        let mut functions = Vec::new();
        for _ in 0..words.next()?.parse::<usize>().ok()? {
            let (name, bytes) = line()?.rsplit_once(' ')?;
            functions.push((name.to_string(), bytes.parse().ok()?));
        }
        let image = Image { origin, bytes: rest.to_vec() };
        Some(Assembled { image, assembler, functions })
    }

    pub fn keep_image(&self, key: Key, made: &Assembled) {
        let mut bytes = format!("{} {} {}\n", made.assembler, made.image.origin, made.functions.len());
        made.functions.iter().for_each(|(name, n)| bytes.push_str(&format!("{name} {n}\n")));
        self.put(key, &[bytes.as_bytes(), &made.image.bytes].concat());
    }
}

/// Over an entry's bytes and whose they are: one that was moved is as bad as one that was changed.
fn head_of(key: Key, bytes: &[u8]) -> String {
    format!("mzp cache 1 {}", Hash::of(&[key.0.to_string().as_bytes(), bytes].concat()))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

/// Deletes what is kept: how many entries, and their bytes.
pub fn clear(dir: &Path) -> (u64, u64) {
    let mut cleared = (0, 0);
    for path in entries(dir) {
        let bytes = std::fs::symlink_metadata(&path).map_or(0, |m| m.len());
        if mirror::file::remove(&path).is_ok() {
            cleared = (cleared.0 + 1, cleared.1 + bytes);
        }
    }
    cleared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache =
            Cache { dir: dir.path().join("cache"), path: vec![dir.path().into()], variables: Vec::new() };
        (dir, cache)
    }
    fn compiled() -> Compiled {
        Compiled { way: Way::Staged, duplicates: 3, text: "main:\n    RET\n".into() }
    }
    fn assembled() -> Assembled {
        let functions = vec![("main".into(), 1), ("a b.c$u8".into(), 70)];
        let image = Image { origin: 0x8000, bytes: b"\n\xC9 \n".to_vec() };
        Assembled { image, assembler: "pasmo", functions }
    }
    fn key(text: &str) -> Key {
        Parts::default().add(text).key()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let (_dir, cache) = cache();
        assert_eq!(cache.compiled(key("a")), None);
        cache.keep_compiled(key("a"), &compiled());
        cache.keep_image(key("b"), &assembled());
        assert_eq!(cache.compiled(key("a")), Some(compiled()));
        let back = cache.image(key("b")).unwrap();
        assert_eq!(format!("{back:?}"), format!("{:?}", assembled()));
        // Neither is taken for the other.
        assert_eq!(cache.compiled(key("b")), None);
        assert!(cache.image(key("a")).is_none());
        assert_eq!(clear(&cache.dir).0, 2);
        assert_eq!(cache.compiled(key("a")), None);
    }

    #[test]
    fn every_flipped_byte_and_every_length_is_found() {
        let (_dir, cache) = cache();
        cache.keep_image(key("a"), &assembled());
        let path = cache.entry(key("a"));
        let whole = std::fs::read(&path).unwrap();
        let broken = |bytes: &[u8]| {
            mirror::file::replace_scratch(&path, bytes).unwrap();
            assert!(cache.image(key("a")).is_none(), "{bytes:?}");
        };
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1;
            broken(&bytes);
            broken(&whole[..i]);
        }
        broken(&[whole.as_slice(), b"x"].concat());
        // In another's place.
        mirror::file::replace_scratch(&cache.entry(key("b")), &whole).unwrap();
        assert!(cache.image(key("b")).is_none());
        mirror::file::replace_scratch(&path, &whole).unwrap();
        assert!(cache.image(key("a")).is_some());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let (_dir, cache) = cache();
        for i in 0..ENTRIES + 10 {
            cache.keep_compiled(key(&i.to_string()), &compiled());
        }
        assert_eq!(entries(&cache.dir).len(), ENTRIES / 2 + 10);
        assert_eq!(cache.compiled(key(&(ENTRIES + 9).to_string())), Some(compiled()));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let (dir, cache) = cache();
        mirror::file::write_scratch(&dir.path().join("cache"), b"a file").unwrap();
        cache.keep_compiled(key("a"), &compiled());
        assert_eq!(cache.compiled(key("a")), None);
    }

    #[test]
    fn a_program_that_is_replaced_is_another() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mz");
        let folders = [dir.path().to_path_buf()];
        let id = || tool::identity(OsStr::new("mz"), &folders);
        assert_eq!(id(), None);
        mirror::file::write_scratch(&path, b"one").unwrap();
        assert_eq!(id(), None, "it cannot be run");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let one = id().unwrap();
        assert_eq!(id().unwrap(), one);
        assert_eq!(tool::identity(path.as_os_str(), &[]).unwrap(), one);
        mirror::file::replace_scratch(&path, b"two").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(id().unwrap(), one);
    }
}
