//! What a publisher says of an archive: that it is this version of this package. A signature of the
//! bytes alone (as the earlier program made it) fits them under any name.
//!
//! ```text
//! pantry-statement 1
//! package ECOSYSTEM NAME VERSION    npm or minz; the fields escaped as in a snapshot
//! integrity sha512-BASE64           of the archive; sha256 for minz: the hash that locks name it by
//! date SECONDS
//! ```

use super::{PublicKey, SecretKey, Signature};
use crate::digest::Integrity;
use crate::record::Ecosystem;
use crate::snapshot::escape;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub ecosystem: Ecosystem,
    pub name: String,
    pub version: String,
    pub integrity: Integrity,
    /// Unix seconds.
    pub date: u64,
}

impl Statement {
    /// As a statement and its file name it.
    pub fn ecosystem_name(of: Ecosystem) -> &'static str {
        match of {
            Ecosystem::Npm => "npm",
            Ecosystem::Minz => "minz",
            _ => "other",
        }
    }

    fn text(&self) -> String {
        let (name, version) = (escape(self.name.as_bytes()), escape(self.version.as_bytes()));
        let ecosystem = Self::ecosystem_name(self.ecosystem);
        let Self { integrity, date, .. } = self;
        format!(
            "pantry-statement 1\npackage {ecosystem} {name} {version}\nintegrity {integrity}\ndate {date}\n"
        )
    }

    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(self.text().as_bytes())
    }

    pub fn is_signed_by(&self, key: &PublicKey, signature: &Signature) -> bool {
        key.verify(self.text().as_bytes(), signature)
    }
}
