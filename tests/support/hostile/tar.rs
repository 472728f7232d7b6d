//! A tar stream under construction: no decent library would write what is needed here.

#[derive(Default)]
pub struct Tar {
    pub bytes: Vec<u8>,
}

impl Tar {
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, b'0', "", 0o644, content);
    }

    pub fn link(&mut self, path: &str, target: &str, kind: u8) {
        self.entry(path, kind, target, 0o644, b"");
    }

    pub fn header(path: &str, kind: u8, target: &str, mode: u32, size: u64) -> [u8; 512] {
        let mut h = [0_u8; 512];
        let name = path.as_bytes();
        h[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        h[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        h[108..116].copy_from_slice(b"0000000\0");
        h[116..124].copy_from_slice(b"0000000\0");
        h[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        h[136..148].copy_from_slice(b"03560116604\0");
        h[156] = kind;
        h[157..157 + target.len()].copy_from_slice(target.as_bytes());
        h[257..265].copy_from_slice(b"ustar\x0000");
        Self::seal(&mut h);
        h
    }

    pub fn seal(h: &mut [u8; 512]) {
        h[148..156].copy_from_slice(b"        ");
        let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
        h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    pub fn entry(&mut self, path: &str, kind: u8, target: &str, mode: u32, content: &[u8]) {
        self.bytes.extend_from_slice(&Self::header(path, kind, target, mode, content.len() as u64));
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    pub fn pax_file(&mut self, path: &str, content: &[u8]) {
        let body = format!(" path={path}\n");
        let mut len = body.len() + 1;
        while format!("{len}").len() + body.len() != len {
            len = format!("{len}").len() + body.len();
        }
        self.entry("package/PaxHeader", b'x', "", 0o644, format!("{len}{body}").as_bytes());
        let short: String = path.chars().take(99).collect();
        self.file(&short, content);
    }

    /// So many bytes of nothing.
    pub fn zeros(&mut self, path: &str, size: u64) {
        self.bytes.extend_from_slice(&Self::header(path, b'0', "", 0o644, size));
        self.bytes.resize(self.bytes.len() + usize::try_from(size).expect("64 bits"), 0);
    }

    pub fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(padded, 0);
    }

    /// A file whose header is changed by hand (and then sealed).
    pub fn with(&mut self, path: &[u8], content: &[u8], edit: impl Fn(&mut [u8; 512])) {
        let mut header = Self::header("", b'0', "", 0o644, content.len() as u64);
        header[..path.len()].copy_from_slice(path);
        edit(&mut header);
        Self::seal(&mut header);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// An entry of that type.
    pub fn typed(&mut self, kind: u8, path: &str, content: &[u8]) {
        self.entry(path, kind, "", 0o644, content);
    }

    /// An extended header with these records.
    pub fn pax(&mut self, kind: u8, records: &[(&str, &[u8])]) {
        let mut block = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            block.extend_from_slice(format!("{length} {key}=").as_bytes());
            block.extend_from_slice(value);
            block.push(b'\n');
        }
        self.typed(kind, "package/PaxHeader", &block);
    }
}
