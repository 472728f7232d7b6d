//! What two mirrors have that the other lacks: both are walked in the order of their keys, a block per
//! level in memory.

use crate::error::{Conflict, Result};
use crate::mirror::Mirror;
use crate::record::join::differing;
use crate::record::{Key, RecordView};
use crate::segment::{Merge, Source};

/// How a version differs. `true`: the first mirror is the one that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The other one does not know that there is such a version. Its archive is there, or not.
    Known(bool, bool),
    /// Both know it, and only one has its archive.
    Archive(bool),
    /// It has two hashes.
    Hashes(Box<Conflict>),
}

/// Walks through the differences, in the order of the packages.
pub fn diff(a: &Mirror, b: &Mirror, each: &mut dyn FnMut(&Key, &str, What) -> Result<()>) -> Result<()> {
    let sides = [a, b].map(|m| Merge::new(m.sources(0..m.levels().len(), b"", false)));
    let [mut left, mut right] = sides;
    let (mut x, mut y) = (next(&mut left, a)?, next(&mut right, b)?);
    loop {
        let order = match (&x, &y) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        let one = if order.is_le() { x.take() } else { None };
        let two = if order.is_ge() { y.take() } else { None };
        record(one.as_ref().map(|(_, view)| view), two.as_ref().map(|(_, view)| view), each)?;
        if order.is_le() {
            x = next(&mut left, a)?;
        }
        if order.is_ge() {
            y = next(&mut right, b)?;
        }
    }
}

fn next(merge: &mut Merge<'_>, mirror: &Mirror) -> Result<Option<(Vec<u8>, RecordView)>> {
    while let Some(item) = merge.next()? {
        let key = item.key.clone();
        let view = item.view().map_err(|e| e.at(mirror.dir()))?;
        if !view.is_tombstone() {
            return Ok(Some((key, view)));
        }
    }
    Ok(None)
}

fn record(
    a: Option<&RecordView>,
    b: Option<&RecordView>,
    each: &mut dyn FnMut(&Key, &str, What) -> Result<()>,
) -> Result<()> {
    if let Some(a) = a {
        for i in 0..a.len() {
            let version = a.version(i);
            let what = match b.and_then(|b| Some((b, b.find(version)?))) {
                None => What::Known(true, a.is_present(i)),
                Some((b, j)) => match differing(a, i, b, j)? {
                    Some(conflict) => What::Hashes(Box::new(conflict)),
                    None if a.is_present(i) == b.is_present(j) => continue,
                    None => What::Archive(a.is_present(i)),
                },
            };
            each(a.key(), version, what)?;
        }
    }
    if let Some(b) = b {
        for j in (0..b.len()).filter(|j| a.is_none_or(|a| a.find(b.version(*j)).is_none())) {
            each(b.key(), b.version(j), What::Known(false, b.is_present(j)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::batch::tests::{new_mirror, nobody, put};

    #[test]
    fn each_kind_of_difference_is_told_in_order() {
        let ((_a, a), (_b, b)) = (new_mirror(), new_mirror());
        type Package<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);
        let commit = |m: &Mirror, packages: &[Package<'_>]| {
            let batch = Batch::begin(m, 0).unwrap();
            packages.iter().for_each(|(name, archives)| put(&batch, name, archives));
            batch.commit(&mut nobody).unwrap();
            m.refresh().unwrap()
        };
        let a =
            commit(&a, &[("a", &[("1.0.0", b"a")]), ("c", &[("1.0.0", b"c")]), ("d", &[("1.0.0", b"x")])]);
        let b = commit(&b, &[("b", &[("1.0.0", b"b")]), ("c", &[("1.0.0", b"c"), ("2.0.0", b"cc")])]);
        let b = commit(&b, &[("d", &[("1.0.0", b"y")]), ("e", &[("1.0.0", b"e")])]);
        let batch = Batch::begin(&b, 0).unwrap();
        batch.leave_out(&Key::npm("c"), "1.0.0");
        batch.remove(&Key::npm("e"), None);
        batch.commit(&mut nobody).unwrap();
        let b = b.refresh().unwrap();
        let told = |a: &Mirror, b: &Mirror| {
            let mut all = Vec::new();
            diff(a, b, &mut |key, version, what| {
                let what = match what {
                    What::Known(first, present) => format!("known {first} {present}"),
                    What::Archive(first) => format!("archive {first}"),
                    What::Hashes(_) => "hashes".to_string(),
                };
                all.push(format!("{} {version} {what}", key.name));
                Ok(())
            })
            .unwrap();
            all
        };
        let expected = [
            "a 1.0.0 known true true",
            "b 1.0.0 known false true",
            "c 1.0.0 archive true",
            "c 2.0.0 known false true",
            "d 1.0.0 hashes",
        ];
        assert_eq!(told(&a, &b), expected);
        let other: Vec<String> = expected
            .iter()
            .map(|line| {
                let mut words: Vec<&str> = line.split(' ').collect();
                if let Some(first) = words.get_mut(3) {
                    *first = if *first == "true" { "false" } else { "true" };
                }
                words.join(" ")
            })
            .collect();
        assert_eq!(told(&b, &a), other);
        assert!(told(&a, &a).is_empty() && told(&b, &b).is_empty());
    }
}
